"""``run.py endurance bends``: captures in which one packet is left out, cut short, doubled, delayed or swapped.

Each kind of conversation is captured whole, and then bent at each single packet in each way. wslab reads every bent
capture by itself. tshark reads many of them in one file, each under addresses of its own. Then

- no rule is broken that the whole capture does not break;
- wslab tells no frame that the whole capture does not hold;
- where no byte is missing, it tells every frame, and says nothing in its notes that is not so;
- where a packet is missing or cut, the other direction is told in full;
- tshark and wslab tell the same frames (opcode, FIN, MASK, length, payload). A difference needs one of ``REASONS``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from packets import (
    ACK,
    FIN,
    GREETING,
    IPV6,
    MASK,
    PSH,
    RST,
    SERVER,
    Packet,
    Talk,
    ethernet,
    pcap,
    with_options,
)

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.protocol.states import State
from wslab.protocol.words import BINARY, CONTINUATION, PING, PONG, TEXT
from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace

BATCH: Final = 300  # captures that tshark reads in one file
SHARED: Final = 2  # tsharks at a time
HANDSHAKE: Final = GREETING[:2]
BYE: Final = GREETING[4:]


def mine(payload: bytes | str, **how: Any) -> tuple[str, bytes]:
    """A frame of the client."""
    return "c", build_frame(payload, mask=MASK, **how)


def yours(payload: bytes | str, **how: Any) -> tuple[str, bytes]:
    """A frame of the server."""
    return "s", build_frame(payload, **how)


def cut(who: str, data: bytes, *sizes: int) -> Iterator[tuple[str, bytes]]:
    """The bytes in pieces of these sizes, and the last size for all the rest."""
    at = number = 0
    while at < len(data):
        step = sizes[min(number, len(sizes) - 1)]
        yield who, data[at : at + step]
        at, number = at + step, number + 1


def conversation(*lines: tuple[str, bytes], ends: Any = (), **how: Any) -> list[Packet]:
    return Talk(*ends, **how).open().say([*HANDSHAKE, *lines, *BYE]).close().packets


def plain() -> list[Packet]:
    lines = [mine("Hello server!"), yours("Hello client!"), mine(bytes(range(200)), opcode=BINARY), yours("")]
    return conversation(*lines, mine("hey", opcode=PING), yours("hey", opcode=PONG), mine("ş" * 90), yours("x" * 130))


def compressed() -> list[Packet]:
    agreed = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    lines = [("c", build_request(headers=agreed)), ("s", build_response(headers=agreed))]
    for build in (mine, yours):
        deflate = zlib.compressobj(wbits=-15)  # the context is kept from message to message (RFC 7692 7.1.1)
        for text in (b"one text, one text", b"another text, one text", b"the last text of three"):
            data = deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
            lines.append(build(data[:-4], opcode=TEXT, rsv1=True))
    return Talk().open().say([*lines, *BYE]).close().packets


def fragmented() -> list[Packet]:
    parts = [mine("a fragment, ", fin=False), mine("another, ", opcode=CONTINUATION, fin=False)]
    parts += [mine("?", opcode=PING), yours("?", opcode=PONG), mine("the last.", opcode=CONTINUATION)]
    theirs = [yours(b"\xc5", opcode=TEXT, fin=False), yours(b"\x9f", opcode=CONTINUATION, fin=False)]
    return conversation(*parts, *theirs, yours("", opcode=CONTINUATION), mine("and on"), yours("and on"))


def split() -> list[Packet]:
    """Frames over several packets, heads and frame headers cut as well."""
    noise = random.Random(7)
    (_, up), (_, down) = mine(noise.randbytes(3000), opcode=BINARY), yours(noise.randbytes(2500), opcode=BINARY)
    lines = [*cut("c", HANDSHAKE[0][1], 40, 60, 200), *cut("s", HANDSHAKE[1][1], 17, 300)]
    lines += [*cut("c", up, 1, 6, 993, 1000), *cut("s", down, 3, 997, 900), mine("after"), yours("after")]
    return Talk().open().say([*lines, *BYE]).close().packets


def several() -> list[Packet]:
    """Three connections at once."""
    talks = [
        conversation(mine(f"one of {n}"), yours(f"an answer to {n}"), mine(f"two of {n}"), ends=((b"\x0a\0\0\x01", n),))
        for n in range(50_000, 50_003)
    ]
    return [packet for together in zip(*talks, strict=True) for packet in together]


def relayed() -> list[Packet]:
    """A relay between both: it reads a frame whole and writes it on, cut anew, in a connection of its own."""
    relay = b"\x0a\x00\x00\x03"
    near = Talk((b"\x0a\0\0\x01", 50_000), (relay, 80)).open()
    far = Talk((relay, 50_001), SERVER).open()
    order = [*near.packets, *far.packets]
    lines = [*HANDSHAKE, mine("through a relay"), yours("and back"), mine("x" * 300), yours("y" * 300), *BYE]
    for who, data in lines:
        hops = (near, far) if who == "c" else (far, near)
        for hop, size in zip(hops, (1000, 120), strict=True):
            before = len(hop.packets)
            hop.say(cut(who, data, size))
            order += hop.packets[before:]
    for hop in (near, far):
        before = len(hop.packets)
        hop.close()
        order += hop.packets[before:]
    return order


def closing() -> list[Packet]:
    talk = Talk().open().say([*HANDSHAKE, yours("last words"), ("s", build_close(1001, "away"))])
    talk.say([mine("on its way"), ("c", build_close(1001, mask=MASK))])
    talk.put("s", flags=FIN | ACK)
    talk.put("c", flags=RST | ACK)
    return talk.packets


def refused() -> list[Packet]:
    """A 403 with its body, then the end of TCP."""
    no = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    return Talk().open().say([HANDSHAKE[0], ("s", no)]).close().packets


def asked_twice() -> list[Packet]:
    """A page, then a 401, then the upgrade, on one connection."""
    page = [
        ("c", b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("s", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ]
    no = ("s", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    return Talk().open().say([*page, HANDSHAKE[0], no, *GREETING[:4], *BYE]).close().packets


def bare() -> list[Packet]:
    """Heads whose lines end in LF without CR."""
    lines = [(who, data.replace(b"\r\n", b"\n")) for who, data in HANDSHAKE]
    return Talk().open().say([*lines, *GREETING[2:4], *BYE]).close().packets


def long() -> list[Packet]:
    noise = random.Random(3)
    up, down = (noise.randbytes(70_000), noise.randbytes(66_000))
    lines = [
        *cut("c", mine(up, opcode=BINARY)[1], 9000),
        yours("between"),
        *cut("s", yours(down, opcode=BINARY)[1], 9000),
    ]
    return conversation(*lines, mine("after"), yours("after"))


def pipelined() -> list[Packet]:
    """Several frames in a packet, packets that begin in the midst of frames, and a FIN with the last data."""
    up = b"".join(mine(f"number {n}")[1] for n in range(12))
    down = b"".join(yours(f"answer {n}")[1] for n in range(12))
    talk = Talk().open().say([*HANDSHAKE, *cut("c", up, 40, 17, 100), *cut("s", down, 25, 60), *BYE[:1]])
    talk.put("s", BYE[1][1], FIN | ACK | PSH)
    talk.put("c", flags=FIN | ACK)
    return talk.packets


def ipv6() -> list[Packet]:
    return conversation(mine("over IPv6"), yours("over IPv6"), mine("and"), yours("more"), ends=IPV6)


def options() -> list[Packet]:
    """IPv4 headers with options."""
    packets = conversation(mine("with options"), yours("with options"), mine("and"), yours("more"))
    return [(time, with_options(packet)) for time, packet in packets]


def breaking() -> list[Packet]:
    """Rules are broken in the whole capture already."""
    lines = [
        ("c", build_frame("no mask")),
        ("s", build_frame("a mask", mask=MASK)),
        ("s", b"\x83\x00"),
        mine(b"\xff", opcode=TEXT),
    ]
    return conversation(*lines, mine("good"), yours("good"))


def alive() -> list[Packet]:
    """Keep-alive probes, with a byte of garbage and without, and a segment that is sent again."""
    talk = Talk().open().say(GREETING[:4])
    for who, garbage in (("c", b"\0"), ("s", b""), ("c", b"x")):
        talk.put(who, garbage, seq=talk.next[who] - 1)
        talk.put("s" if who == "c" else "c")
    talk.put("s", GREETING[3][1], seq=talk.next["s"] - len(GREETING[3][1]))
    return talk.say(BYE).close().packets


KINDS: Final[dict[str, Callable[[], list[Packet]]]] = {
    make.__name__.replace("_", " "): make
    for make in (
        plain, compressed, fragmented, split, several, relayed, closing, refused, asked_twice, long, pipelined, ipv6,
        options, breaking, alive, bare,
    )
}  # fmt: skip
HEADS: Final = re.compile(rb"(?:GET |HTTP/1\.1 )[\t\x20-\x7e\r\n]*?\n\r?\n")
TAGGED: Final = {"vlan": (0x8100,), "q in q": (0x88A8, 0x8100)}  # ``plain`` again, with these tags


def captures() -> Iterator[tuple[str, tuple[int, ...], list[Packet]]]:
    """Each kind's name, its VLAN tags, and the whole capture as packets that begin with IP."""
    for name, make in KINDS.items():
        yield name, (), make()
    for name, tags in TAGGED.items():
        yield name, tags, plain()


