"""What a recording lacks is said once, in the same words, in every view."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from packets import GREETING, MASK, RST, Packet, Talk, pcap

from wslab import LabPanel, cli
from wslab.anatomy.record import Kind
from wslab.protocol import build_frame
from wslab.protocol.words import BINARY
from wslab.recording.files.opening import open_trace
from wslab.recording.trace import Trace

LONG = build_frame(bytes(3000), opcode=BINARY, mask=MASK)
PIECES = [("c", LONG[at : at + 700]) for at in range(0, len(LONG), 700)]
FOLLOWS = "what follows was not recorded"


def whole() -> Talk:
    return Talk().open().say([*GREETING[:4], *PIECES, *GREETING[2:]]).close()


def without(*places: int) -> list[Packet]:
    return [packet for place, packet in enumerate(whole().packets) if place not in places]


def cut(place: int, size: int) -> list[Packet]:
    return [(time, packet[:size] if at == place else packet) for at, (time, packet) in enumerate(whole().packets)]


def one_sided(end: str) -> list[Packet]:
    port = whole().ends[end][1].to_bytes(2, "big")
    return [(time, packet) for time, packet in whole().packets if packet[20:22] == port]


def halved(line: int) -> list[Packet]:
    """The request or the response in two packets."""
    who, data = GREETING[line]
    return Talk().open().say([*GREETING[:line], (who, data[:50]), (who, data[50:]), *GREETING[line + 1 :]]).packets


def box() -> list[Packet]:
    talk = Talk().open().say(GREETING[:4])
    talk.put("s", flags=RST)
    time, packet = talk.packets[-1]
    return [*talk.packets[:-1], (time, packet[:8] + b"\x10" + packet[9:])]


# What was done to a capture, a word that a note has to say of it, and whether a frame is left without its end.
KINDS: dict[str, tuple[Callable[[], list[Packet]], str, bool]] = {
    "a packet of a frame was lost": (lambda: without(8), "were not captured", True),
    "a whole frame was lost": (lambda: without(5), "were not captured", False),
    "the request was lost": (lambda: without(3), "were not captured", False),
    "the response was lost": (lambda: without(4), "were not captured", False),
    "the last bytes were lost": (lambda: without(len(whole().packets) - 4), "the last", False),
    "a packet was cut short": (lambda: cut(9, 100), "were not captured", True),
    "the last packet of data was cut short": (lambda: cut(len(whole().packets) - 4, 42), "were not captured", True),
    "every packet was cut short": (lambda: [(at, one[:60]) for at, one in whole().packets], "cut short", False),
    "the client's direction only": (lambda: one_sided("c"), "nothing that the server sent was captured", False),
    "the server's direction only": (lambda: one_sided("s"), "nothing that the client sent was captured", False),
    "begun before the handshake": (lambda: whole().packets[3:], "the capture began in its middle", False),
    "begun in the midst of frames": (lambda: without(*range(12)), "is a guess", False),
    "stopped in the midst of a frame": (lambda: whole().packets[:9], "the capture ends inside a frame", True),
    "stopped in the midst of a head": (lambda: halved(0)[:4], "first head has no end in the capture", False),
    "stopped in the midst of the answer": (lambda: halved(1)[:5], "the capture ends inside a head of the server", True),
    "an RST of somebody else": (box, "something between the two may have sent it", False),
}


@pytest.mark.lengthy
@pytest.mark.parametrize("kind", KINDS)
def test_a_note_is_the_same_in_every_view(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make, words, unfinished = KINDS[kind]
    path = tmp_path / "capture"
    path.write_bytes(pcap(make()))
    trace = open_trace(path, Trace)
    notes = trace.notes
    assert any(words in note for note in notes)
    assert len(set(notes)) == len(notes)
    panel = LabPanel(trace)
    assert panel.file_notes == list(notes)
    cli.main(["dissect", str(path)])
    plain = capsys.readouterr()
    cli.main(["dissect", "--json", str(path)])
    out, err = capsys.readouterr()
    entries = [json.loads(line) for line in out.splitlines()]
    assert [entry["text"] for entry in entries if entry["kind"] == "note"] == list(notes)
    trace.save(tmp_path / "saved")
    assert Trace.open(tmp_path / "saved").notes == notes
    for note in notes:
        for text in (str(trace), repr(trace), str(panel), plain.err, err):
            assert text.count(note) == 1
        for page in (trace._repr_html_(), panel._repr_mimebundle_()[0]["text/html"]):
            assert html.unescape(page).count(f"<li>{note}</li>") == 1
    panel.close()
    left = [record for record in trace.records if record.kind is Kind.UNREAD]
    assert bool(left) is unfinished
    told = [entry["what"] for entry in entries if entry["kind"] == "unread"]
    for record, what in zip(left, told, strict=True):
        assert what.endswith(FOLLOWS)
        assert what in " ".join(repr(trace.explain(record.number)).split())
    assert all(not entry["violations"] for entry in entries if entry["kind"] not in ("note", "end", "error"))
