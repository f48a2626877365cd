"""What an eavesdropper sees of a connection over TLS, beside what its two ends see.

Theory. Somebody on the way sees TLS records: who sent each, when, and how long it is (RFC 8446 5). The ends see what is
in them. ``Ciphertext`` is noted below TLS, at one end, and the trace above TLS, at the same end. That end's TLS also
knows which record carried how many of the ends' bytes, so the two views can be laid beside each other exactly.

An AEAD cipher hides what is said and adds a fixed number of bytes, so lengths cross as they are: TLS 1.3 adds 16 bytes
of tag and one of type (RFC 8446 5.2), and any padding that an end likes to add, which none does here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...drawing.blocks import Pairs, Table
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...drawing.visible import count
from . import records as tls

if TYPE_CHECKING:
    from ...recording.trace import Trace
    from ..secret import Taker

KEPT = 20_000  # records of one connection that are kept, and no older ones
KEPT_BYTES = 2**20  # bytes of encrypted records that are kept; of what follows only the headers are
SHOWN = 60  # rows that a view shows: so many from the start

COLUMNS: Final = (
    Column("from"), Column("TLS record", wraps=True), Column("length", right=True), Column("carries", right=True),
    Column("inside", wraps=True, code=True),
)  # fmt: skip
LEFT_OUT: Final = (
    "records with which TLS serves itself (the rest of its handshake, session tickets, close_notify): how many there "
    "are, and how long, differs from one TLS library to the next. They are in `.records`"
)
IN_THE_DARK: Final = (
    "the path and every header; opcodes, masking keys, payloads, close codes. `application_data` is the type of all of "
    "it. That it is WebSocket is said nowhere, and can be guessed: Chromium offers http/1.1 alone for wss:"
)
LENGTHS: Final = (
    "TLS 1.3 makes what it carries 17 bytes longer, with these ciphers and without padding: the length of a frame can "
    "be told, and from lengths, times and directions often what is being done"
)


class Crossing(NamedTuple):
    """One TLS record as it crossed, and how much of it was the ends' own."""

    time: float  # seconds since the trace began
    sender: Sender
    record: tls.TlsRecord  # its ``data`` may be no more than its header
    # Bytes of what the ends told each other in it; 0 where TLS served itself; None where no end told.
    carried: int | None
    position: int  # of the first of these bytes in the sender's stream above TLS

    @property
    def length(self) -> int:
        """What its header says: the bytes that follow the header."""
        return self.record.length

    @property
    def stop(self) -> int:
        """One past the last of the bytes that it carried."""
        return self.position + (self.carried or 0)