def tcp_at(packet: bytes) -> int:
    """Where TCP begins in a packet that begins with IP."""
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40


def header(packet: bytes) -> int:
    """Bytes of a packet before TCP's data."""
    at = tcp_at(packet)
    return at + (packet[at + 12] >> 4) * 4


def bent(whole: list[Packet]) -> Iterator[tuple[str, int, list[Packet]]]:
    """The name of the way, the place, and the packets, for each way of bending and each packet."""
    for at, (when, packet) in enumerate(whole):
        before, after = whole[:at], whole[at + 1 :]
        begins = header(packet)
        yield "left out", at, before + after
        yield "cut short", at, [*before, (when, packet[: begins + (len(packet) - begins) // 2]), *after]
        yield "cut in its header", at, [*before, (when, packet[: begins - 9]), *after]
        yield "doubled", at, [*before, whole[at], *whole[at:]]
        yield "delayed", at, [*before, *after[:3], whole[at], *after[3:]]
        if before:
            yield "begun", at, whole[at:]
        if after:
            yield "stopped", at, [*before, whole[at]]
            yield "swapped", at, [*before, after[0], whole[at], *after[1:]]


LOSSLESS: Final = frozenset({"whole", "doubled", "delayed", "swapped"})

ONE_PACKET: Final = frozenset({"left out", "cut short", "cut in its header"})
REASONS: Final = {
    "no handshake": "tshark reads frames only behind a request and a 101 that it saw whole; wslab reads on without",
    "handshake out of order": "tshark reads in one pass: what it saw before the handshake stays HTTP to it, also the "
    "beginning of a frame, whose rest it then takes for frames; wslab reads when it has seen all",
    "after a gap": "tshark waits for bytes that never come, or takes the next segment for a frame's beginning; wslab "
    "reads on where the frame that was cut ends, or where a segment begins frames that follow one another",
}
"""Why a frame may be told by one of the two alone."""


class Frame(NamedTuple):
    """What both have to agree in."""

    sender: Sender
    opcode: int
    fin: bool
    masked: bool
    length: int
    payload: bytes  # as it crossed


@dataclass
class Capture:
    """One bent capture, and what was read in it."""

    kind: str
    way: str
    at: int
    packets: list[Packet]  # with their link's header
    touched: bytes  # the packet that was bent, as it begins with IP
    opening: bool  # whether it carries bytes of the opening handshake, or of HTTP before it
    rules: Counter[tuple[Sender, str]] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    states: list[dict[Sender, State]] = field(default_factory=list)  # of each connection
    frames: Counter[Frame] = field(default_factory=Counter)
    theirs: Counter[Frame] = field(default_factory=Counter)

    def read(self) -> None:
        """wslab's reading."""
        trace = read_capture(pcap(self.packets, link=1), Trace)
        self.notes = trace.notes
        self.states = [trace.states(number) for number in trace.connections]
        for record in trace.records:
            for violation in trace.explain(record.number).violations:
                self.rules[record.sender, violation.rule] += 1
            if record.kind is Kind.FRAME:
                raw = trace.raw(record) or b""
                first, masked = record.first, bool(record.second & 0x80)
                payload = raw[record.header_length :]
                told = Frame(record.sender, first & 15, bool(first & 0x80), masked, record.payload_length, payload)
                self.frames[told] += 1


def addressed(packet: bytes, number: int) -> bytes:
    """The packet with both addresses in a network of that number."""
    told = number.to_bytes(2, "big")
    places = (12, 16) if packet[0] >> 4 == 4 else (8, 24)
    out = bytearray(packet)
    for place in places:
        if len(out) >= place + 4:
            out[place + 1 : place + 3] = told
    return bytes(out)


def opens(packets: list[Packet]) -> list[bool]:
    """Of each packet, whether its data are bytes of HTTP: they come before their sender's first frame."""
    streams: dict[bytes, bytes] = {}
    begins = []
    for _, packet in packets:
        key = packet[12 if packet[0] >> 4 == 4 else 8 : tcp_at(packet) + 4]  # addresses and ports
        before = streams.get(key, b"")
        begins.append((key, len(before)))
        streams[key] = before + packet[header(packet) :]
    ends = {key: max((found.end() for found in HEADS.finditer(data)), default=0) for key, data in streams.items()}
    return [start < ends[key] for key, start in begins]


def all_captures(kinds: Sequence[str]) -> Iterator[Capture]:
    """The whole capture of each kind, and every bent one of it."""
    for kind, tags, whole in captures():
        if kinds and kind not in kinds:
            continue
        opening = opens(whole)
        for way, at, packets in [("whole", 0, whole), *bent(whole)]:
            # A capture's times do not go back: what was delayed was seen later.
            times = sorted(when for when, _ in packets)
            told = [(when, ethernet(packet, tags)) for when, (_, packet) in zip(times, packets, strict=True)]
            yield Capture(kind, way, at, told, whole[at][1], opening[at])


def tshark(captures: Sequence[Capture], folder: Path) -> None:
    """Read these captures in one file, each under addresses of its own, and put the frames to them."""
    program = shutil.which("tshark")
    assert program is not None, "tshark is not installed"
    owners: list[tuple[Capture, bytes]] = []
    packets: list[Packet] = []
    for number, capture in enumerate(captures):
        for _, packet in capture.packets:
            at = 14 + 4 * len(TAGGED.get(capture.kind, ()))
            owners.append((capture, packet[at:]))
            # One capture after the other: nothing that tshark remembers of time brings two together.
            packets.append((float(len(packets)), packet[:at] + addressed(packet[at:], number)))
    path = folder / f"{id(captures)}.pcap"
    path.write_bytes(pcap(packets, link=1))
    options = ["-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "websocket", "-T", "json", "-x", "-j", "frame websocket"]
    done = subprocess.run([program, "-n", "-r", path, *options], check=True, capture_output=True, timeout=300)
    path.unlink()
    for packet in json.loads(done.stdout or "[]", object_pairs_hook=list):
        layers = dict(dict(packet)["_source"])["layers"]
        place = int(dict(dict(layers)["frame"])["frame.number"]) - 1
        capture, data = owners[place]
        sender = sender_of(data)
        for name, told in layers:
            if name == "websocket":
                capture.theirs[_frame(sender, dict(told))] += 1


def port(packet: bytes) -> int:
    """The port that a packet comes from."""
    return int.from_bytes(packet[tcp_at(packet) :][:2], "big")


def _frame(sender: Sender, told: dict[str, Any]) -> Frame:
    fin, opcode, masked = (int(told[f"websocket.{name}"]) for name in ("fin", "opcode", "mask"))
    lengths = (told.get(f"websocket.payload_length{more}") for more in ("_ext_64", "_ext_16", ""))
    length = int(next(length for length in lengths if length is not None))
    payload = told.get(f"websocket.{'masked_' if masked else ''}payload_raw", [""])[0]
    return Frame(sender, opcode, bool(fin), bool(masked), length, bytes.fromhex(payload))


def reason(capture: Capture, sender: Sender) -> str | None:
    """Why the two may differ in that sender's frames, by what was done to the capture and by nothing that was read."""
    if capture.way in LOSSLESS:
        moved = capture.way in ("delayed", "swapped")
        return "handshake out of order" if moved and capture.opening else None
    if capture.way == "begun" or (capture.way in ONE_PACKET and capture.opening):
        return "no handshake"
    if capture.way == "stopped":
        return None
    carries = len(capture.touched) > header(capture.touched)
    return "after a gap" if carries and sender is sender_of(capture.touched) else None


def faults(capture: Capture, whole: Capture) -> Iterator[str]:
    """What wslab does wrong in a bent capture, and where it and tshark differ without a reason."""
    for (sender, rule), times in (capture.rules - whole.rules).items():
        yield f"the {sender.label} is accused of {rule}, {times} times more than in the whole capture"
    for frame in (capture.frames - whole.frames).elements():
        yield f"a frame that the whole capture does not hold: {told(frame)}"
    probes = (capture.kind, capture.way) == ("alive", "doubled")  # one more of them is one more
    if capture.way in LOSSLESS and capture.notes != whole.notes and not probes:
        yield f"no byte is missing, and the notes are {capture.notes}"
    if capture.way in LOSSLESS and capture.states != whole.states:
        yield f"no byte is missing, and the connections end as {capture.states}"
    for frame in (whole.frames - capture.frames).elements():
        if capture.way in LOSSLESS:
            yield f"no byte is missing, and a frame is: {told(frame)}"
        elif capture.way in ONE_PACKET and frame.sender is not sender_of(capture.touched):
            yield f"a frame of the other direction is missing: {told(frame)}"
    for who, some, others in ("wslab", capture.frames, capture.theirs), ("tshark", capture.theirs, capture.frames):
        for frame in (some - others).elements():
            if reason(capture, frame.sender) is None:
                yield f"only {who} tells {told(frame)}"


def sender_of(packet: bytes) -> Sender:
    """Who sent a packet."""
    return Sender(port(packet) == 80)


def told(frame: Frame) -> str:
    """A frame in a line."""
    return f"{frame.sender.label}, opcode {frame.opcode}, {frame.length} bytes, {frame.payload[:12].hex(' ')}"


def compared(captures: Sequence[Capture]) -> list[str]:
    """Have all of them read by both, and say what is wrong."""
    batches = [captures[at : at + BATCH] for at in range(0, len(captures), BATCH)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(SHARED) as pool:
        reading = [pool.submit(tshark, batch, Path(folder)) for batch in batches]
        for capture in captures:
            capture.read()
        for one in reading:
            one.result()
    wholes = {capture.kind: capture for capture in captures if capture.way == "whole"}
    return [
        f"{one.kind}, packet {one.at} {one.way}: {fault}" for one in captures for fault in faults(one, wholes[one.kind])
    ]


def table(captures: Sequence[Capture]) -> Iterator[str]:
    """What was read: a line for each way of bending."""
    yield f"{'':18}{'captures':>10}{'frames':>10}{'tshark':>10}{'alike':>10}  told by one alone"
    for way in dict.fromkeys(one.way for one in captures):
        those = [one for one in captures if one.way == way]
        ours = sum(sum(one.frames.values()) for one in those)
        theirs = sum(sum(one.theirs.values()) for one in those)
        alike = sum(sum((one.frames & one.theirs).values()) for one in those)
        alone = Counter(
            f"{reason(one, frame.sender)} ({who})"
            for one in those
            for who, frames in (("wslab", one.frames - one.theirs), ("tshark", one.theirs - one.frames))
            for frame in frames.elements()
        )
        said = ", ".join(f"{why}: {times:,}" for why, times in alone.items())
        yield f"{way:18}{len(those):10,}{ours:10,}{theirs:10,}{alike:10,}  {said}"


def main(argv: Sequence[str]) -> int:
    """Bend the captures of the kinds that ``argv`` names, or of all; the exit status."""
    parser = argparse.ArgumentParser(prog="run.py endurance bends", description=(__doc__ or "").partition("\n\n")[0])
    names = [kind for kind, _, _ in captures()]
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"one of: {', '.join(names)}; all where none is named")
    options = parser.parse_args(argv)
    if strange := [kind for kind in options.kinds if kind not in names]:
        parser.error(f"{strange[0]!r} is no kind of capture; there are {', '.join(names)}")
    began = time.perf_counter()
    found = list(all_captures(options.kinds))
    wrong = compared(found)
    reasons = [f"\n{why}: {text}" for why, text in REASONS.items()]
    end = f"\n{len(found):,} captures, {len(wrong)} faults, {time.perf_counter() - began:.0f} s"
    sys.stdout.write("\n".join([*table(found), *reasons, end, *wrong]) + "\n")
    return 1 if wrong else 0
