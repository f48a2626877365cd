"""Reading a recording: ``Reading`` holds a tape, the ledger of what it means, and one lock, and answers questions.

Theory. Chunks are the truth: a ``Tap`` at each end of a TCP connection notes them as they cross (``tape``). Frames,
messages, states and violations are computed from them later, in order (``derive``), and keep their offsets into the
sender's stream. Every reader first derives what is new.

Locking. The lock is held while something is derived, and while what was derived is read. A thread may take the tape's
lock while it holds this one, never the other way round. Both are reentrant, since a finalizer may run in the midst of
anything and read or write; one that finds its own thread deriving leaves the rest to it. Between batches of work the
lock is free, so that a writer that has to wait for room waits for one batch only.
"""

from __future__ import annotations

import copy
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from ..anatomy.explanation import Explanation
from ..anatomy.field import Sender, Violation
from ..anatomy.record import CloseReport, Kind, Record, packed_values
from ..drawing.visible import count, named
from ..protocol.connection import CUT_HEAD
from ..protocol.frame import Frame, close_body, explain_frame
from ..protocol.head import Head, explain_head
from ..protocol.message import Message
from ..protocol.states import State, Transition
from ..protocol.words import CLOSE, MASK, OPCODE
from .derive import derive
from .lanes import Lanes, lanes
from .ledger import NO_MESSAGE, Conversation, Dropped, Ledger, Records, Step, by_record
from .ring import CAPACITY
from .tape import BATCH, EVENT, Chunk, Tap, Tape

# What is said of a frame that was dropped, and of a connection's end.
_FACTS = {
    Kind.FRAME: ("not kept", "These bytes were dropped; Trace(max_bytes=...) keeps more."),
    Kind.FIN: ("TCP FIN", "The sender will send no more bytes. RFC 6455 7.1.1 lets the server close first."),
    Kind.RESET: ("TCP RST", "The connection was torn down: bytes on their way may be lost, and no close frame came."),
}


def _catch_up(ledger: Ledger, lock: threading.RLock, tape: Tape) -> bool:
    """Make room on a tape that is full; see ``Tape``."""
    if not lock.acquire(timeout=0.001):
        return True  # another thread derives; it may have made room by now
    try:
        derive(tape, ledger, BATCH)
        return not ledger.busy
    finally:
        lock.release()


# Each says from which record on the views of a trace hold records back, or None: a prediction that is open does.
holds: list[Callable[[Reading], int | None]] = []


