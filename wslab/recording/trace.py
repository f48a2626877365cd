"""The recording as a learner holds it: ``Trace`` is written to and read from, shows itself, and is saved and opened.

``Slice``, ``Handshake`` and ``Closing`` show parts of it; they hold no copy, and read the trace each time they are
shown. What reads and writes files, ``archive`` and ``files``, is loaded when it is first used. ``dissections`` hands
a recording on whole, for the terminal and JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, overload

from ..anatomy.explanation import Explanation
from ..anatomy.field import Sender
from ..anatomy.record import CloseReport, Kind, Record
from ..drawing.sheet import Sheet, Shown
from ..drawing.visible import count, visible
from ..protocol.connection import Unread
from ..protocol.dissection import Dissection
from ..protocol.dissector import UNREAD_KEPT
from ..protocol.frame import Frame
from ..protocol.head import parse_head
from .reading import Reading
from .tape import Tap

if TYPE_CHECKING:
    import pandas

__all__ = ["Closing", "Handshake", "Slice", "Tap", "Trace"]

NOTHING = "nothing recorded yet"


def waiting(number: int) -> str:
    """That so many records are held back."""
    return f"{count(number, 'record')} {'waits' if number == 1 else 'wait'} for your prediction"


@dataclass(eq=False, repr=False)
class Slice(Shown):
    """A run of records, shown as a ladder (text) or a ladder and a table (HTML)."""

    trace: Reading
    start: int = 0  # number of the first record
    stop: int | None = None  # one past the last one; None for all that there are when it is shown
    connection: int | None = None  # only this connection's records; None for all

    @property
    def records(self) -> Sequence[Record]:
        """The records, as far as the trace still keeps them."""
        records, number = self.trace.between(self.start, self.stop), self.connection
        return records if number is None else [record for record in records if record.connection == number]

    @property
    def frames(self) -> list[Frame]:
        """Those of them that are frames, as far as they are kept."""
        return [self.trace.frame_of(record) for record in self.records if record.kind is Kind.FRAME]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def svg(self) -> str:
        """The ladder as a standalone SVG picture, for slides; its text is in ``<desc>``."""
        return self._sheet().svg()

    def _sheet(self) -> Sheet:
        # What lays out is loaded when something is shown, here and below.
        from ..anatomy.records import ladder, records_table
        from ..drawing.blocks import Only, Words

        there, dropped, held = self.records, str(self.trace.dropped), self.trace.held
        records = there if held is None else [record for record in there if record.number < held]
        later = [Words(waiting(len(there) - len(records)))] if len(records) < len(there) else []
        if not records:
            return Sheet(NOTHING, later or [Words(NOTHING)])
        title = "; ".join(filter(None, [count(len(records), "record"), dropped]))
        return Sheet(title, [ladder(records, title), Only(["html"], [records_table(records)]), *later])


@dataclass(eq=False, repr=False)
class Handshake(Shown):
    """One connection's opening handshake: request and response, each line explained."""

    trace: Reading
    connection: int

    def _explained(self, kind: Kind) -> Explanation | None:
        found = [record.number for record in Slice(self.trace, connection=self.connection) if record.kind is kind]
        return self.trace.explain(found[0]) if found else None

    @property
    def request(self) -> Explanation | None:
        """The client's half; None when none came or it was dropped."""
        return self._explained(Kind.REQUEST)

    @property
    def response(self) -> Explanation | None:
        """The server's half; None when none came or it was dropped."""
        return self._explained(Kind.RESPONSE)

    def _sheet(self) -> Sheet:
        from ..anatomy.explained import handshake_sheet

        return _unless_held(self.trace, self.connection) or handshake_sheet(self.request, self.response)


