"""Conversations: the WebSocket in a TCP connection that was captured.

Theory. HTTP before the upgrade is stepped over. A connection whose opening handshake was not captured is taken for a
WebSocket only if its bytes read as frames, one after another, in the roles that masking gives to both ends. After a
gap, reading goes on where a frame begins: where the frame that was cut says itself, or else where a segment does. A
frame with a hole in it is a frame that is cut.
"""

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ...anatomy.field import Sender
from ...drawing.visible import count, quote
from ...protocol.dissector import HEAD_LIMIT, Dissector, FoundFrames, Mode
from ...protocol.head import Head, begins_like_head, head_end, parse_head
from ...protocol.header import EXTENDED, is_legal, read_header
from ...protocol.words import CLOSE, CONTINUATION, FIN, MASK, OPCODE, OPCODES, RSV1, RSV2, RSV3, TEXT, apply_mask
from .packets import CapturedStream, Flow, Run

CANDIDATES: Final = 256  # segments after a gap that are tried as the beginning of a frame or a head
CHAINED: Final = 64  # frames that are looked at when bytes without a handshake are judged
HEAD: Final = 2**14  # bytes in which a head's first line, or its Upgrade line, is looked for
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]+")
_HEAD_REST: Final = re.compile(rb"[\t\x20-\x7e\r\n]{,65536}?\n\r?\n")
_UPGRADE: Final = re.compile(rb"\nupgrade:[^\r\n]*websocket", re.IGNORECASE)

Streams = tuple[CapturedStream, CapturedStream]  # what the client sent, and what the server sent


class StreamPart(NamedTuple):
    """A run, or the end of one, that holds a WebSocket's bytes of one sender."""

    sender: Sender
    run: Run
    start: int  # offset in the run
    head: bool  # whether it begins with an opening handshake, and else in the midst of frames


class FoundConversation(NamedTuple):
    """The WebSocket in a TCP connection."""

    streams: Streams
    parts: list[StreamPart]  # first both senders' that belong together, then those after gaps
    skipped: int  # bytes of HTTP before the upgrade request
    unread: int  # bytes after gaps in which no frame's beginning was found
    cut: int  # bytes after gaps that are the ends of frames that the gaps cut


def find(flow: Flow, *, whole: bool) -> FoundConversation | str:
    """The WebSocket in a connection, which is known to be one's if ``whole``, or what the connection is instead."""
    streams = CapturedStream(flow, 0), CapturedStream(flow, 1)
    roles = [streams if client == 0 else streams[::-1] for client in (0, 1) if flow.opened_by in (None, client)]
    if whole and any(stream.runs or stream.ends for stream in streams):
        both = roles[0]
        parts = [StreamPart(end, both[end].runs[0], 0, both[end].begun) for end in Sender if both[end].runs]
        return FoundConversation(both, parts, 0, 0, 0)
    if not any(stream.runs for stream in streams):
        return "without data"
    # What begins a connection that was captured from its SYN on is a handshake, or this is no WebSocket.
    begun = any(one.begun and one.runs and not one.runs[0].missing for one in streams)
    for look in (_upgraded, _answered) if begun else (_upgraded, _answered, _headless):
        for both in roles:
            if found := look(both):
                return found
    first = [stream.runs[0].data for stream in streams if stream.runs]
    if any(data.startswith(b"\x16\x03") for data in first):
        return "TLS, which is not decrypted here"
    if not any(begins_like_head(data) for data in first):
        return "not WebSocket"
    if any(len(segment.data) < segment.length for segment in flow.segments):
        return "HTTP in packets that were captured cut short"
    if any(begins_like_head(data) and head_end(data) < 0 for data in first):
        return "HTTP whose first head has no end in the capture"
    others = [token for data in first for _, head in _heads(data, Sender.CLIENT) for token in head.tokens("Upgrade")]
    if others:
        return f"HTTP with an upgrade to {quote(others[0])}, and not to WebSocket"
    return "HTTP without an upgrade to WebSocket"


def _upgraded(streams: Streams) -> FoundConversation | None:
    requests, responses = (stream.runs for stream in streams)
    for number, run in enumerate(requests):
        data = run.data
        walked = [*_heads(data, Sender.CLIENT)]
        wanted = [place for place, (_, head) in enumerate(walked) if _upgrades(head)]
        if number == 0 and wanted and responses and not (run.missing or responses[0].missing):
            answers = [*_heads(responses[0].data, Sender.SERVER, [head.method for _, head in walked])]
            accepted = [place for place in wanted if place < len(answers) and answers[place][1].status == 101]
            place = (accepted or wanted)[0]
            start = walked[place][0]
            if place < len(answers):
                return _with_rest(streams, (0, 0), (start, answers[place][0]))
        elif wanted:
            start = walked[wanted[0]][0]
        else:
            # Behind a gap, or behind a body whose length nobody tells, a request still begins where a segment does.
            begins = (at for at, piece in zip(run.offsets, run.pieces, strict=True) if piece.data[:4] == b"GET ")
            heads = ((at, head_end(data, at, at + HEAD)) for at in begins)
            start = next((at for at, end in heads if _UPGRADE.search(data, at, at + HEAD if end < 0 else end)), -1)
            if start < 0:
                continue
        order = run.pieces[bisect_right(run.offsets, start) - 1].order
        for which, answer in enumerate(responses):
            for at, piece in zip(answer.offsets, answer.pieces, strict=True):
                if piece.order > order:
                    return _with_rest(streams, (number, which), (start, at))
        return _with_rest(streams, (number, len(responses)), (start, 0))
    return None


