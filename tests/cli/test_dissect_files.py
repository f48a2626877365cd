"""``wslab dissect FILE``: any format, told by its content; the same keys as for raw streams."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packets import GREETING, MASK, RST, STREAMS, Talk, greeting, pcap

from wslab import cli
from wslab.anatomy.field import Sender
from wslab.protocol import build_frame, build_request, dissect
from wslab.recording.trace import Trace


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = cli.main(["dissect", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def objects(out: str) -> list[dict[str, object]]:
    """What was printed, without what only a recording knows: times, how the streams ended, and what is noted."""
    entries = [json.loads(line) for line in out.splitlines()]
    told = ("end", "note", "error", "bend")
    return [{key: each for key, each in one.items() if key != "time"} for one in entries if one["kind"] not in told]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture"
    path.write_bytes(pcap(greeting().packets))
    return path


def test_the_same_as_of_the_raw_streams(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name, data in zip(("client", "server"), STREAMS.values(), strict=True):
        (tmp_path / name).write_bytes(data)
    raw = run(capsys, "--json", "--client", tmp_path / "client", "--server", tmp_path / "server")
    status, out, err = run(capsys, "--json", capture)
    assert (status, objects(out), err) == (0, objects(raw[1]), "")
    assert len(objects(raw[1])) == 6
    streams = run(capsys, "--client", tmp_path / "client", "--server", tmp_path / "server")
    _, recorded, _ = run(capsys, capture)
    assert recorded.endswith(streams[1])


def test_when_things_happened_and_how_tcp_ended(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    entries = [json.loads(line) for line in run(capsys, "--json", capture)[1].splitlines()]
    assert all(isinstance(entry["time"], float) for entry in entries)
    ends = [(entry["sender"], entry["how"]) for entry in entries if entry["kind"] == "end"]
    assert ends == [("server", "FIN"), ("client", "FIN")]
    lines = run(capsys, capture)[1].split("\n\n")[0].splitlines()
    assert [line.split()[2] for line in lines] == [
        "client",
        "server",
        "client",
        "server",
        "client",
        "server",
        "server",
        "client",
    ]
    assert lines[2].split() == ["0.002000", "s", "client", "TEXT", '"Hello', 'server!"']
    assert lines[-1].endswith("client  FIN, end of stream")
    torn = Talk().open().say(GREETING[:3])
    torn.put("s", flags=RST)
    (tmp_path / "torn").write_bytes(pcap(torn.packets))
    last = json.loads(run(capsys, "--json", tmp_path / "torn")[1].splitlines()[-1])
    assert (last["kind"], last["sender"], last["how"]) == ("end", "server", "RST")
    assert last["seen"].startswith("an RST with the server's address; its TTL is 64, as that side's other packets have")


def test_every_format(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trace = Trace.open(capture)
    trace.save(tmp_path / "a")
    trace.to_pcapng(tmp_path / "b")
    trace.to_har(tmp_path / "c")
    _, out, _ = run(capsys, "--json", capture)
    for name in "ab":
        assert run(capsys, "--json", tmp_path / name)[1] == out
    status, out, err = run(capsys, "--json", tmp_path / "c")
    assert (status, [entry["kind"] for entry in objects(out)]) == (0, ["handshake"] * 2 + ["frame"] * 2)
    assert err.startswith("wslab dissect: rebuilt from a HAR")


def test_connections_are_counted_as_in_the_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = Talk((b"\x0a\0\0\x01", 50_001)).open().say([("c", b"EHLO"), ("s", b"250")])
    last = Talk((b"\x0a\0\0\x01", 50_002)).open().say()
    path = tmp_path / "many"
    path.write_bytes(pcap([*greeting().packets, *other.packets, *last.packets]))
    status, out, err = run(capsys, "--json", path)
    assert status == 0
    assert [entry["connection"] for entry in objects(out)] == [0] * 6 + [2] * 6
    assert err == "wslab dissect: 1 TCP connection left out: not WebSocket\n"
    assert [line for line in run(capsys, path)[1].splitlines() if line.startswith("connection")] == [
        "connection 0",
        "connection 2",
    ]


def test_bytes_that_are_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    half = build_frame("never whole", mask=MASK)[:-3]
    path = tmp_path / "half"
    path.write_bytes(pcap(Talk().open().say([*GREETING[:2], ("c", half)]).packets))
    _, out, _ = run(capsys, "--json", path)
    client, server = (b"".join(data for who, data in [*GREETING[:2], ("c", half)] if who == end) for end in "cs")
    wanted = json.loads(json.dumps(list(dissect(client, server).json_objects())))
    assert wanted[2]["kind"] == "unread"
    wanted[2]["what"] += "; what follows was not recorded"
    assert objects(out) == wanted


def test_credentials_are_withheld(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "secret"
    request = build_request(headers={"Cookie": "session=opensesame"})
    path.write_bytes(pcap(Talk().open().say([("c", request), *GREETING[1:]]).packets))
    for arguments in ((path,), ("--json", path)):
        assert "sesame" not in run(capsys, *arguments)[1]


def test_what_is_wrong_is_said(tmp_path: Path, capture: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "cut").write_bytes(capture.read_bytes()[:-5])
    (tmp_path / "none").write_bytes(capture.read_bytes()[:24])
    status, out, err = run(capsys, tmp_path / "text")
    assert (status, out) == (2, "")
    assert "expected a recording of wslab, a HAR, pcap or pcapng file" in err
    assert run(capsys, tmp_path / "nowhere")[0] == 2
    assert "cut or lying" in run(capsys, tmp_path / "cut")[2]
    assert "holds no WebSocket connection" in run(capsys, tmp_path / "none")[2]
    status, _, err = run(capsys, capture, "--client", capture)
    assert (status, "either a FILE" in err) == (2, True)
    assert set(STREAMS) == set(Sender)


def test_what_a_program_or_a_relay_noted_is_printed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trace = Trace()
    client = trace.join(Sender.CLIENT, "one")
    client.sent(build_request())
    client.bend("the relay held these bytes back for 20 ms")
    client.note("RuntimeError: the last of its words\x1b[2J")
    trace.save(tmp_path / "a.wslab")
    lines = run(capsys, tmp_path / "a.wslab")[1].split("\n\n")[0].splitlines()
    assert lines[1].endswith("client  the relay held these bytes back for 20 ms")
    assert lines[2].endswith("client  RuntimeError: the last of its words\\x1b[2J")
