"""A whole connection: both directions, their messages and states, and the rules that each frame and head is held to.

``Connection`` is fed what each endpoint sent, in the order in which it was seen, and tells of each thing once it is
complete. Most frames break no rule, so there is a short way for those: a frame whose first byte is plainly legal now,
whose MASK bit is right and whose length has its shortest form needs none of the table in ``rules``. Every other frame
is held to the whole table. A test takes the long way for all frames and finds the same.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from ..anatomy.field import Sender, Violation
from ..drawing.visible import count, quote
from .deflate import NAME, Inflater, Parameters, agreed, parse_extensions
from .dissector import UNREAD_KEPT, Dissector, Mode
from .frame import PREVIEW, Frame, close_body
from .head import Head, parse_head
from .header import EXTENDED, KEY, FrameHeader, is_legal
from .message import Message, OpenedMessage
from .rules import END_RULES, FRAME_RULES, EndCase, FrameCase, judge, judge_head
from .states import NEXT, Event, State, Transition
from .words import BINARY, CLOSE, CONTINUATION, FIN, LENGTH, MASK, OPCODE, RSV1, TEXT, apply_mask

# The first byte of a whole frame from here on is a control frame's, as long as no reserved bit is set.
CONTROL: Final = FIN | CLOSE

_WHOLE: Final = frozenset({0x81, 0x82, 0x89, 0x8A})
_new = tuple.__new__

# First bytes that break no rule in an open connection, by whether permessage-deflate was agreed and whether a
# fragmented message has begun. A close frame is never among them: its body is always looked at.
PLAIN: Final = {
    (False, False): _WHOLE | {0x01, 0x02},
    (False, True): frozenset({0x00, 0x80, 0x89, 0x8A}),
    (True, False): _WHOLE | {0x01, 0x02, 0xC1, 0xC2, 0x41, 0x42},
    (True, True): frozenset({0x00, 0x80, 0x89, 0x8A}),
}

BODY: Final = "the body of an HTTP message"
EMPTY: Final = "empty lines without a request behind them"
CUT_HEAD: Final = "an opening handshake without its end"
EARLIER: Final = "bytes of an earlier protocol than RFC 6455"
NEITHER: Final = "bytes that are neither HTTP nor frames"
AFTER_CLOSE: Final = 65536  # bytes of a payload that are gathered behind the other end's close frame: it reads no more


class Unread(NamedTuple):
    """Bytes that are no whole head and no whole frame: an HTTP body, or what is left at the end of a stream."""

    sender: Sender
    offset: int
    data: bytes  # the first 4,096 of them at most
    length: int  # how many there are
    what: str  # what they are, in plain words
    violations: tuple[Violation, ...] = ()
    header: FrameHeader | None = None  # where they are a frame with a part of its payload

    def __str__(self) -> str:
        left = "" if self.what == BODY else " left over"
        return f"{self.sender.label}, from byte {self.offset}: {count(self.length, 'byte')}{left}, {self.what}"

    def __repr__(self) -> str:
        # Not the bytes, which may be half a head with credentials in it.
        return f"<{self}>"


Thing = Head | Frame | Message | Unread  # what a connection tells of once it is complete


@dataclass(slots=True, repr=False, eq=False)
class _Direction:
    """One direction."""

    sender: Sender
    dissector: Dissector
    mask_bit: int  # MASK as it must be
    most: int  # bytes of a payload that are gathered
    plain: frozenset[int] = frozenset()  # first bytes that break no rule now
    short: frozenset[int] = frozenset()  # those of them that need no more than the short way
    begun: int = 0  # how many messages have
    opened: OpenedMessage | None = None
    inflater: Inflater | None = None
    whole: bool = True  # whether its first frame here is the first that it sent
    known: bool = True  # whether it is known if a message has begun
    close_sent: bool = False
    ended: bool = False
    lost: bool = False  # whether bytes follow that are not known
    arriving: FrameHeader | None = None  # of the frame whose payload has come in part
    gathered: bytearray = field(default_factory=bytearray)  # that part, as far as it is kept
    need: int = 0  # how many bytes of it are judged


class Connection:
    """Both directions of one connection.

    Args:
        keep: the longest payload, in bytes, whose text or compression is checked; the frame of a longer one says so in
            ``note``.
        inflate_limit: a compressed message that inflates to more bytes is given up.
        payloads: payloads and messages of at most so many bytes stay on ``Frame.payload`` and ``Message.data``. By
            default every frame keeps its ``preview`` only.
        heads: whether the client's and the server's stream begin with an opening handshake. One that does not begins
            in the midst of frames, or is not known at all. Where that is the server's, the connection counts as open
            from its first byte.
        extensions: for a connection whose handshake is not seen, and whose first frames are, the
            Sec-WebSocket-Extensions line that was agreed on; the empty string for none. None where it begins anywhere,
            so that neither reserved bits are judged nor whether a message has begun.
        unmask: what applies a masking key, such as a compiled one, which is many times faster for long payloads.
    """

    def __init__(
        self, *, keep: int = 1 << 24, inflate_limit: int = 1 << 24, payloads: int = 0,
        heads: tuple[bool, bool] = (True, True), extensions: str | None = None,
        unmask: Callable[[bytes | memoryview, bytes], bytes] = apply_mask,
    ) -> None:  # fmt: skip
        self._unmask = unmask
        self.keep: Final = keep
        self.inflate_limit: Final = inflate_limit
        self.payloads: Final = payloads
        self.heads: list[Head] = []  # every head, in the order in which they were completed
        self.request: Head | None = None  # the latest
        # What was agreed on permessage-deflate; None where it was not, or is not known.
        self.deflate: Parameters | None = None
        # The state of the connection as each endpoint knows it.
        self.states: dict[Sender, State] = dict.fromkeys(Sender, State.CONNECTING if heads[1] else State.OPEN)
        self.transitions: list[Transition] = []  # every change of state, in order
        # Rules that a sender broke by the way its stream ended.
        self.closing_violations: dict[Sender, tuple[Violation, ...]] = {}
        self._open = not heads[1]
        self._headless_client = not heads[0]
        self._agreed: bool | None = None
        self._foreign: str | None = None  # an agreed extension that is not known here
        begun = extensions is not None  # then the first frame is known to be the first
        self._sides = tuple(
            _Direction(sender, Dissector(sender, expect_head=expected), 0 if sender else MASK, keep)
            for sender, expected in zip(Sender, heads, strict=True)
        )
        for side, expected in zip(self._sides, heads, strict=True):
            side.whole = side.known = expected or begun
        if self._open and extensions is not None:
            self._agree([extensions])
        self._replan()

    @property
    def response(self) -> Head | None:
        """The latest response head; None where a request came behind it."""
        return next((head for head in self.heads[-1:] if head.sender is Sender.SERVER), None)

    def feed(self, sender: Sender, data: bytes | bytearray | memoryview) -> list[Thing]:
        """Take what ``sender`` sent next, and return what was completed by it, in stream order.

        A Head is returned when its empty line has come, a Frame when its last byte has, a Message right after the
        frame that ends it, an Unread for an HTTP body once its end has come. How the bytes are cut into chunks makes no
        difference. Never raises. What is returned holds copies, so that a view may change afterwards.
        """
        side = self._sides[sender]
        out: list[Thing] = []
        found = side.dissector.feed(data)
        if side.arriving is not None:
            out += self._arrive(side, side.arriving, data)
        for told in found.heads:
            if isinstance(told, Head):
                out.append(self._head(side, told))
            else:
                out.append(Unread(sender, told.offset, told.data, told.length, BODY))
        data, size, base = found.data, len(found.data), found.base - 1
        payloads, keep, unmask, mask_bit = self.payloads, self.keep, self._unmask, side.mask_bit
        for index, mark in enumerate(found.marks, found.first_index):
            first, second = data[mark - 1], data[mark]
            length = second & LENGTH
            at = mark + 1
            if extended := EXTENDED[second]:
                at += extended
                length = int.from_bytes(data[mark + 1 : at], "big")
            start = at + KEY if second & MASK else at
            key = bytes(data[at:start]) if second & MASK else None
            stop = start + length
            arrived = stop <= size
            masked_right = second & MASK == mask_bit
            written_right = not extended or (first < CONTROL and length <= keep and is_legal(second, length))
            if arrived and masked_right and written_right and first in side.short:
                long = first == 0x82 and length > payloads and length > PREVIEW
                payload = data[start : start + PREVIEW if long else stop]
                said = payload if key is None else unmask(payload, key)
                if first != 0x81 or _utf8(said):
                    number = side.begun if first < CONTROL else None
                    kept = bytes(payload) if length <= payloads else None
                    shown = bytes(said if length <= PREVIEW else said[:PREVIEW])
                    values = (
                        sender, index, base + mark, start - mark + 1, length, first, second, key,
                        (), shown, kept, None, None, None, number, True, None, None,
                    )  # fmt: skip
                    out.append(_new(Frame, values))
                    if number is not None:
                        side.begun = number + 1
                        whole = None if kept is None else bytes(said)
                        out.append(_new(Message, (sender, number, first & OPCODE, index, index, length, whole, ())))
                    continue
            header = _new(FrameHeader, (index, base + mark, start - mark + 1, length, first, second, key))
            want = self._want(side, first, length)
            if arrived:
                out += self._judge(side, header, bytes(data[start : start + want]))
            else:
                side.arriving, side.need = header, want
                side.gathered += data[start : start + max(want, UNREAD_KEPT)]
        return out

    def end(self, sender: Sender, *, reset: bool = False) -> list[Unread]:
        """The sender's stream has ended, in order or by a reset; return what was left over: at most one ``Unread``. The
        connection is closed when the TCP connection is, which takes the ends of both streams, or a reset (RFC 6455
        section 7.1.4)."""
        side = self._sides[sender]
        if side.ended:
            return []
        side.ended = True
        if side.inflater is not None:
            side.inflater.end()
        peer = self._sides[sender.peer]
        # An endpoint whose first frames were not seen may have sent a close frame among them.
        unanswered = not (reset or side.lost or side.close_sent or peer.ended) and peer.close_sent and side.known
        interim = sum(head.length for head in self.heads if head.sender is sender and not head.final)
        said = side.dissector.received > interim
        silent = not (reset or side.lost or peer.lost or said or self._open or peer.ended)
        no_answer = silent and sender is Sender.SERVER and self.request is not None
        case = EndCase(close_unanswered=unanswered, no_answer=no_answer)
        self.closing_violations[sender] = judge(END_RULES, case)
        if reset or peer.ended:
            self._happen((sender, None), dict.fromkeys(Sender, Event.TCP_CLOSED))
        rest = self.rest(sender)
        del side.gathered[UNREAD_KEPT:]  # nobody judges it any more
        if rest is None:
            return []
        cut = None if rest.what in (BODY, EARLIER, EMPTY, NEITHER) else rest.what
        return [rest._replace(violations=rest.violations + judge(END_RULES, EndCase(cut=cut)))]

    def lose(self, sender: Sender) -> list[Unread]:
        """The sender's next bytes are not known; return what they would have completed: at most one ``Unread``. How
        the stream ends is held against nobody then."""
        rest = self.rest(sender)
        self._sides[sender].lost = True
        # What is lost may have been the opening handshake.
        self._open = self._open or (sender is Sender.SERVER and self.states[sender] is State.CONNECTING)
        self._headless_client = self._headless_client or sender is Sender.CLIENT
        self._replan()
        return [] if rest is None else [rest]

    def rest(self, sender: Sender) -> Unread | None:
        """The sender's bytes so far that are no whole head and no whole frame, unless ``lose`` has told them."""
        side = self._sides[sender]
        if side.lost:
            return None
        dissector, header = side.dissector, side.arriving
        offset, data = dissector.next_offset, dissector.tail
        broken: tuple[Violation, ...] = ()
        if header is not None:
            offset, data = header.offset, header.encode() + side.gathered
            have = dissector.received - offset - header.header_length
            what = f"a frame with {have:,} of {count(header.payload_length, 'byte')} of payload"
            broken = judge(FRAME_RULES, self._case(side, header, b""))
        elif not dissector.unread:
            return None
        elif dissector.mode in (Mode.BODY, Mode.UNREAD):
            what = EARLIER if any(head.earlier for head in self.heads) else BODY if offset else NEITHER
            return Unread(sender, offset, data, dissector.unread, what)
        else:
            head = CUT_HEAD if data.strip(b"\r\n") else EMPTY
            what = head if dissector.mode is Mode.HEAD else "a frame header without its end"
        return Unread(sender, offset, data[:UNREAD_KEPT], dissector.received - offset, what, broken, header)

    def unfinished(self) -> list[Head]:
        """What has come of each head whose end has not."""
        waiting = [side.dissector for side in self._sides if side.dissector.mode is Mode.HEAD]
        return [parse_head(one.tail, one.sender, offset=one.next_offset) for one in waiting if one.tail]

    def _want(self, side: _Direction, first: int, length: int) -> int:
        """How many bytes of a payload have to be gathered."""
        if length <= self.payloads:
            return length
        opened = side.opened
        going_on = opened is not None and opened.opcode == BINARY and not opened.compressed
        binary = first & (OPCODE | RSV1) == BINARY or (first & OPCODE == CONTINUATION and going_on)
        return min(length, PREVIEW) if binary or length > side.most else length

    def _arrive(
        self, side: _Direction, header: FrameHeader, data: bytes | bytearray | memoryview
    ) -> Iterator[Frame | Message]:
        """The next bytes of a payload that came in parts."""
        if side.need > max(side.most, self.payloads):  # its receiver has closed meanwhile
            side.need = PREVIEW
            del side.gathered[UNREAD_KEPT:]
        side.gathered += data[: max(side.need, UNREAD_KEPT) - len(side.gathered)]
        if side.dissector.received >= header.offset + header.header_length + header.payload_length:
            payload = bytes(side.gathered[: side.need])
            side.gathered.clear()
            side.arriving = None
            yield from self._judge(side, header, payload)

    def _judge(self, side: _Direction, header: FrameHeader, payload: bytes) -> Iterator[Frame | Message]:
        """The long way: what the frame does to its message, and the rules that it breaks."""
        index, _, _, length, first, second, key = header
        opcode, data = first & OPCODE, payload if key is None else self._unmask(payload, key)
        case = self._case(side, header, data)
        opened, known = side.opened, side.known
        message = self._message(side, opcode, first, index)
        body = data if case.whole else None
        inflated = note = None
        if message is not None:
            if message.compressed:
                inflated, note = self._inflate(side, case)
                body = inflated
            elif not case.whole and message.opcode == TEXT:
                note = f"its text is longer than {self._most(side)}, so it was not checked"
            message.check_text(case, body)
        plainly = first in side.plain and second & MASK == side.mask_bit and is_legal(second, length)
        content = case.bad_text is not None or case.cut_text or case.bad_deflate is not None or case.control
        if opcode == CONTINUATION and not case.in_context:
            note = "the beginning of its message is not known"
        code, reason = close_body(data) if opcode == CLOSE else (None, None)
        seen = data[2:] if opcode == CLOSE else (data if inflated is None else inflated)
        kept = payload if case.whole and length <= self.payloads else None
        number = None if message is None else message.number
        broken = () if plainly and not content else judge(FRAME_RULES, case)
        frame = Frame(side.sender, *header, broken, seen[:PREVIEW], kept, inflated, code, reason, number, True, note)
        yield frame
        if message is not None:
            message.add(body, frame, self.payloads)
            if first & FIN:
                yield message.ended(side.sender, index)
        if opcode == CLOSE:
            side.close_sent, self._sides[side.sender.peer].most = True, min(self.keep, AFTER_CLOSE)
            self._happen((side.sender, index), {side.sender: Event.SENT_CLOSE, side.sender.peer: Event.RECEIVED_CLOSE})
        if opcode == CLOSE or side.opened is not opened or side.known is not known:
            self._replan()

    def _case(self, side: _Direction, header: FrameHeader, data: bytes) -> FrameCase:
        """A frame in its connection, before it has changed anything."""
        opened = None if side.opened is None else side.opened.opcode
        whole, too_soon = len(data) == header.payload_length, self._too_soon(side)
        known, closed, agreed = side.known, side.close_sent, (self._agreed, self._foreign)
        return FrameCase(*header[2:6], data, side.sender, whole, *agreed, opened, known, too_soon, closed)

    def _message(self, side: _Direction, opcode: int, first: int, index: int) -> OpenedMessage | None:
        """The message that a data frame belongs to, begun or gone on with."""
        message = side.opened if opcode == CONTINUATION else None
        if opcode in (TEXT, BINARY):
            decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
            message = OpenedMessage(side.begun, opcode, index, bool(first & RSV1), decoder)
            side.begun += 1
            if side.inflater is not None and message.compressed:
                side.inflater.begin()
            if not first & FIN:
                side.opened = message
        elif message is not None and first & FIN:
            side.opened = None
        # A data frame that begins or ends a message tells that none is open, or which one.
        side.known = side.known or opcode in (TEXT, BINARY) or (opcode == CONTINUATION and bool(first & FIN))
        return message

    def _inflate(self, side: _Direction, case: FrameCase) -> tuple[bytes | None, str | None]:
        """What a compressed payload inflates to, or why that is lost."""
        case.compressed = True
        inflated = None
        if side.inflater is None:
            unknown = "it is not known that permessage-deflate was agreed"
            why = "permessage-deflate was not agreed" if self._agreed is False else unknown
            if self._foreign is not None:
                why = f"an extension that is not known here was agreed, {quote(self._foreign)}"
            return None, f"not inflated: {why}"
        if case.whole:
            inflated, bad = side.inflater.inflate(case.data, final=bool(case.first & FIN))
            if bad is not None and not side.whole:
                return None, f"not inflated: {bad}; what it refers back to may not have been recorded"
            case.bad_deflate = bad
        else:
            side.inflater.skip(f"a compressed payload is longer than {self._most(side)}")
        return inflated, None if inflated is not None else f"not inflated: {case.bad_deflate or side.inflater.lost}"

    def _most(self, side: _Direction) -> str:
        """The longest payload that is gathered now, in words."""
        said = count(side.most, "byte")
        return said if side.most >= self.keep else f"{said} and came after the other endpoint's close frame"

    def _too_soon(self, side: _Direction) -> str | None:
        if side.sender is Sender.CLIENT and self.request is None and not self._headless_client:
            return "without an opening handshake"
        if self._open:
            return None
        if self.response is not None and self.response.final:
            return "after the server refused the opening handshake"
        return "before the server's 101" if side.sender is Sender.CLIENT else "without an opening handshake"

    def _replan(self) -> None:
        """Work out anew which first bytes are plainly legal."""
        for side in self._sides:
            legal = not side.close_sent and self._too_soon(side) is None
            side.plain = PLAIN[bool(self._agreed), side.opened is not None] if legal else frozenset()
            side.short = side.plain & _WHOLE if side.known else frozenset()

    def _agree(self, values: list[str]) -> None:
        self.deflate = agreed(values)
        self._agreed = self.deflate is not None
        named = (extension.name for extension in parse_extensions(values)[0])
        self._foreign = next((name for name in named if name != NAME), None)
        for side in self._sides:
            side.inflater = self.deflate.inflater(side.sender, self.inflate_limit) if self.deflate else None

    def _head(self, side: _Direction, head: Head) -> Head:
        sender = side.sender
        head = replace(head, violations=judge_head(head, self.request if sender is Sender.SERVER else None))
        self.heads.append(head)
        if sender is Sender.CLIENT:
            self.request = head
        else:
            if head.status == 101:
                self._open = True
                # A capture may show an answer before its request.
                if sum(-one.final if one.sender else 1 for one in self.heads) >= 0:
                    self._sides[Sender.CLIENT].dissector.expect_frames()
                self._agree(head.get("Sec-WebSocket-Extensions"))
                self._happen((sender, None), {sender: Event.SENT_ACCEPTANCE, sender.peer: Event.RECEIVED_ACCEPTANCE})
            elif side.dissector.mode is Mode.UNREAD or (head.final and not _stays(head)):
                self._happen((sender, None), {sender: Event.SENT_REFUSAL, sender.peer: Event.RECEIVED_REFUSAL})
            elif head.final:
                self._sides[Sender.CLIENT].dissector.expect_head()
        self._replan()
        return head

    def _happen(self, after: tuple[Sender, int | None], events: dict[Sender, Event]) -> None:
        for endpoint, event in events.items():
            if rule := NEXT.get((self.states[endpoint], event)):
                self.states[endpoint] = rule.new
                self.transitions.append(Transition(endpoint, rule.old, rule.new, event, rule.section, after))


def _stays(head: Head) -> bool:
    """Whether another request may follow on the connection (RFC 9112 section 9.3)."""
    # "If the "close" connection option is present ..., the connection will not persist after the current response"
    # (RFC 9112 9.3)
    return head.version is not None and head.version >= (1, 1) and not head.has_token("Connection", "close")


def _utf8(data: bytes | memoryview) -> bool:
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        return False
    return True