def _answered(streams: Streams) -> FoundConversation | None:
    """A server's 101 to a request that was not captured."""
    requests, responses = (stream.runs for stream in streams)
    for which, run in enumerate(responses):
        for start, head in _heads(run.data, Sender.SERVER):
            if head.status == 101 and head.has_token("Upgrade", "websocket"):
                begins = (number for number, asked in enumerate(requests) if _resumed(asked, Sender.CLIENT) >= 0)
                return _with_rest(streams, (next(begins, len(requests)), which), (0, start), asked=False)
    return None


def _with_rest(
    streams: Streams, places: tuple[int, int], starts: tuple[int, int], *, asked: bool = True
) -> FoundConversation:
    """The parts that begin with the handshake, in these runs at these offsets, and what can be read after gaps."""
    parts: list[StreamPart] = []
    later: list[StreamPart] = []
    skipped = unread = cut = 0
    for sender, stream, place, start in zip(Sender, streams, places, starts, strict=True):
        before = sum(len(piece.data) for run in stream.runs[:place] for piece in run.pieces) + start
        http = asked or sender is Sender.SERVER
        skipped, unread = skipped + before * http, unread + before * (not http)
        if place < len(stream.runs):
            run = stream.runs[place]
            # Where its head is not known, it was lost.
            first = stream.begun and not (run.missing or start or place)
            known = first or begins_like_head(run.data[start : start + HEAD])
            head = known and (asked or sender is Sender.SERVER)
            begin, missing = (start if head else _resumed(run, sender, start)), -1
            if begin >= 0:
                parts.append(StreamPart(sender, run, begin, head))
                missing = _cut_frame(parts[-1])
            left, ends = _after_gaps(sender, missing, stream.runs[place + 1 :], later)
            unread, cut = unread + left + (begin if begin >= 0 else len(run.data)) - start, cut + ends
    return FoundConversation(streams, parts + later, skipped, unread, cut)


def _headless(streams: Streams) -> FoundConversation | None:
    """Bytes that are frames from their first one on, though no handshake was captured."""
    parts = [StreamPart(sender, streams[sender].runs[0], 0, False) for sender in Sender if streams[sender].runs]
    chained = [_chained(part.run.data, part.sender, messages=True) for part in parts]
    if not all(chained) or sum(chained) < 2 or not _plausible(parts):
        return None
    later: list[StreamPart] = []
    left = [_after_gaps(part.sender, _cut_frame(part), streams[part.sender].runs[1:], later) for part in parts]
    return FoundConversation(streams, parts + later, 0, *map(sum, zip(*left, strict=True)))


def _plausible(parts: Sequence[StreamPart]) -> bool:
    """Whether the first frames of these parts are more than numbers below 128 and zeros would be to a reader of frames:
    one of them ends a message, is masked or has an extended length, and fragments without a byte are no majority."""
    telling = empty = 0
    for part in parts:
        found = _read(part)[1]
        for header in islice(map(found.header, range(len(found))), CHAINED):
            telling += bool(header.first & FIN or header.second & MASK or EXTENDED[header.second])
            empty += not header.first & FIN and not header.payload_length
    return telling > 0 and telling >= empty


def _read(part: StreamPart) -> tuple[Dissector, FoundFrames]:
    dissector = Dissector(part.sender, expect_head=part.head)
    return dissector, dissector.feed(part.run.data[part.start :])


def _cut_frame(part: StreamPart) -> int:
    """How many bytes of the part's last frame, or of a head, are missing at its end; -1 where that is not known."""
    dissector, _ = _read(part)
    return max(-1, dissector.next_offset - dissector.received) if dissector.mode is Mode.FRAMES else -1


def unfinished(part: StreamPart) -> str:
    """What a part ends inside of, in words; empty where it ends with a frame."""
    dissector, _ = _read(part)
    missing = dissector.next_offset - dissector.received
    if dissector.mode is Mode.FRAMES and missing:
        return f"a frame, {count(missing, 'byte')} before its end," if missing > 0 else "a frame's header"
    return "a head" if dissector.mode is Mode.HEAD and dissector.unread else ""


