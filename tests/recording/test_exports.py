"""Each export holds what the trace holds, or says what it lacks: one table of things and exports."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dpkt
import pytest
from damage import everything

from wslab import cli
from wslab.anatomy.record import Kind
from wslab.recording.trace import Trace


def filled() -> Trace:
    """One of everything, and more frames than are kept: the first ones were dropped, one of them in part."""
    trace = everything()
    small = Trace(max_bytes=4096, max_entries=200)
    client = small.join(trace.records[0].sender, "many")
    client.sent(b"\x82\xfe\x0f\x00" + bytes(4 + 0xF00) + b"\x81\x80\0\0\0\0" * 300)
    client.bend("delayed by 20 ms")
    client.note("RuntimeError: no")
    client.reset_sent()
    small.notes = ("a note of a file that it was read from",)
    assert small.dropped.bytes
    assert small.dropped.records
    return small


@dataclass
class Export:
    """What came out: what it holds, as a trace or as text, and what it says it lacks."""

    text: str
    said: str
    back: Trace | None = None


def as_saved(trace: Trace, folder: Path) -> Export:
    trace.save(folder / "a.wslab")
    back = Trace.load(folder / "a.wslab")
    told = [back.explain(record.number).facts for record in back.records]
    return Export(f"{told} {[*map(str, back.records)]} {back.states(back.connections[0])}", "; ".join(back.notes), back)


def as_pcapng(trace: Trace, folder: Path) -> Export:
    trace.to_pcapng(folder / "a.pcapng")
    data = (folder / "a.pcapng").read_bytes()
    said = data[data.index(b"Written by wslab") :].partition(b"\x04\x00")[0].decode("utf-8", "replace")
    segments = [dpkt.ip.IP(packet).data for _, packet in dpkt.pcapng.Reader(io.BytesIO(data))]
    assert sum(len(segment.data) for segment in segments) == len(trace.tape.kept().data) > 0
    reset = "RST" if any(segment.flags & dpkt.tcp.TH_RST for segment in segments) else ""
    return Export(f"{reset} bytes", said, Trace.open(folder / "a.pcapng"))


def as_har(trace: Trace, folder: Path) -> Export:
    log = trace.to_har(folder / "a.har")["log"]
    assert json.loads((folder / "a.har").read_text())["log"] == log
    entries = " ".join(entry["comment"] for entry in log["entries"])
    return Export(json.dumps(log["entries"]), f"{log['comment']} {entries}", Trace.open(folder / "a.har"))


def as_data_frame(trace: Trace, folder: Path) -> Export:
    frame = trace.to_dataframe()
    return Export(frame.to_string(), frame.attrs["left_out"])


def as_json(trace: Trace, folder: Path) -> Export:
    trace.save(folder / "a.wslab")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *said, **_: lines.extend(map(str, said)))
        assert cli.main(["dissect", str(folder / "a.wslab"), "--json"]) == 0
    objects = [json.loads(line) for line in lines if line.startswith("{")]
    assert {"error", "bend", "note", "frame"} <= {one["kind"] for one in objects}
    return Export("\n".join(lines), "; ".join(one["text"] for one in objects if one["kind"] == "note"))


EXPORTS: list[Callable[[Trace, Path], Export]] = [as_saved, as_pcapng, as_har, as_data_frame, as_json]

# What a trace holds: how its text is known again, and what is said where it is missing.
HELD: dict[str, tuple[str, str]] = {
    "a note of the file it was read from": ("", "a note of a file that it was read from"),
    "a program's error": ("RuntimeError: no", r"ERROR record|1 note|2 notes"),
    "a relay's bend": ("a relay changed the mask|delayed by 20 ms", r"BEND record|1 note|2 notes"),
    "unread bytes": ("no frame|unread|left over|bytes", r"UNREAD record"),
    "an RST": ("RST|TCP RST", r"RESET record"),
}
ALSO_DROPPED = {"dropped records": ("", r"\d+ records and [\d,]+ bytes before were dropped")}


def told(export: Export, words: str, lack: str) -> bool:
    held = bool(words) and re.search(words, export.text) is not None
    return held or re.search(lack, export.said) is not None


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
@pytest.mark.parametrize("which", [everything, filled], ids=lambda make: make.__name__)
def test_what_a_trace_holds_is_held_or_said_to_be_missing(
    export: Callable[[Trace, Path], Export], which: Callable[[], Trace], tmp_path: Path
) -> None:
    trace = which()
    out = export(trace, tmp_path)
    wanted = HELD if which is everything else {**HELD, **ALSO_DROPPED}
    kinds = {record.kind for record in trace.records}
    for name, (words, lack) in wanted.items():
        if name == "unread bytes" and Kind.UNREAD not in kinds:
            continue
        if name == "dropped records" and out.back is not None and out.back.dropped == trace.dropped:
            continue
        assert told(out, words, lack), (name, out.said)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_frames_and_messages_come_out_whole(export: Callable[[Trace, Path], Export], tmp_path: Path) -> None:
    """Every frame, its connection's gap and its cut included, in the exports that hold frames; else every message."""
    trace = everything()
    out = export(trace, tmp_path)
    frames = [(frame.sender, frame.opcode, frame.data) for frame in trace.frames]
    if export is as_har:
        assert out.back is not None
        assert [message.data for message in out.back.messages] == [message.data for message in trace.messages]
        assert "3 control frames, 2 fragments" in out.said
    elif out.back is not None:
        assert sorted((frame.sender, frame.opcode, frame.data) for frame in out.back.frames) == sorted(frames)
    else:
        rows = out.text.count("\n") if export is as_data_frame else out.text.count('"kind": "frame"')
        assert rows == len(frames)


def test_messages_whose_bytes_were_dropped_are_counted(tmp_path: Path) -> None:
    trace = filled()
    comment = trace.to_har()["log"]["entries"][0]["comment"]
    lost = sum(message.data is None for message in trace.messages)
    assert (f"{lost} message" in comment) is (lost > 0)


def test_an_export_without_anything_left_out_says_nothing_of_it(tmp_path: Path) -> None:
    trace = Trace()
    trace.join(everything().records[0].sender, 1).sent(b"\x81\x80\0\0\0\0")
    assert trace.lacking(Kind.ERROR, Kind.BEND) == ""
    assert "Left out" not in as_pcapng(trace, tmp_path).said


def test_nothing_written_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that is interrupted leaves the file that was there, and no other."""
    trace: Any = everything()
    path = tmp_path / "there"

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    for write, broken in (
        (trace.save, "wslab.recording.archive.json.dumps"),
        (trace.to_pcapng, "wslab.recording.files.capture_out._packet"),
        (trace.to_har, "wslab.recording.files.har.json.JSONEncoder.iterencode"),
    ):
        path.write_text("what was there before")
        with monkeypatch.context() as patch:
            patch.setattr(broken, interrupted)
            with pytest.raises(KeyboardInterrupt):
                write(path)
        assert path.read_text() == "what was there before"
        assert [*tmp_path.iterdir()] == [path]
        write(path)
        assert path.read_bytes() != b"what was there before"
        assert [*tmp_path.iterdir()] == [path]
