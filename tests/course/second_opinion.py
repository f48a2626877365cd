"""A second judge of captures, written from the RFC alone: it shares no line with the package's own."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLIENT, SERVER = 0, 1


class Thing(NamedTuple):
    """A head, a frame, or the end of a stream."""

    number: int
    wire: int
    sender: int
    place: int  # among the things of its sender on this wire
    data: bytes  # empty for the end


class Read(NamedTuple):
    """A frame that was taken apart."""

    fin: bool
    rsv: int
    opcode: int
    masked: bool
    form: int  # bits in which the length is written
    length: int
    payload: bytes


def things(events: Iterable[Any]) -> list[Thing]:
    """What crossed, in the order in which it was complete."""
    found: list[Thing] = []
    waiting: defaultdict[tuple[int, int], bytes] = defaultdict(bytes)
    places: defaultdict[tuple[int, int], int] = defaultdict(int)
    for event in events:
        stream = event.wire, int(event.sender)
        whole = [b""]
        if isinstance(event.what, bytes):
            waiting[stream] += event.what
            whole = []
            while size := _size(waiting[stream], at_head=places[stream] + len(whole) == 0):
                whole.append(waiting[stream][:size])
                waiting[stream] = waiting[stream][size:]
        for data in whole:
            found.append(Thing(len(found), *stream, places[stream], data))
            places[stream] += 1
    return found


def _size(data: bytes, *, at_head: bool) -> int:
    """How many bytes the first thing takes; 0 where it is not whole."""
    if at_head:
        return data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0
    if len(data) < 2:
        return 0
    seven = data[1] % 128
    more = {126: 2, 127: 8}.get(seven, 0)
    length = int.from_bytes(data[2 : 2 + more], "big") if more else seven
    size = 2 + more + (4 if data[1] > 127 else 0) + length
    return size if size <= len(data) else 0


def read(data: bytes) -> Read:
    """A frame, taken apart."""
    seven, masked = data[1] % 128, data[1] > 127
    more = {126: 2, 127: 8}.get(seven, 0)
    length = int.from_bytes(data[2 : 2 + more], "big") if more else seven
    rest = data[2 + more :]
    key, payload = (rest[:4], rest[4:]) if masked else (bytes(4), rest)
    plain = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return Read(data[0] > 127, data[0] // 16 % 8, data[0] % 16, masked, {0: 7, 2: 16, 8: 64}[more], length, plain)


def lines(head: bytes) -> dict[str, str]:
    """The header lines of a head."""
    return {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    }


def second_opinion(events: Iterable[Any]) -> list[tuple[int, str, str]]:
    """Each broken rule: the record, who did it, and the section."""
    all_of_them = things(events)
    found = []
    for wire in sorted({thing.wire for thing in all_of_them}):
        for thing, section, guilty in _broken([thing for thing in all_of_them if thing.wire == wire]):
            # What was sent and what was passed on differ where somebody between them changed it.
            other = [one for one in all_of_them if one[1:4] == (1 - wire, thing.sender, thing.place)]
            changed = any(one.data != thing.data for one in other)
            name = "a program between them" if changed else ("the client", "the server")[guilty]
            found.append((thing.number, name, section))
    return sorted(found)


def _broken(wire: list[Thing]) -> Iterator[tuple[Thing, str, int]]:
    key, agreed, open_ = "", False, True
    begun: dict[int, tuple[bytes, bool] | None] = {CLIENT: None, SERVER: None}
    closed = {CLIENT: False, SERVER: False}
    packers = {sender: zlib.decompressobj(-15) for sender in (CLIENT, SERVER)}
    for thing in wire:
        sender = thing.sender
        if not thing.data or not open_:
            continue
        if thing.place == 0 and sender == CLIENT:
            told = lines(thing.data)
            key = told.get("sec-websocket-key", "")
            if told.get("upgrade", "").lower() != "websocket" or told.get("connection", "").lower() != "upgrade":
                yield thing, "4.1", sender
            continue
        if thing.place == 0:
            told = lines(thing.data)
            open_ = thing.data.startswith(b"HTTP/1.1 101 ")
            agreed = "permessage-deflate" in told.get("sec-websocket-extensions", "")
            wanted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            if open_ and told.get("sec-websocket-accept") != wanted:
                yield thing, "4.1", sender
            continue
        frame = read(thing.data)
        control = frame.opcode >= 8
        if frame.masked != (sender == CLIENT):
            yield thing, "5.1", sender
        if frame.rsv % 4 or (frame.rsv and (not agreed or control or frame.opcode == 0)):
            yield thing, "5.2", sender
        if frame.form > (7 if frame.length < 126 else 16 if frame.length < 65536 else 64):
            yield thing, "5.2", sender
        if control and (frame.length > 125 or not frame.fin):
            yield thing, "5.5", sender
        if not control and closed[sender]:
            yield thing, "5.5.1", sender
        if frame.opcode == 8:
            closed[sender] = True
            if len(frame.payload) >= 2 and int.from_bytes(frame.payload[:2], "big") in (1005, 1006, 1015):
                yield thing, "7.4.1", sender
        if control:
            continue
        opened = begun[sender]
        if (frame.opcode == 0) != (opened is not None):
            yield thing, "5.4", sender
        # Of text, what has come so far; a binary message's bytes, and those of a message whose extension is not known,
        # are no text.
        is_text = frame.opcode == 1 or (opened is not None and opened[1])
        text = (opened[0] if opened else b"") + (
            packers[sender].decompress(frame.payload + b"\x00\x00\xff\xff") if frame.rsv and agreed else frame.payload
        )
        if frame.fin and is_text and not (frame.rsv and not agreed):
            try:
                text.decode()
            except UnicodeDecodeError:
                yield thing, "5.6", sender
        begun[sender] = None if frame.fin else (text, is_text)
    yield from _pings(wire)


def _pings(wire: list[Thing]) -> Iterator[tuple[Thing, str, int]]:
    frames = [(thing, read(thing.data)) for thing in wire if thing.place and thing.data]
    for at, (thing, ping) in enumerate(frames):
        if ping.opcode != 9:
            continue
        behind = [(one.sender == thing.sender, frame) for one, frame in frames[at + 1 :]]
        story = "".join(
            {(True, 8): "C", (False, 8): "c", (True, 9): "P"}.get((mine, frame.opcode), "")
            or ("p" if not mine and frame.opcode == 10 else ".")
            for mine, frame in behind
        )
        # The pinger closed, the peer answered that close, and no pong came in between.
        echo = re.match(r"[^Cc]*C[^Cc]*c", story)
        if echo is None:
            continue
        until = behind[: echo.end()]
        payloads = [ping.payload, *(frame.payload for mine, frame in until if mine and frame.opcode == 9)]
        ponged = any(not mine and frame.opcode == 10 and frame.payload in payloads for mine, frame in until)
        codes = [frame.payload[:2] for _, frame in until if frame.opcode == 8]
        if not ponged and codes[0] == codes[1]:
            yield thing, "5.5.2", 1 - thing.sender
