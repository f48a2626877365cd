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
from ...protocol.dissector import HEAD_LIMIT, BodyEnd, Dissector, FoundFrames, Mode
from ...protocol.head import Head, begins_like_head, empty_lines, head_end, parse_head
from ...protocol.header import EXTENDED, is_legal, read_header
from ...protocol.words import CLOSE, CONTINUATION, FIN, MASK, OPCODE, OPCODES, RSV1, RSV2, RSV3, TEXT, apply_mask
from .packets import CapturedStream, Flow, Run

CANDIDATES: Final = 256  # segments after a gap that are tried as the beginning of a frame or a head
CHAINED: Final = 64  # frames that are looked at when bytes without a handshake are judged
HEAD: Final = 2**14  # bytes in which a head's first line, or its Upgrade line, is looked for
_HEAD_REST: Final = re.compile(rb"[\t\x20-\x7e\r\n]{,65536}?\n\r?\n")
_GET: Final = re.compile(rb"GET (?=\S{1,8192} HTTP/1\.)")
_SWITCHED: Final = re.compile(rb"HTTP/1\.\d 101 ")
_TLS: Final = re.compile(rb"[\x14-\x17]\x03[\0-\4]")  # how a record begins (RFC 8446 section 5.1)
_UPGRADE: Final = re.compile(rb"\n(?i:upgrade:[^\r\n]*websocket)")

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
    skipped: int  # bytes before the upgrade request: HTTP, or what a proxy was told
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
    if flow.opened_by is not None and any(run.data[:5] == b"HTTP/" for run in roles[0][0].runs[:1]):
        roles.append(roles[0][::-1])  # who opened TCP is not the client
    # What begins a connection that was captured from its SYN on is a handshake, or this is no WebSocket.
    begun = any(one.begun and one.runs and not one.runs[0].missing for one in streams)
    for look in (_upgraded, _answered) if begun else (_upgraded, _answered, _headless):
        for both in roles:
            if found := look(both):
                return found
    first = [stream.runs[0].data for stream in streams if stream.runs]
    begins = (piece.data for stream in streams for run in stream.runs for piece in run.pieces[:CANDIDATES])
    if any(map(_TLS.match, begins)):
        return "TLS, which is not decrypted here"
    if any(data.startswith(b"PRI * HTTP/2.0\r\n") for data in first):
        return "HTTP/2, which is not read here"
    if not any(begins_like_head(data) for data in first):
        return "not WebSocket" if begun else "not WebSocket, as far as what was captured of it tells"
    if any(len(segment.data) < segment.length for segment in flow.segments):
        return "HTTP in packets that were captured cut short"
    if any(begins_like_head(data) and head_end(data) < 0 for data in first):
        return "HTTP whose first head has no end in the capture"
    heads = [head for data in first for _, _, head in _heads(data, Sender.CLIENT)]
    others = [token for head in heads for token in head.tokens("Upgrade") if token.lower() != "websocket"]
    if others:
        return f"HTTP with an upgrade to {quote(others[0])}, and not to WebSocket"
    return "HTTP without an upgrade to WebSocket"


def _upgraded(streams: Streams) -> FoundConversation | None:
    requests, responses = (stream.runs for stream in streams)
    for number, run in enumerate(requests):
        data = run.data
        walked = [*_heads(data, Sender.CLIENT)]
        wanted = [place for place, (_, _, head) in enumerate(walked) if head.method and "websocket" in _named(head)]
        both = number == 0 and walked and responses and not (run.missing or responses[0].missing)
        answers = [*_heads(responses[0].data, Sender.SERVER, [one[2].method for one in walked])] if both else []
        # What a server accepts is a request for WebSocket, whatever it says; what it takes for something else is none.
        told = [(place, _named(one[2])) for place, one in enumerate(answers[: len(walked)]) if one[2].status == 101]
        accepted = [place for place, names in told if "websocket" in names and walked[place][2].method]
        others = [place for place, names in told if names & _named(walked[place][2]) - {"websocket"}]
        wanted = accepted or [place for place in wanted if place not in others]
        if wanted:
            start = walked[wanted[0]][0]
            if wanted[0] < len(answers):
                return _with_rest(streams, (0, 0), (start, answers[wanted[0]][0]))
        else:
            start = next(_requests(run, walked[-1][1] if walked else 0, responses), -1)
            if start < 0:
                continue
        order = run.pieces[bisect_right(run.offsets, start) - 1].order
        for which, answer in enumerate(responses):
            for at, piece in zip(answer.offsets, answer.pieces, strict=True):
                if piece.order > order:
                    return _with_rest(streams, (number, which), (start, at))
        return _with_rest(streams, (number, len(responses)), (start, 0))
    return None


def _requests(run: Run, known: int, responses: list[Run]) -> Iterator[int]:
    """Where requests for WebSocket begin behind a gap or behind what is no HTTP, from ``known`` on: where a segment
    does, and anywhere else if the server switched to another protocol."""
    data, aligned = run.data, frozenset(run.offsets)
    lines = [line.start() for line in islice(_UPGRADE.finditer(data, known), CANDIDATES)]
    switched = bool(lines) and any(_SWITCHED.search(answer.data) for answer in responses)
    for stop in lines:
        low = max(known, stop - HEAD)
        low = max(low, data.rfind(b"\n\r\n", low, stop), data.rfind(b"\n\n", low, stop))
        yield from (at.start() for at in _GET.finditer(data, low, stop) if switched or at.start() in aligned)


def _answered(streams: Streams) -> FoundConversation | None:
    """A server's 101 to a request that was not captured."""
    requests, responses = (stream.runs for stream in streams)
    for which, run in enumerate(responses):
        for start, _, head in _heads(run.data, Sender.SERVER):
            if head.status == 101 and "websocket" in _named(head):
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


def _named(head: Head) -> set[str]:
    return {token.lower() for token in head.tokens("Upgrade")}


def _heads(data: bytes, sender: Sender, methods: Sequence[str | None] = ()) -> Iterator[tuple[int, int, Head]]:
    """Where the HTTP heads of a stream begin, from its first byte on, where their bodies end, and the heads.

    The bodies between are stepped over (RFC 9112 section 6.3), for responses with the ``methods`` that they answer.
    It ends where no head follows, or an upgrade. Interim responses are left out.
    """
    at = number = 0
    while at < len(data) and begins_like_head(data[at : at + HEAD]):
        end = head_end(data, empty_lines(data, sender, at), at + HEAD_LIMIT)
        if end < 0:
            return
        head = parse_head(data[at:end], sender, offset=at)
        start, at = at, end
        status = head.status
        if status is not None and 100 <= status < 200 and status != 101:
            continue
        method = methods[number] if number < len(methods) else None
        number += 1
        if method == "HEAD" or status in (101, 204, 304):
            pass
        elif head.has_token("Transfer-Encoding", "chunked"):
            at = len(data) if (after := BodyEnd(None).take(data, at)) is None else after
        elif lengths := head.get("Content-Length"):
            at += int(lengths[0]) if lengths[0].isdecimal() and len(lengths[0]) < 19 else len(data)
        elif sender is Sender.SERVER:
            at = len(data)  # the body ends where the stream does
        yield start, at, head
        if status == 101:
            return
