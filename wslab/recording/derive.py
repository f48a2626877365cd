"""Deriving: entries of the tape become records, messages, states and violations, in the order of their writing.

Theory. ``derive`` is the only writer of the ledger; one thread calls it at a time, under the lock of ``Reading``. A
chunk of the sender goes to ``wslab.protocol``, and what that completes becomes records. Each of them then waits for the
chunk of the receiver that covers its last byte, whose time is written into it.
"""

from __future__ import annotations

from bisect import bisect_right

from ..anatomy.field import Sender, Violation
from ..anatomy.record import PACKED, PREVIEW, UNKNOWN, CloseReport, Kind, delay
from ..protocol.connection import BODY, CUT_HEAD, Unread
from ..protocol.frame import Frame
from ..protocol.head import Head
from ..protocol.message import Message
from ..protocol.words import CLOSE, OPCODE
from .ledger import NO_MESSAGE, PLACE, Conversation, Ledger
from .tape import BendNote, LossNote, ResetNote, Tape

# Records of one stream that wait to be read by a peer of which nothing is known.
WAITING = 4096
# So many connections that are over are kept at least, and one for so many records that a trace may keep. What is kept
# of one takes as much memory as some 200 records do.
FEWEST, RECORDS_EACH = 64, 400
FORGETTING = 1024  # entries after which what is too much is dropped, also in the midst of deriving many

_SENDERS = tuple(Sender)
_FRAME = int(Kind.FRAME)


def derive(tape: Tape, ledger: Ledger, most: int | None = None) -> None:
    """Write into the ledger what the tape's next entries mean; ``most`` bounds the work, see ``Tape.take``."""
    if ledger.busy:  # a finalizer of this very thread reads or writes: what it asks for is on its way
        return
    ledger.busy = True
    try:
        for taken, (entry, what) in enumerate(tape.take(most), 1):
            at, connection, by, told_by, offset, length, position = entry
            conversation = ledger.conversations.get(connection) or _join(tape, ledger, connection)
            if conversation is None:
                continue  # it was over, and is no longer kept: a program told of it late
            stream = conversation.streams[by]
            match what:
                case None:  # its bytes are kept already: which records has the peer read to their end by this?
                    waiting = stream.waiting
                    while waiting and waiting[0][0] <= offset + length:
                        end, number, sent = waiting.popleft()
                        if end > offset:  # else it was read before anybody told that it was sent
                            ledger.note_reception(number, delay(sent, at))
                case bytes() | memoryview():
                    _stored(ledger, conversation, at, by, by == told_by, what)
                    stream.offsets.append(offset)
                    stream.positions.append(position)
                    if not len(stream.positions) & 1023:  # now and then forget those that the ring dropped
                        _, first_byte = tape.dropped
                        gone = bisect_right(stream.positions, first_byte) - 1
                        if gone > 512:
                            del stream.offsets[:gone], stream.positions[:gone]
                case Kind() | ResetNote():
                    _end(ledger, at, conversation, Sender(by), Sender(told_by), offset, what)
                case str():
                    if isinstance(what, LossNote):
                        for unread in conversation.protocol.lose(Sender(by)):
                            words = "what follows was not recorded"
                            _unread(ledger, at, conversation, unread._replace(what=f"{unread.what}; {words}"))
                        if not what:
                            continue
                    kind = Kind.BEND if isinstance(what, BendNote) else Kind.ERROR
                    said = what.encode("utf-8", "replace")
                    number = _append(ledger, at, conversation, Sender(by), kind, offset, preview=said)
                    ledger.texts[number] = str(what)
                case CloseReport():
                    conversation.closings[Sender(by)] = what
                    conversation.streams[1 - by].waiting.clear()  # this end reads no more
            if not taken % FORGETTING:
                _forget(tape, ledger)
        if most is None:
            _join(tape, ledger)
        _forget(tape, ledger)
    finally:
        ledger.busy = False


def _join(tape: Tape, ledger: Ledger, sought: int = -1) -> Conversation | None:
    """Begin the conversations that are new, up to the one of that number; None where that is not there."""
    # They are begun as they are come to: each takes much more memory than its place among what waits.
    while tape.joined:
        wire = tape.joined.popleft()
        begun = ledger.conversations[wire.number] = Conversation(wire, ledger.records.total)
        if wire.number == sought:
            return begun
    return None