class Ciphertext:
    """The encrypted bytes of one connection, both directions, as they are noted below TLS.

    ``clock`` gives the present time in seconds since the trace began.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        # The connection's number in the trace; None while TLS's own handshake is not done.
        self.connection: int | None = None
        self.taker: Taker | None = None  # what took a secret away from what the client's first record carried
        self.failure = ""  # why TLS's handshake failed, in words
        self._clock = clock
        self._readers = (tls.TlsReader(), tls.TlsReader())
        self._crossings: deque[Crossing] = deque(maxlen=KEPT)
        self._positions = [0, 0]
        self._kept = 0

    @classmethod
    def of(cls, streams: Mapping[Sender, bytes]) -> Ciphertext:
        """Bytes that were recorded elsewhere, such as ``relay.ciphertext``; of what they carry, nothing is known."""
        ciphertext = cls(lambda: 0.0)
        for sender in Sender:
            ciphertext.crossed(sender, streams.get(sender, b""), known=False)
        return ciphertext

    def crossed(self, sender: Sender, data: bytes, *, known: bool = True) -> int:
        """Note bytes in the order in which they crossed; how many records they completed."""
        now, records = self._clock(), [*self._readers[sender].feed(data)]
        for record in records:
            if record.content_type == tls.APPLICATION_DATA:
                self._kept += len(record.data)
                if self._kept > KEPT_BYTES:
                    record = record._replace(data=record.data[: tls.HEADER])
            self._crossings.append(Crossing(now, sender, record, 0 if known else None, self._positions[sender]))
        return len(records)

    def carried(self, sender: Sender, size: int, *, stop: int | None = None, last: int = 1) -> None:
        """Note that records carried ``size`` bytes of the ends' own, above TLS.

        The sender's record that ends at the offset ``stop`` of its stream did; without it, the sender's ``last`` so
        many records did, each as full as its length says.
        """
        crossings = self._crossings
        own = (index for index in range(len(crossings) - 1, -1, -1) if crossings[index].sender is sender)
        if stop is None:
            chosen = [*islice(own, last)]
        else:
            later = takewhile(lambda index: crossings[index].record.stop >= stop, own)
            chosen = [index for index in later if crossings[index].record.stop == stop]
        added = (sum(crossings[index].length for index in chosen) - size) // max(1, len(chosen))
        for index in reversed(chosen):
            each = crossings[index]
            part = each.length - added
            carried, position = (each.carried, each.position) if each.carried else (0, self._positions[sender])
            crossings[index] = each._replace(carried=carried + part, position=position)
            self._positions[sender] += part

    @property
    def crossings(self) -> list[Crossing]:
        """The records that are kept, in the order in which they crossed. Any thread may ask."""
        while True:
            try:
                return [*self._crossings]
            except RuntimeError:  # the other thread noted one meanwhile
                continue

    @property
    def lost(self) -> str:
        """What it met that is no TLS, in words; empty where there was no such thing."""
        return "; ".join(f"{s.mark}: {self._readers[s].lost}" for s in Sender if self._readers[s].lost)


class Eavesdropped(Shown):
    """One connection over TLS, as it looks from outside and from inside. ``Lab.eavesdropped`` makes it.

    It shows itself as text and as HTML: what the eavesdropper learns, then each TLS record that carried something
    beside what that was. Times are in ``records``, and not in the text, which is the same in every run. Without a
    ``trace``, which has what the ends told, it shows the eavesdropper's half alone.
    """

    def __init__(self, ciphertext: Ciphertext, trace: Trace | None = None) -> None:
        self.ciphertext, self.trace = ciphertext, trace

    @property
    def records(self) -> list[Crossing]:
        """Every TLS record, in the order in which they crossed."""
        return self.ciphertext.crossings

    @property
    def lengths(self) -> dict[Sender, list[int]]:
        """The lengths in the headers of each end's TLS records, which is what there is to be seen."""
        return {sender: [each.length for each in self.records if each.sender is sender] for sender in Sender}

    def explain(self, number: int) -> Explanation:
        """Every byte of the TLS record of that place in ``records``, as the eavesdropper can read it.

        A ClientHello differs between TLS libraries, so this text is not the same on every machine.
        """
        crossings = self.records
        sender, record = crossings[number].sender, crossings[number].record
        earlier = [each.record.content_type for each in crossings[:number] if each.sender is sender]
        # In TLS 1.2 all that follows the sender's ChangeCipherSpec is encrypted.
        hidden = self.version != tls.TLS_1_3 and tls.CHANGE_CIPHER_SPEC in earlier
        protected = hidden and record.content_type in (tls.HANDSHAKE, tls.ALERT)
        return tls.explain_record(record.data, sender, offset=record.offset, protected=protected)

    def _hellos(self) -> Iterator[tuple[Crossing, tls.Hello]]:
        for each in self.records:
            if each.record.content_type == tls.HANDSHAKE and (hello := tls.read_hello(each.record.data)) is not None:
                yield each, hello

    def _hello(self, name: str) -> tls.Hello | None:
        return next((hello for _, hello in self._hellos() if hello.name == name), None)

    @property
    def client_hello(self) -> tls.Hello | None:
        """What the client's first message offers, for everybody to read; None where none came."""
        return self._hello("ClientHello")

    @property
    def server_hello(self) -> tls.Hello | None:
        """What the server chose; None where it has not."""
        return self._hello("ServerHello")

    @property
    def version(self) -> int | None:
        """The version of TLS that is spoken; None while the server has not chosen."""
        hello = self.server_hello
        return hello.versions[0] if hello is not None and hello.versions else None

    @property
    def learned(self) -> list[tuple[str, str]]:
        """What the eavesdropper reads, and what stays hidden, as pairs of name and text."""
        asked, chosen = self.client_hello, self.server_hello
        pairs = []
        if asked is not None:
            pairs.append(("who is called", asked.server_name or "not told: a client names no address (RFC 6066 3)"))
            pairs.append(("offered above TLS", ", ".join(asked.protocols) or "nothing is said"))
            versions = [name for name in map(tls.version_name, asked.versions) if name != "GREASE"]
            pairs.append(("offered versions", ", ".join(versions)))
        if chosen is not None:
            suite = tls.suite_name(chosen.cipher_suites[0])
            pairs.append(("chosen", f"{tls.version_name(self.version or 0)}, {suite}"))
        if self.ciphertext.connection is None:
            pairs.append(("no connection", self.ciphertext.failure or "TLS's own handshake was not brought to its end"))
        if self.ciphertext.lost:
            pairs.append(("not read", self.ciphertext.lost))
        pairs.append(("hidden", IN_THE_DARK))
        if self.version == tls.TLS_1_3:
            pairs.append(("not hidden", LENGTHS))
        pairs.append(("left out", LEFT_OUT))
        return pairs

    @property
    def title(self) -> str:
        """Which connection it is."""
        number = self.ciphertext.connection
        which = "a connection over TLS" if number is None else f"connection {number} over TLS"
        return f"{which}: what an eavesdropper sees, and what the ends know is inside"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table."""
        rows: list[tuple[str, ...]] = [(each.sender.letter, hello.name, "", "", "") for each, hello in self._hellos()]
        rows += self._carrying()
        if len(rows) > SHOWN:
            rows = [*rows[:SHOWN], ("…", f"{count(len(rows) - SHOWN, 'row')} not shown", "", "", "")]
        return rows

    def _carrying(self) -> list[tuple[str, ...]]:
        seen_type = tls.CONTENT_TYPES[tls.APPLICATION_DATA]
        crossings = [each for each in self.records if each.record.content_type == tls.APPLICATION_DATA]
        if all(each.carried is None for each in crossings):
            return [(each.sender.letter, seen_type, str(each.length), "?", "") for each in crossings]
        connection, known = self.ciphertext.connection, list[Record]()
        if self.trace is not None and connection is not None:
            kinds = (Kind.REQUEST, Kind.RESPONSE, Kind.FRAME, Kind.UNREAD)
            known = [each for each in self.trace.records if each.connection == connection and each.kind in kinds]
        rows: list[tuple[str, ...]] = []
        taken = 0 if self.ciphertext.taker is None else len(self.ciphertext.taker.taken)
        for index, each in enumerate(crossings):
            if taken and each.sender is Sender.CLIENT and each.carried:
                first = each.position == 0
                crossings[index] = each._replace(
                    position=0 if first else each.position - taken, carried=each.carried - taken * first
                )
        for sender, seen, inside in _matched([each for each in crossings if each.carried], known):
            several = f"{count(len(seen), 'record')} of " if len(seen) > 1 else ""
            size, carried = sum(each.length for each in seen), sum(each.carried or 0 for each in seen)
            said = "; ".join(each.summary for each in inside) or "bytes that make no whole frame yet"
            rows.append((sender.letter, f"{several}{seen_type}", str(size), str(carried), said))
        return rows

    def _sheet(self) -> Sheet:
        return Sheet("Eavesdropping", [Table(COLUMNS, self.rows, self.title), Pairs(self.learned)])


def _matched(
    carrying: Sequence[Crossing], known: Sequence[Record]
) -> list[tuple[Sender, list[Crossing], list[Record]]]:
    """Groups of TLS records and of what was in them, as small as their borders allow.

    They come in the order of the trace's records, so that they do not depend on how two directions overtake each other.
    """
    groups: list[tuple[Sender, list[Crossing], list[Record]]] = []
    for sender in Sender:
        outer = deque(each for each in carrying if each.sender is sender)
        inner = deque(each for each in known if each.sender is sender)
        while outer:
            seen, inside = [outer.popleft()], list[Record]()
            reached = seen[0].position
            while reached != seen[-1].stop and (inner or reached > seen[-1].stop):
                if reached < seen[-1].stop:
                    inside.append(record := inner.popleft())
                    reached = record.offset + record.header_length + record.payload_length
                elif outer:
                    seen.append(outer.popleft())
                else:
                    break
            groups.append((sender, seen, inside))
    return sorted(groups, key=lambda group: group[2][0].number if group[2] else 2**63)
