"""Files that are cut, lying, hostile or huge: a stated problem, what could be read, and never long.

Either ``Trace.open`` raises TraceFileError, because nothing could be read, or it returns a trace whose ``notes`` say
what is wrong. Nothing else may be raised, and time and memory stay bounded by the file's own size.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import struct
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from damage import DAMAGES, Damage, a_byte_of_a_part, damaged, everything, refused, saved, zipped
from hypothesis import given
from hypothesis import strategies as st
from packets import ACK, GREETING, MASK, SAID, SYN, Talk, enhanced, greeting, interface, pcap, pcapng, section
from packets import block as make_block
from test_har import entry, message

from wslab.protocol import build_frame, build_request
from wslab.protocol.states import NEXT, Event, State
from wslab.recording.archive import TraceFileError
from wslab.recording.files import capture_in
from wslab.recording.trace import Trace

read_capture = partial(capture_in.read_capture, kind=Trace)

SECONDS = 5.0
"""A file of a few hundred kilobytes takes milliseconds; this is for busy machines."""
MEMORY = 30 * 2**20

PACKETS = greeting().packets
GOOD = pcap(PACKETS)
GOOD_NG = section() + interface() + b"".join(enhanced(*packet) for packet in PACKETS)
GREETED = section() + interface() + b"".join(enhanced(*packet) for packet in PACKETS[:7])
"""Cut after both have said hello."""


def far_ahead() -> bytes:
    """Segments that claim to lie a gigabyte further on."""
    talk = Talk().open().say([("c", build_request())])
    for n in range(1, 4):
        talk.put("c", b"x", seq=talk.next["c"] + n * 2**29)
    return pcap(talk.packets)


def every_second_lost(number: int = 5_000) -> bytes:
    talk = Talk().open().say(GREETING[:2])
    frame = build_frame("one of many", mask=MASK)
    for _ in range(number):
        talk.put("c", frame)
        talk.next["c"] += len(frame)
    return pcap(talk.packets)


def backwards(number: int = 3_000) -> bytes:
    """Every segment out of order, from the last to the first."""
    talk = Talk().open()
    start = talk.next["c"]
    for n in reversed(range(number)):
        talk.put("c", b"\x81\x80\0\0\0\0", seq=start + n * 6)
    return pcap(talk.packets)


def many_heads() -> bytes:
    """Requests without end, none of which upgrades."""
    return pcap(Talk().open().say([("c", b"GET / HTTP/1.1\r\n\r\n" * 2000)] * 3).packets)


def many_almost_upgrades() -> bytes:
    body = b"GET / HTTP/1.1\r\nupgrade: " + b"w" * 16_000
    talk = Talk().open()
    talk.next["c"] += 10  # a gap, so that every segment is tried
    return pcap(talk.say([("c", body)] * 100).packets)


def many_connections(number: int = 300) -> bytes:
    packets = [p for n in range(number) for p in Talk((struct.pack(">I", n), 5)).say([("c", build_request())]).packets]
    return pcap(packets)


def tags() -> bytes:
    return pcap([(0.0, bytes(12) + b"\x81\x00\x00\x01" * 10_000)], link=1)


def late(*places: int, last: float) -> bytes:
    """The greeting, with packets at these places in a year of many digits."""
    times = {place % len(PACKETS): last + place / 1000 for place in places}
    packets = (enhanced(times.get(place, time), data) for place, (time, data) in enumerate(PACKETS))
    return section() + interface() + b"".join(packets)


def extensions() -> bytes:
    return pcap([(0.0, b"\x60\0\0\0\xff\xff\x00\x40" + bytes(32) + bytes(60_000))])


CAPTURES: dict[str, tuple[bytes, str]] = {
    "pcap cut in a packet": (GOOD[:-20], "cut or lying"),
    "pcap cut in a header": (GOOD + b"\x01\x02", "cut in a packet's header"),
    "pcap cut in its own header": (GOOD[:20], "cut in its header"),
    "pcap with a packet of 4 GiB": (GOOD + struct.pack("<IIII", 0, 0, 2**32 - 1, 9) + b"x", "4,294,967,295"),
    "pcap with 10**9 bytes claimed at once": (GOOD[:24] + struct.pack("<IIII", 0, 0, 10**9, 10**9), "1,000,000,000"),
    "pcap of the wrong byte order": (GOOD[:4][::-1] + GOOD[4:], "cut or lying"),
    "pcap of an unknown link": (pcap(PACKETS, link=9999), "type 9999"),
    "pcap of zeros": (GOOD[:24] + bytes(100_000), "no IP|cut before"),
    "pcapng cut in a block": (GOOD_NG[:-6], "more than are left"),
    "pcapng cut in a block's header": (GOOD_NG + b"\6\0\0\0", "cut in a block's header"),
    "a block of 4 GiB": (GREETED + struct.pack("<II", 6, 2**32 - 4) + bytes(64), "4,294,967,292 bytes, more than"),
    "a block of no bytes": (GREETED + struct.pack("<II", 6, 0) + bytes(64), "0 bytes, which no block can have"),
    "a block of 13 bytes": (GREETED + struct.pack("<II", 6, 13) + bytes(64), "13 bytes, which no block can have"),
    "a block with two lengths": (GREETED + struct.pack("<III", 4, 16, 0) + b"\x14\0\0\0", "two different lengths"),
    "a packet block without room": (GREETED + make_block(6, b""), "too short for its own header"),
    "a packet longer than its block": (GREETED + make_block(6, struct.pack("<5I", 0, 0, 0, 9**9, 9)), "longer than"),
    "an interface that is not there": (GREETED + enhanced(0, b"x" * 60, 7), "the file does not describe"),
    "an interface block without room": (GREETED + make_block(1, b""), "interface block is too short"),
    "a section of no byte order": (GREETED + b"\x0a\x0d\x0d\x0a\x1c\0\0\0abcd" + bytes(16), "byte-order magic"),
    "a section of the other byte order": (GREETED + section(">") + interface() + GOOD_NG[76:], "nothing after it"),
    "a simple packet before any interface": (section() + make_block(3, b"\4\0\0\0abcd"), "before any interface"),
    "options that run over": (section() + make_block(1, struct.pack("<HHIHH", 101, 0, 0, 9, 9999)) + GOOD_NG[48:], ""),
    "a unit of time of 10**-127 s": (section() + interface(resolution=127) + GOOD_NG[48:], ""),
    "a unit of time of 1 s": (section() + interface(resolution=0) + GOOD_NG[48:], "after 9999"),
    "a FIN after 9999": (late(-2, last=2**43), "after 9999"),
    "two packets in the middle after 9999": (late(4, 5, last=2**42), "after 9999"),
    "a first packet after 9999": (late(0, 3, last=253402300800), "after 9999"),
    "a packet that is cut everywhere": (pcap([(0.0, PACKETS[3][1][:n]) for n in range(48)]), "cut before the end"),
    "an IP header that lies about itself": (pcap([(0.0, b"\x4f" + PACKETS[3][1][1:])]), "contradicts|cut|no TCP"),
    "a TCP header that lies about itself": (pcap([(0.0, PACKETS[0][1][:32] + b"\xf0\x02" + bytes(6))]), "contradicts"),
    "segments far ahead": (far_ahead(), "were not captured"),
    "every second segment lost": (every_second_lost(), "after too many gaps"),
    "every segment out of order": (backwards(), ""),
    "requests without end": (many_heads(), "HTTP without an upgrade"),
    "almost upgrades": (many_almost_upgrades(), ""),
    "many connections": (many_connections(), ""),
    "VLAN tags without end": (tags(), "no IP"),
    "extension headers without end": (extensions(), "no TCP|cut before"),
    "one SYN after another": (pcap([(0.0, Talk(isn=(n, 0)).put("c", flags=SYN)) for n in range(2_000)]), "without"),
}  # fmt: skip

HELD = {"type": "send", "time": 1.0, "opcode": 1, "data": "Hello"}
HARS: dict[str, tuple[str, str]] = {
    "times that are none": (
        json.dumps({"log": {"entries": [entry([message(time=t) for t in ("x", None, True, [], -1, 1e300, 10**400)])]}}),
        "no usable time",
    ),
    "a time and an opcode of thousands of digits": (
        '{"log": {"entries": [{"_resourceType": "websocket", "_webSocketMessages": ['
        '{"type": "send", "time": ' + "9" * 5_000 + ', "opcode": 1, "data": "a"},'
        '{"type": "send", "time": 1, "opcode": ' + "9" * 5_000 + ', "data": "b"}]}]}}',
        "no usable time",
    ),
    "an error of the browser that is nested deeply": (
        '{"log": {"entries": [{"_resourceType": "websocket", "_webSocketMessages": ['
        '{"type": "error", "time": 1, "opcode": -1, "data": ' + "[" * 400 + "]" * 400 + "},"
        '{"type": "send", "time": 1, "opcode": 1, "data": "a"}]}]}}',
        "rebuilt",
    ),
    "NaN and infinity": (
        '{"log": {"entries": [{"_resourceType": "websocket", "_webSocketMessages": ['
        '{"type": "send", "time": NaN, "opcode": 1, "data": "a"},'
        '{"type": "send", "time": -Infinity, "opcode": 1, "data": "b"}]}]}}',
        "no usable time",
    ),
    "entries that are none": (json.dumps({"log": {"entries": [1, None, "x", [], entry([message()])]}}), "no object"),
    "messages that are none": (json.dumps({"log": {"entries": [entry([1, None, [], {}, HELD])]}}), "left out"),
    "messages that are no list": (json.dumps({"log": {"entries": [entry({"type": "send"})]}}), "no list"),
    "wrong types in a message": (
        json.dumps({"log": {"entries": [entry([message(kind=1), message(opcode="1"), message(data=1), message(opcode=7),
                                               message(opcode=True), message(opcode={}), message(opcode=[])])]}}),
        "its type, opcode or data",
    ),
    "no base64": (json.dumps({"log": {"entries": [entry([message(opcode=2, data="\u015f!")])]}}), "should be base64"),
    "half a surrogate pair": ('{"log": {"entries": [{"_resourceType": "websocket", "_webSocketMessages": ['
                              '{"type": "send", "time": 1, "opcode": 1, "data": "\\ud800"}]}]}}', "surrogate"),
    "a ping of 126 bytes": (json.dumps({"log": {"entries": [entry([message(opcode=9, data="A" * 168)])]}}), "control"),
    "wrong types everywhere": (
        json.dumps({"log": {"entries": [
            entry([HELD], request=1, response=[], startedDateTime={}),
            entry([HELD], request={"headers": [1]}, response={"headers": {}}),
            entry([HELD], request={"headers": [{"name": 1}], "method": 1, "url": [], "httpVersion": 5}),
            entry([HELD], response={"headers": [{"name": "a", "value": "b"}], "status": True, "httpVersion": "X"}),
            entry([HELD], startedDateTime="9999-99-99T99:99:99"), entry([HELD], startedDateTime="0001-01-01T00:00:00"),
        ]}}),
        "a handshake is left out",
    ),
}  # fmt: skip

NO_MESSAGES = {"messages that are no list", "wrong types in a message", "no base64", "a ping of 126 bytes"}

NOTHING: dict[str, bytes] = {
    "an empty file": b"",
    "text": b"hello",
    "a compressed bomb": gzip.compress(bytes(2**22)),
    "JSON that is cut": b'{"log": {"entries": [',
    "JSON that is no HAR": b'{"log": []}',
    "a HAR whose entries are none": b'{"log": {"entries": 5}}',
    "JSON nested deeply": b'{"log": ' + b"[" * 200_000,
    "a number of a million digits": b'{"log": ' + b"9" * 1_000_000 + b"}",
    "JSON that is no UTF-8": b'{"log": "\xff"}',
    "a zip that is none": b"PK\x03\x04" + bytes(100),
}


def opened(path: Path, data: bytes) -> Trace:
    """Open a file; it may take neither long nor much."""
    path.write_bytes(data)
    started = time.perf_counter()
    Trace.open(path).update()
    assert time.perf_counter() - started < SECONDS
    if len(data) > 100_000:
        return Trace.open(path)
    tracemalloc.start()  # makes everything twenty times slower
    try:
        trace = Trace.open(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    return trace


def assert_shown(trace: Trace) -> None:
    """Everything that reads a trace can read this one."""
    assert repr(trace[: min(trace.total, 100)])
    assert len(trace.to_dataframe()) == len(trace.frames)
    assert len(trace.to_har()["log"]["entries"]) == len(trace.connections)
    for record in trace[: min(trace.total, 12)]:
        assert trace.explain(record.number)._repr_html_()
    with TemporaryDirectory() as folder:
        for write, name in ((trace.save, "x.wslab"), (trace.to_pcapng, "x.pcapng")):
            write(Path(folder, name))
            assert len(Trace.open(Path(folder, name)).frames) == len(trace.frames)


@pytest.mark.lengthy
@pytest.mark.parametrize("name", CAPTURES)
def test_damaged_captures(tmp_path: Path, name: str):
    data, problem = CAPTURES[name]
    trace = opened(tmp_path / "capture", data)
    if problem:
        assert re.search(problem, "\n".join(trace.notes)), trace.notes
    if data.startswith((GREETED, GOOD[:-20])):
        assert [message.data for message in trace.messages] == SAID
    assert_shown(trace)


@pytest.mark.parametrize("name", HARS)
def test_damaged_hars(tmp_path: Path, name: str):
    data, problem = HARS[name]
    trace = opened(tmp_path / "x.har", data.encode())
    assert problem in "\n".join(trace.notes)
    assert trace.rebuilt
    assert ([message.data for message in trace.messages] == []) is (name in NO_MESSAGES)
    assert_shown(trace)


@pytest.mark.parametrize("name", NOTHING)
def test_files_in_which_nothing_can_be_read(tmp_path: Path, name: str):
    path = tmp_path / "file"
    path.write_bytes(NOTHING[name])
    with pytest.raises(TraceFileError, match=str(path)):
        Trace.open(path)


@pytest.mark.parametrize("reader", [Trace.open, Trace.load, Trace.from_har, Trace.from_pcapng])
def test_files_that_are_not_there(tmp_path: Path, reader: Callable[[Path], Trace]):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(TraceFileError, match=str(path)):
            reader(path)


@pytest.mark.parametrize("reader", [Trace.load, Trace.from_har, Trace.from_pcapng])
def test_files_of_another_format(tmp_path: Path, reader: Callable[[Path], Trace]):
    path = tmp_path / "file"
    path.write_bytes(b"\x00\x01\x02\x03 something else")
    with pytest.raises(TraceFileError, match="expected a"):
        reader(path)


def test_a_huge_file_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.recording.files.capture_in.LARGEST", len(GOOD) + 24)
    (tmp_path / "huge").write_bytes(GOOD + bytes(10_000))
    trace = Trace.open(tmp_path / "huge")
    assert [message.data for message in trace.messages] == SAID
    assert any("the rest of it is not read" in note for note in trace.notes)
    monkeypatch.setattr("wslab.recording.files.capture_in.PACKETS", 8)
    (tmp_path / "huge").write_bytes(GOOD)
    assert "only the first 8 packets are read" in Trace.open(tmp_path / "huge").notes


def test_a_huge_har_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.recording.files.har_files.LARGEST", 100)
    (tmp_path / "huge.har").write_text(json.dumps({"log": {"entries": [entry([HELD])]}}))
    with pytest.raises(TraceFileError, match="JSON cannot be read in part"):
        Trace.open(tmp_path / "huge.har")


@given(st.data())
def test_any_byte_of_a_capture_may_be_anything(data: st.DataObject):
    whole = bytearray(data.draw(st.sampled_from([GOOD, GOOD_NG, pcapng(PACKETS)])))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(4, len(whole))) :]
    trace = read_capture(bytes(whole))
    trace.update()
    assert trace.total >= 0


@given(st.binary(max_size=400), st.sampled_from([GOOD[:24], GOOD_NG[:48], GOOD[:24] + GOOD[24:40]]))
def test_any_bytes_after_a_header(noise: bytes, header: bytes):
    read_capture(header + noise).update()


@pytest.mark.slow
def test_noise_on_a_connection(tmp_path: Path):
    """Random segments at random places of one connection."""
    rng = random.Random(7)
    talk = Talk().open()
    for _ in range(3_000):
        who = rng.choice("cs")
        talk.put(who, rng.randbytes(rng.randrange(60)), ACK, seq=talk.next[who] + rng.randrange(-500, 20_000))
    assert_shown(opened(tmp_path / "noise", pcap(talk.packets)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a saved recording that holds one of everything that is saved."""
    folder = tmp_path_factory.mktemp("whole")
    parts = saved(everything(), folder)
    story = json.loads(parts["trace.json"])
    assert all(story[name] for name in ("connections", "violations", "texts", "inflated", "messages", "notes"))
    assert all(parts.values())
    assert not refused(folder / "whole.wslab")
    return parts


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_recording_is_refused_or_read_in_every_way(damage: Damage, tmp_path: Path) -> None:
    """A sample; ``damage.py`` does as many as one likes."""
    files, refusals = damaged(tmp_path, damage, random.Random(damage.__name__), most=25)
    assert files == 25
    assert refusals < files or damage is not a_byte_of_a_part