@dataclass(eq=False, repr=False)
class Closing(Shown):
    """How one connection ended: who sent Close first, what each end reports, and how TCP ended."""

    trace: Reading
    connection: int

    @property
    def reports(self) -> dict[str, CloseReport]:
        """What each end's program reports, by ``"client"`` and ``"server"``."""
        return {sender.label: report for sender, report in self.trace.closings(self.connection).items()}

    def _sheet(self) -> Sheet:
        from ..anatomy.records import closing

        records = Slice(self.trace, connection=self.connection).records
        return _unless_held(self.trace, self.connection) or Sheet(
            f"How connection {self.connection} ended", closing(records, self.reports.values(), self.trace.ledger.texts)
        )


def _unless_held(trace: Reading, connection: int) -> Sheet | None:
    """That a connection's records wait for a prediction; None where none of them does."""
    from ..drawing.blocks import Words

    held = trace.held
    later = 0 if held is None else len(Slice(trace, held, connection=connection).records)
    return Sheet(NOTHING, [Words(waiting(later))]) if later else None


class Trace(Shown, Reading):
    """Everything that crossed, and what it meant.

    Args:
        max_bytes: how many bytes of traffic are kept; older ones are dropped and counted.
        max_entries: how many records are kept, and twice as many chunks.

    Offsets and record numbers are absolute: they do not shift when something is dropped.
    """

    def connection(self, number: int) -> Slice:
        """One connection's records, as a view that shows itself."""
        return Slice(self, connection=self.conversation(number).wire.number)

    def handshake(self, connection: int = 0) -> Handshake:
        """One connection's opening handshake, as a view that shows itself."""
        return Handshake(self, self.conversation(connection).wire.number)

    def closing(self, connection: int = 0) -> Closing:
        """How one connection ended, as a view that shows itself."""
        return Closing(self, self.conversation(connection).wire.number)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Slice: ...
    def __getitem__(self, key: int | slice) -> Record | Slice:
        """``trace[3]`` is record number 3, ``trace[3:9]`` a view of records 3 to 8 that shows itself."""
        if isinstance(key, int):
            return self.record(key if key >= 0 else self.total + key)
        start, stop, step = key.indices(self.total)
        if step != 1:
            raise ValueError(f"step {step} given: a slice of a trace is a run of records, so leave the step out")
        return Slice(self, start, stop)

    def save(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace to a file for ``load``, values of Cookie and Authorization as ``*`` unless ``reveal``."""
        from .archive import save

        save(self, path, reveal=reveal)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """The trace that ``save`` wrote. Raises TraceFileError, which says what is wrong with the file."""
        from .archive import load

        return load(path, cls)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """The trace in a file of any format that is read here, told by its content: ``save``'s, HAR, pcap or pcapng.

        Raises TraceFileError, which says what is wrong with the file, where nothing in it can be read. Where something
        can, ``notes`` says what could not.
        """
        from .files.opening import open_trace

        return open_trace(path, cls)

    def to_har(self, path: str | PathLike[str] | None = None, *, reveal: bool = False) -> dict[str, Any]:
        """The trace as an HTTP Archive (HAR 1.2) with ``_webSocketMessages``, as browsers' developer tools write it.

        Returns the archive, and writes it to ``path`` as JSON unless that is None. Values of Cookie and Authorization
        are overwritten with ``*`` unless ``reveal`` is true. A HAR holds handshakes and messages. It carries no masking
        keys, fragments, control frames, close codes, chunks or unread bytes; its ``comment`` says so, and how many
        there were.
        """
        from .files.har import to_har

        return to_har(self, path, reveal=reveal)

    @classmethod
    def from_har(cls, path: str | PathLike[str]) -> Self:
        """The WebSocket conversations in a HAR file (Chrome's, Playwright's also in an archive, ``to_har``'s).

        A HAR tells messages, not bytes. Each message is built again as one whole frame, the client's with a masking
        key of zeros, and the handshake from the headers that the file lists; ``rebuilt`` is true and ``notes`` says so.
        Raises TraceFileError where the file is no HAR.
        """
        from .files.har import from_har

        return from_har(path, cls)

    def to_pcapng(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace as a pcapng file, which Wireshark and tshark read.

        Values of Cookie and Authorization are overwritten with ``*`` unless ``reveal`` is true. Addresses, ports and
        TCP's numbers are made up, as the file's comment says; times, chunks and bytes are those of the trace, and
        ``from_pcapng`` gives them back. Not written: errors, bends, close reports; the comment counts them.
        """
        from .files.capture_out import save_capture

        save_capture(self, path, reveal=reveal)

    @classmethod
    def from_pcapng(cls, path: str | PathLike[str]) -> Self:
        """The WebSocket connections in a pcapng or pcap file, in either byte order.

        Reads Ethernet with VLAN tags, Linux cooked, loopback and raw IP links, IPv4 and IPv6, and puts TCP segments
        together, whether sent again, out of order or lost. A connection's number is its place among all TCP connections
        of the capture, in the order of first packets. ``notes`` says what is damaged, missing or left out. Not read: IP
        fragments, TLS, HTTP/2, compressed files. Raises TraceFileError where the file is no capture.
        """
        from .files.capture_in import load_capture

        return load_capture(path, cls)

    def to_dataframe(self) -> pandas.DataFrame:
        """The frames that are kept as a pandas data frame, one row a frame.

        Columns: ``record`` (its number), ``time`` and ``received`` (seconds since the trace began), ``connection``,
        ``sender``, ``opcode`` (its name), ``fin``, ``rsv1`` to ``rsv3``, ``masked``, ``header_length`` and ``length``
        (bytes), ``text`` (a text frame's start), ``start`` (a payload's first bytes, unmasked and inflated),
        ``status_code`` and ``close_reason`` (of a close frame), ``violations`` (names of the rules that it breaks).

        What the trace holds beside frames, and what it lacks, is in ``attrs["left_out"]``. Raises ImportError, which
        says what to run, where pandas is not installed.
        """
        from .files.dataframe import data_frame

        return data_frame(self)

    def _sheet(self) -> Sheet:
        from ..drawing.blocks import Notes

        sheet, notes = Slice(self)._sheet(), list(map(visible, self.notes))
        return replace(sheet, blocks=[*sheet.blocks, Notes(notes)]) if notes else sheet


def dissections(trace: Reading) -> Iterator[tuple[int, Dissection]]:
    """Each connection's number, and all that is kept of it, the client's things first. Messages are left out."""
    with trace.still():
        kept: dict[int, list[Record]] = {number: [] for number in trace.connections}
        for record in trace.records:
            if record.connection in kept:  # else the connection was dropped before its last record
                kept[record.connection].append(record)
        for number in sorted(kept):
            yield number, _dissection(trace, number, kept[number])


def _dissection(trace: Reading, number: int, records: list[Record]) -> Dissection:
    heads, frames, unread = [], [], []
    for record in sorted(records, key=attrgetter("sender")):
        sender, offset, violations = record.sender, record.offset, trace.ledger.violations.get(record.number, ())
        match record.kind:
            case Kind.FRAME:
                frames.append(trace.frame_of(record))
            case Kind.REQUEST | Kind.RESPONSE:
                head = parse_head(trace.raw(record) or b"", sender, offset=offset)
                heads.append(replace(head, violations=violations))
            case Kind.UNREAD:
                data, what = (trace.raw(record) or b"")[:UNREAD_KEPT], trace.ledger.texts.get(record.number, "")
                length = record.header_length + record.payload_length
                unread.append(Unread(sender, offset, data, length, what, violations))
    conversation = trace.conversation(number)
    unfinished = [sender for sender in Sender if not conversation.streams[sender].ended]
    unread += [rest for rest in map(conversation.protocol.rest, unfinished) if rest is not None]
    unread.sort(key=attrgetter("sender"))
    states, transitions = trace.states(number), tuple(trace.transitions(number))
    return Dissection(tuple(heads), tuple(frames), (), tuple(unread), states, transitions)