class Reading:
    """A recording, to write to and to read from, without the files and pictures that ``Trace`` makes of it.

    Exporters take this class. Between ``still()`` and its end nothing is derived and no record is dropped; bytes that
    are overwritten meanwhile read as None.
    """

    def __init__(self, *, max_bytes: int = CAPACITY, max_entries: int = 200_000) -> None:
        self.ledger = Ledger(max_entries, max_bytes // 4)
        self._lock = threading.RLock()
        # What makes room knows the ledger and not this object, which would otherwise live until a collection.
        self.tape = Tape(max_bytes, max_entries, partial(_catch_up, self.ledger, self._lock))
        self.began = time.time()  # seconds since 1970
        # What a file that this trace was read from lacks, could not give or lied about, in words.
        self.notes: tuple[str, ...] = ()
        # What was kept out of this recording on purpose. Files say it, since they go to people who were not there.
        self.left_out: tuple[str, ...] = ()
        # Whether its bytes never crossed a wire like this, but were built again from messages, as from a HAR.
        self.rebuilt = False

    def join(
        self, end: Sender, key: Hashable, *, number: int | None = None, heads: tuple[bool, bool] = (True, True)
    ) -> Tap:
        """A tap for one end of a TCP connection.

        Args:
            end: which end this is.
            key: equal for both ends of one connection, such as a frozenset of its two socket addresses.
            number: the connection's number in the trace, which must be free; None gives it the next one.
            heads: whether the client's and the server's stream are told from the opening handshake on.
        """
        return self.tape.join(end, key, number=number, heads=heads)

    def now(self) -> float:
        """Seconds since the trace began."""
        return self.tape.now()

    def note(self, text: str, *, connection: int | None = None, sender: Sender = Sender.SERVER) -> None:
        """Record that a program failed, in words, as an ERROR record of that connection (the newest unless named)."""
        self.tape.note(text, connection, sender)

    def subscribe(self, wake: Callable[[], object]) -> Callable[[], None]:
        """Have ``wake()`` called when something new was written; returns a function that ends the subscription.

        It is called from whichever thread wrote, once until somebody reads. It must be quick and must not write here.
        """
        return self.tape.subscribe(wake)

    def update(self, most: int | None = None) -> None:
        """Derive records from what is new, at most so many entries of it. Every reader does this first."""
        with self._lock:
            derive(self.tape, self.ledger, most)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Derive what is new, and let nothing more be derived or any record be dropped until the block ends."""
        with self._lock:
            derive(self.tape, self.ledger)
            yield

    @property
    def total(self) -> int:
        """How many records there ever were."""
        self.update()
        return self.ledger.records.total

    @property
    def held(self) -> int | None:
        """Number of the first record that views hold back, since a prediction is open; None where nothing is held."""
        return min((number for hold in holds if (number := hold(self)) is not None), default=None)

    @property
    def first(self) -> int:
        """Number of the first record that is still kept."""
        return self.ledger.records.first

    @property
    def dropped(self) -> Dropped:
        """How much is no longer kept."""
        self.update()
        return Dropped(self.first, *self.tape.dropped)

    def lacking(self, *kinds: Kind) -> str:
        """What an export without records of these ``kinds`` and without close reports lacks, and what the trace
        itself lacks, as sentences for its comment."""
        found = Counter(
            f"{Kind(kind).name} record" for kind, _ in packed_values(self.packed(), "kind", "number") if kind in kinds
        )
        if told := sum(len(one.closings) for one in self.ledger.conversations.values()):
            found["close report"] = told
        lacks = [f"Left out: {', '.join(count(many, what) for what, many in found.items())}"] if found else []
        lacks += [f"Note: {one}" for one in (*self.notes, str(self.dropped)) if one]
        return "".join(f" {one}" for one in (*(f"{one}." for one in lacks), *self.left_out))

    @property
    def records(self) -> Records:
        """The records that are kept, in order."""
        return Records(self.packed())

    def between(self, start: int, stop: int | None) -> Records:
        """The kept records numbered ``start`` to ``stop`` (not included), or all from ``start`` on."""
        return Records(self.packed(start, stop))

    def packed(self, start: int = 0, stop: int | None = None) -> bytes:
        """The same records in their packed form, ``wslab.anatomy.record.PACKED.size`` bytes each."""
        with self.still():
            return self.ledger.records.slice(start, stop)

    def record(self, number: int) -> Record:
        """The record of that number. Raises IndexError when it is not kept or does not exist yet."""
        found = self.between(number, number + 1)
        if not found:
            held = f"records {self.first} to {self.total - 1}" if len(self) else "no records"
            raise IndexError(f"no record {number}: the trace holds {held}")
        return found[0]

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks that are kept, in order of time."""
        self.update()
        return [
            Chunk(at, connection, Sender(sender), Sender(seen_by), offset, length)
            for at, connection, sender, seen_by, offset, length, position in self.tape.entries()
            if position != EVENT
        ]

    @property
    def connections(self) -> list[int]:
        """Numbers of the connections that are kept."""
        self.update()
        return list(self.ledger.conversations)

    @property
    def frames(self) -> list[Frame]:
        """The frames that are kept."""
        with self._lock:
            return [self.frame_of(record) for record in self.records if record.kind is Kind.FRAME]

    def frame(self, number: int) -> Frame:
        """The frame of that record. Raises IndexError when the record is no frame or not kept."""
        with self._lock:
            record = self.record(number)
            if record.kind is not Kind.FRAME:
                raise IndexError(f"record {number} is no frame: {record.summary}")
            return self.frame_of(record)

    @property
    def messages(self) -> list[Message]:
        """The messages that are kept, as they were completed; ``data`` is None where bytes were dropped."""
        with self.still():
            return [message for *_, message in self.completed()]

    def messages_of(self, connection: int, sender: Sender) -> list[Message]:
        """The messages that ``sender`` completed on one connection."""
        with self.still():
            return [m for _, number, m in self.completed() if number == connection and m.sender is sender]

    @property
    def handshakes(self) -> list[Head]:
        """Request and response heads of the connections that are kept."""
        self.update()
        return [head for one in list(self.ledger.conversations.values()) for head in one.protocol.heads]

    @property
    def violations(self) -> list[tuple[int, Violation]]:
        """Every broken rule, with the number of the record that breaks it."""
        with self.still():
            return [(number, v) for number, broken in self.ledger.violations.items() for v in broken]

    def states(self, connection: int) -> dict[Sender, State]:
        """Each end's state, CONNECTING, OPEN, CLOSING or CLOSED (RFC 6455 4.1, 7)."""
        return dict(self.conversation(connection).protocol.states)

    def transitions(self, connection: int) -> list[Transition]:
        """How each end came to its state."""
        return list(self.conversation(connection).protocol.transitions)

    def steps(self, start: int = 0, stop: int | None = None) -> list[Step]:
        """The changes of state that the kept records numbered ``start`` to ``stop`` (not included) caused, in order."""
        with self.still():
            steps = self.ledger.steps
            stop = self.ledger.records.total if stop is None else stop
            return steps[bisect_left(steps, start, key=by_record) : bisect_left(steps, stop, key=by_record)]

    def states_at(self, connection: int, number: int) -> dict[Sender, State]:
        """Each end's state when the record of that number had crossed, as ``states`` gives the present one."""
        with self.still():
            changes = [step.transition for step in self.conversation(connection).steps if step.record <= number]
        return dict.fromkeys(Sender, State.CONNECTING) | {change.endpoint: change.new for change in changes}

    def lanes(self, number: int, around: int = 2) -> Lanes:
        """The bytes around a record in its sender's stream, and the chunks, records and messages that lie over them.

        So many of its sender's records ``around`` it, or around its message, come along. A message is there only when
        it is complete. Raises IndexError when there is no such record.
        """
        with self._lock:
            return lanes(self.tape, self.ledger, self.record(number), around)

    def on_its_way(self, expected: Callable[[Hashable], bool] = lambda key: False) -> list[str]:
        """What one end in the lab sent or did and the other end there was not told of yet, in words.

        ``expected`` says whether a server in the lab will join the connection of a key of which only the client told.
        """
        with self.still(), self.tape.hold():
            return [words for one in self.ledger.conversations.values() for words in one.on_its_way(expected)]

    def closings(self, connection: int) -> dict[Sender, CloseReport]:
        """What each end's program reported when it was done with the connection (RFC 6455 7.1.5 and 7.1.6)."""
        return dict(self.conversation(connection).closings)

    def heads(self, connection: int) -> tuple[Head | None, Head | None]:
        """The connection's latest request and response."""
        protocol = self.conversation(connection).protocol
        return protocol.request, protocol.response

    def bytes_sent(self, connection: int, sender: Sender, start: int = 0, stop: int | None = None) -> bytes:
        """What ``sender`` sent, from stream offset ``start`` up to ``stop``. Raises LookupError if it was dropped."""
        with self.still():
            known = max(self.conversation(connection).wire.seen[sender])
            stop = known if stop is None else min(stop, known)
            data = self.bytes_at(connection, sender, start, stop - start)
        if data is None:
            gone = f"bytes {start} to {stop} of the {sender.label}'s stream are no longer kept"
            raise LookupError(f"{gone}; make the trace larger with Trace(max_bytes=...)")
        return data

    def explain(self, number: int) -> Explanation:
        """Every field of that record's bytes explained, or that they were dropped. Raises IndexError as ``record``."""
        with self.still():
            record, ledger = self.record(number), self.ledger
            kind, sender, offset, raw = record.kind, record.sender, record.offset, self.raw(record)
            violations, text = ledger.violations.get(number, ()), ledger.texts.get(number)
            conversation, request, fact = ledger.conversations.get(record.connection), None, _FACTS.get(kind)
            match kind:
                case Kind.REQUEST | Kind.RESPONSE:
                    for head in [] if conversation is None else conversation.protocol.heads:
                        if (head.sender, head.offset) == (sender, offset):
                            return head.explain(request=request)
                        request = head if head.sender is Sender.CLIENT else request
                case Kind.FRAME if raw is not None:
                    inflated = ledger.inflated.get(number)
                    shown = explain_frame(raw, sender=sender, offset=offset, violations=violations, inflated=inflated)
                    return shown if text is None else replace(shown, facts=(*shown.facts, ("not read", text)))
                case Kind.UNREAD if raw and record.second:
                    shown = explain_frame(raw, sender=sender, offset=offset, violations=violations)
                    facts = (*shown.facts, ("Cut short", text or "the frame's end was not recorded"))
                    return replace(shown, title=f"{shown.title}, cut short", facts=facts)
                case Kind.UNREAD if raw and text == CUT_HEAD:
                    shown = explain_head(raw, sender, offset=offset, violations=violations)
                    return replace(shown, facts=(*shown.facts, ("left over", text)))
                case Kind.RESET if text is not None:
                    fact = "TCP RST", text
                case Kind.UNREAD:
                    fact = ("left over", "what it is")[record.first > 0], text or "no whole head and no whole frame"
                case Kind.ERROR | Kind.BEND:
                    fact = kind.name.lower(), text or record.preview.decode("utf-8", "replace")
            return Explanation(
                record.summary, raw if raw and kind is Kind.UNREAD else b"", (), sender=sender, offset=offset,
                violations=violations, facts=() if fact is None else (fact,),
            )  # fmt: skip

    def foresee(self, connection: int, sender: Sender, writes: Iterable[bytes]) -> list[list[Frame]]:
        """The frames that each of ``writes`` would complete if ``sender`` sent them next, judged as they would be.

        Nothing is recorded. Raises IndexError when the connection is not kept.
        """
        with self.still():
            protocol = copy.deepcopy(self.conversation(connection).protocol)
        return [[thing for thing in protocol.feed(sender, data) if isinstance(thing, Frame)] for data in writes]

    def __len__(self) -> int:
        return self.total - self.first

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    # --- for exporters and views, within ``still()`` ---------------------------------------

    def conversation(self, connection: int) -> Conversation:
        """What is known of a connection, once what is new was derived. Raises IndexError when it is not kept."""
        self.update()
        try:
            return self.ledger.conversations[connection]
        except KeyError:
            kept = named([*self.ledger.conversations])
            raise IndexError(f"no connection {connection} in this trace; there are: {kept}") from None

    def bytes_at(self, connection: int, sender: Sender, start: int, length: int) -> bytes | None:
        """``length`` bytes of a stream from offset ``start``; None where some of them were dropped."""
        conversation = self.ledger.conversations.get(connection)
        if conversation is None:
            return None
        stream, stop, pieces = conversation.streams[sender], start + length, []
        at = bisect_right(stream.offsets, start) - 1
        while start < stop:
            if at < 0:
                return None
            until = min([stop, *stream.offsets[at + 1 : at + 2]])
            piece = self.tape.read(stream.positions[at] + start - stream.offsets[at], until - start)
            if piece is None:
                return None
            pieces.append(piece)
            start, at = until, at + 1
        return b"".join(pieces)

    def raw(self, record: Record) -> bytes | None:
        """The record's bytes; None where some of them were dropped."""
        length = record.header_length + record.payload_length
        return self.bytes_at(record.connection, record.sender, record.offset, length)

    def frame_of(self, record: Record) -> Frame:
        """The frame that a record of that kind tells of."""
        raw, ledger, number = self.raw(record), self.ledger, record.number
        index, message = ledger.places[number]
        key = raw[record.header_length - 4 : record.header_length] if raw and record.second & MASK else None
        frame = Frame(
            record.sender, index, record.offset, record.header_length, record.payload_length, record.first,
            record.second, key, ledger.violations.get(number, ()), record.preview,
            payload=None if raw is None else raw[record.header_length :], inflated=ledger.inflated.get(number),
            message=None if message == NO_MESSAGE else message, note=ledger.texts.get(number),
            connection=record.connection,
        )  # fmt: skip
        if record.first & OPCODE == CLOSE and frame.data is not None:
            code, reason = close_body(frame.data)
            return frame._replace(status_code=code, close_reason=reason)
        return frame

    def completed(self) -> Iterator[tuple[int, int, Message]]:
        """Each message with its data, joined from its frames, behind its last record's number and its connection's."""
        data: defaultdict[tuple[int, int, int], list[bytes]] = defaultdict(list)
        for record in self.records:
            message = self.ledger.places[record.number][1]
            if message != NO_MESSAGE:
                frame = self.frame_of(record)
                part = frame.data if frame.inflated is None else frame.inflated
                data[record.connection, record.sender, message].append(part or b"")
        for place in range(self.ledger.messages.first, self.ledger.messages.total):
            number, connection, told = self.ledger.message(place)
            whole = b"".join(data[connection, told.sender, told.number])
            yield number, connection, told._replace(data=whole if len(whole) == told.length else None)