@pytest.mark.parametrize(
    "report",
    [["x", 1000, ""], [0, [], ""], [0, "1000", ""], [0, 1000, 5], [0, 1.5, ""], [0, 1000], [7, 1000, ""], 3],
    ids=str,
)
def test_a_report_that_is_none_is_refused(report: Any, whole: dict[str, bytes], tmp_path: Path) -> None:
    story = json.loads(whole["trace.json"])
    story["connections"][0]["reports"][0] = report
    zipped(tmp_path / "damaged.wslab", {**whole, "trace.json": json.dumps(story).encode()})
    assert refused(tmp_path / "damaged.wslab")


@pytest.mark.lengthy
@pytest.mark.parametrize("old", State, ids=str)
def test_a_change_of_state_that_the_rfc_does_not_know_is_refused(
    old: State, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """The closing panel raised KeyError for it."""
    for event in Event:
        story = json.loads(whole["trace.json"])
        story["connections"][0]["transitions"][0][1:4] = [old.name, State.OPEN.name, event.name]
        zipped(tmp_path / "damaged.wslab", {**whole, "trace.json": json.dumps(story).encode()})
        assert refused(tmp_path / "damaged.wslab") is ((old, event) not in NEXT)


def test_a_number_of_connections_that_no_recording_has_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    for number, wrong in ((2**62, True), (0, False)):
        story = {**json.loads(whole["trace.json"]), "next_connection": number}
        zipped(tmp_path / "damaged.wslab", {**whole, "trace.json": json.dumps(story).encode()})
        assert refused(tmp_path / "damaged.wslab") is wrong


def test_a_reason_that_would_quote_the_file_is_cut(whole: dict[str, bytes], tmp_path: Path) -> None:
    """zipfile quotes a name of the directory and one of 64 KiB that a damaged header claims."""
    path = tmp_path / "damaged.wslab"
    zipped(path, {**whole, "bytes.bin": bytes(100_000)})
    data = path.read_bytes()
    at = data.index(b"bytes.bin") - 4
    path.write_bytes(data[:at] + b"\xff\xff" + data[at + 2 :])
    assert refused(path)


@pytest.mark.lengthy
@pytest.mark.parametrize("part", ["bytes.bin", "records.bin", "places.bin", "chunks.bin", "inflated.bin", "trace.json"])
def test_a_part_that_is_cut_or_missing_is_refused_or_can_be_read(
    part: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.wslab"
    for length in {0, 1, len(whole[part]) // 2, len(whole[part]) - 1}:
        zipped(path, {**whole, part: whole[part][:length]})
        refused(path)
    zipped(path, {name: content for name, content in whole.items() if name != part})
    assert refused(path)