def _resumed(run: Run, sender: Sender, start: int = 0) -> int:
    """Where that sender's frames begin in a run, from ``start`` on, whose beginning is not known; -1 where nothing
    tells: behind the rest of a head, or else where a segment does."""
    data = run.data
    rest = _HEAD_REST.match(data, start)
    if rest is not None and (rest.end() == len(data) or _chained(data, sender, rest.end())):
        return rest.end()
    begins = (at for at in [start, *run.offsets] if at >= start)
    return next((at for at in islice(begins, CANDIDATES) if _chained(data, sender, at)), -1)


def _after_gaps(sender: Sender, cut: int, runs: list[Run], parts: list[StreamPart]) -> tuple[int, int]:
    """Append a part for each of the runs in which frames can be found; how many bytes had to be left, and how many
    others are the ends of frames that were cut. ``cut``: as ``_cut_frame`` tells it of what came before."""
    unread = ends = 0
    for run in runs:
        data = run.data
        start = cut - run.missing  # the frame that was cut says itself where the next one begins
        if start > len(data):
            cut = start - len(data)
            ends += len(data)
            continue
        if start >= 0:
            ends += start
        elif (start := _resumed(run, sender)) >= 0:
            unread += start
        else:
            unread, cut = unread + len(data), -1
            continue
        found = StreamPart(sender, run, start, False)
        if start < len(data):
            parts.append(found)
        cut = _cut_frame(found)
    return unread, ends


def _chained(data: bytes, sender: Sender, at: int = 0, *, messages: bool = False) -> int:
    """How many legal frames of that sender follow one another from ``at`` on; 0 where any is not legal.

    Only whole frames count. A legal frame has a known opcode, reserved bits as an extension might set them, the MASK
    bit of its sender, the shortest form of its length, and text that is UTF-8. Where ``messages`` are asked for too, it
    goes on with one that is open, or begins one where none is, as far as the frames before it tell.
    """
    number, size = 0, len(data)
    opened: bool | None = None  # whether a message is; None where that is not known
    text = None
    while at + 2 <= size and number < CHAINED:
        _, _, header, length, first, second, key = read_header(data, at)
        opcode, final = first & OPCODE, bool(first & FIN)
        control = opcode >= CLOSE
        if (
            opcode not in OPCODES
            or first & (RSV2 | RSV3)
            or (control and (not final or first & RSV1 or EXTENDED[second]))
            or (first & RSV1 and opcode == CONTINUATION)
            or bool(second & MASK) is not (sender is Sender.CLIENT)
            or (messages and not control and opened is (opcode != CONTINUATION))
        ):
            return 0
        start = at + header
        if start > size:
            break
        if not is_legal(second, length):
            return 0
        at = start + length
        body = data[start : min(at, size, start + HEAD)]
        body = body if key is None else apply_mask(body, key)
        if not control:
            opened = not final
            if opcode != CONTINUATION:
                text = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT and not first & RSV1 else None
        if text is not None and not control:
            try:
                text.decode(body, final and len(body) == length)
            except UnicodeDecodeError:
                return 0
            text = text if opened and len(body) == length else None
        if at > size:
            break
        number += 1
    return number


def _upgrades(head: Head) -> bool:
    return head.method is not None and "websocket" in [token.lower() for token in head.tokens("Upgrade")]


def _heads(data: bytes, sender: Sender, methods: Sequence[str | None] = ()) -> Iterator[tuple[int, Head]]:
    """The HTTP heads of a stream, from its first byte on, with their offsets; interim responses are left out.

    The bodies between are stepped over (RFC 9112 section 6.3), for responses with the ``methods`` that they answer.
    It ends where no head follows, or an upgrade.
    """
    at = number = 0
    while at < len(data) and begins_like_head(data[at : at + HEAD]):
        end = head_end(data, at, at + HEAD_LIMIT)
        if end < 0:
            return
        head = parse_head(data[at:end], sender, offset=at)
        start, at = at, end
        status = head.status
        if status is not None and 100 <= status < 200 and status != 101:
            continue
        yield start, head
        method = methods[number] if number < len(methods) else None
        number += 1
        if status == 101:
            return
        if method == "HEAD" or status in (204, 304):
            continue
        if "chunked" in [token.lower() for token in head.tokens("Transfer-Encoding")]:
            at = _after_chunks(data, at)
        elif lengths := head.get("Content-Length"):
            at += int(lengths[0]) if lengths[0].isdecimal() and len(lengths[0]) < 19 else len(data)
        elif sender is Sender.SERVER:
            return  # the body ends where the stream does


def _after_chunks(data: bytes, at: int) -> int:
    """Where a chunked body ends (RFC 9112 section 7.1); the stream's end where it does not."""
    while True:
        stop = data.find(b"\r\n", at, at + 1024)
        size = data[at:stop].split(b";")[0].strip() if stop >= 0 else b""
        if not _CHUNK_SIZE.fullmatch(size):
            return len(data)
        length, at = int(size, 16), stop + 2
        if not length:
            while (stop := data.find(b"\r\n", at, at + 2**16)) > at:
                at = stop + 2
            return stop + 2 if stop >= 0 else len(data)
        at += length + 2