def _forget(tape: Tape, ledger: Ledger) -> None:
    """Drop connections that are over: those whose records are no longer kept, and the oldest where there are many. With
    them go records that are older than every other connection."""
    over, first, gone = tape.left, ledger.records.first, []
    most = max(FEWEST, tape.max_entries // RECORDS_EACH)
    while over:
        wire = over[0]
        if tape.waiting(wire):
            break
        if tape.wires.get(wire.number) is wire and not wire.live:
            conversation = ledger.conversations.get(wire.number) or _join(tape, ledger, wire.number)
            recorded = not first or (conversation is not None and conversation.last_record >= first)
            if recorded and len(over) <= most:
                break
            del ledger.conversations[wire.number]
            gone.append(wire.number)
        over.popleft()
    if gone:
        tape.forget(gone)
    ledger.forget()


def _append(
    ledger: Ledger, at: float, conversation: Conversation, sender: Sender, kind: Kind, offset: int, *,
    payload_length: int = 0, header_length: int = 0, status: int = 0, first: int = 0, second: int = 0,
    violations: tuple[Violation, ...] = (), preview: bytes = b"",
) -> int:  # fmt: skip
    records, preview = ledger.records, preview[:PREVIEW]
    number = records.append(
        PACKED.pack(
            records.total, conversation.wire.number, at, offset, payload_length, header_length, status, sender, kind,
            first, second, min(len(violations), 255), len(preview), preview, UNKNOWN,
        )
    )  # fmt: skip
    ledger.places.append(PLACE.pack(0, NO_MESSAGE))
    if violations:
        ledger.violations[number] = violations
    conversation.last_record = number
    return number


def _stored(
    ledger: Ledger, conversation: Conversation, at: float, by: int, written: bool, data: bytes | memoryview
) -> None:
    """Bytes that are kept; ``written`` tells whether their sender told of them, and not the peer that read them."""
    records, connection, waiting = ledger.records, conversation.wire.number, conversation.streams[by].waiting
    for event in conversation.protocol.feed(_SENDERS[by], data):
        match event:
            case Frame():  # what most events are, so it goes the short way round ``_append``
                (
                    _, index, offset, header_length, payload_length, first, second, _, violations, preview,
                    _, inflated, status, _, message, _, note, _,
                ) = event  # fmt: skip
                if len(preview) > PREVIEW:
                    preview = preview[:PREVIEW]
                broken = min(len(violations), 255) if violations else 0
                number = records.append(
                    PACKED.pack(
                        records.total, connection, at, offset, payload_length, header_length, status or 0, by, _FRAME,
                        first, second, broken, len(preview), preview, UNKNOWN,
                    )
                )  # fmt: skip
                ledger.places.append(PLACE.pack(index, NO_MESSAGE if message is None else message))
                conversation.last_record = number
                waiting.append((offset + header_length + payload_length, number, at))
                if first & OPCODE == CLOSE:
                    conversation.causes[_SENDERS[by], index] = number
                if violations:
                    ledger.violations[number] = violations
                if inflated is not None:
                    ledger.keep_inflated(number, inflated)
                if note is not None:
                    ledger.texts[number] = note
            case Message():
                ledger.keep_message(records.total - 1, connection, event)  # its last frame was told just before
            case Head(sender=sender, offset=offset, start_line=line, status=status, data=head):
                kind = Kind.REQUEST if sender is Sender.CLIENT else Kind.RESPONSE
                said = line.removesuffix(" HTTP/1.1") if status is None else line.partition(" ")[2]
                number = _append(
                    ledger, at, conversation, sender, kind, offset, header_length=len(head), status=status or 0,
                    violations=event.violations, preview=said.encode("utf-8", "replace"),
                )  # fmt: skip
                conversation.causes[sender, "head"] = number
                waiting.append((offset + len(head), number, at))
            case Unread():
                _unread(ledger, at, conversation, event)
    if conversation.causes:
        ledger.note_steps(conversation)
    if not written:
        waiting.clear()  # it is not known when it was sent
    elif len(waiting) > WAITING:
        first = records.first if conversation.wire.tapped[1 - by] else records.total - WAITING
        while waiting and waiting[0][1] < first:
            waiting.popleft()


def _unread(ledger: Ledger, at: float, conversation: Conversation, unread: Unread) -> None:
    sender, offset, data, length, what, violations, header = unread
    first, second, start = (header.first, header.second, header.header_length) if header else (int(what == BODY), 0, 0)
    if what == CUT_HEAD:
        # What comes next may be a credential; the bytes that are kept may be empty lines alone.
        data = (data.lstrip(b"\r\n").splitlines() or [b""])[0]
    number = _append(
        ledger, at, conversation, sender, Kind.UNREAD, offset,
        payload_length=length - start, header_length=start, first=first, second=second,
        violations=violations, preview=data,
    )  # fmt: skip
    ledger.texts[number] = what
    conversation.streams[sender].waiting.append((offset + length, number, at))


def _end(
    ledger: Ledger, at: float, conversation: Conversation, sender: Sender, told_by: Sender, offset: int,
    what: Kind | ResetNote,
) -> None:  # fmt: skip
    kind = what if isinstance(what, Kind) else Kind.RESET
    stream = conversation.streams[sender]
    if kind not in stream.ended:  # else both ends tell of it
        if not stream.ended:
            for unread in conversation.protocol.end(sender, reset=kind is Kind.RESET):
                _unread(ledger, at, conversation, unread)
        violations = conversation.protocol.closing_violations.get(sender, ())
        number = _append(ledger, at, conversation, sender, kind, offset, violations=violations)
        if isinstance(what, ResetNote):
            ledger.texts[number] = str(what)
        stream.ended.add(kind)
        stream.untold[kind] = (number, at)
        conversation.causes[sender, "end"] = number
        ledger.note_steps(conversation)
    if told_by is not sender and conversation.wire.tapped[sender] and kind in stream.untold:
        number, sent = stream.untold.pop(kind)
        ledger.note_reception(number, delay(sent, at))
