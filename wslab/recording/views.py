"""Parts of a trace that show themselves: a run of records, one connection, its handshake, its closing.

A view holds no copy: it reads the trace each time it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..anatomy.explanation import Explanation, handshake_sheet
from ..anatomy.record import Kind, Record
from ..anatomy.records import CloseReport, closing, ladder, records_table
from ..drawing.blocks import Only, Words
from ..drawing.sheet import Sheet, Shown
from ..drawing.visible import count
from .reading import Reading

NOTHING = "nothing recorded yet"


class Slice(Shown):
    """A run of records, shown as a ladder (text) or a ladder and a table (HTML).

    Args:
        trace: where the records are.
        start: number of the first record.
        stop: one past the last one; None for all that there are when it is shown.
        connection: only this connection's records; None for all.
    """

    def __init__(
        self, trace: Reading, start: int = 0, stop: int | None = None, *, connection: int | None = None
    ) -> None:
        self.trace, self.start, self.stop, self.connection = trace, start, stop, connection

    @property
    def records(self) -> Sequence[Record]:
        """The records, as far as the trace still keeps them."""
        records = self.trace.between(self.start, self.trace.total if self.stop is None else self.stop)
        if self.connection is None:
            return records
        return [record for record in records if record.connection == self.connection]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def svg(self) -> str:
        """The ladder as a standalone SVG picture, for slides; its text is in ``<desc>``."""
        return self._sheet().svg()

    def _sheet(self) -> Sheet:
        records, dropped = self.records, self.trace.dropped
        if not records:
            return Sheet(NOTHING, [Words(NOTHING)])
        title = count(len(records), "record")
        if dropped.records or dropped.bytes:
            title += f"; {count(dropped.records, 'record')} and {count(dropped.bytes, 'byte')} before were dropped"
        return Sheet(title, [ladder(records, title), Only(["html"], [records_table(records)])])


class Handshake(Shown):
    """One connection's opening handshake: request and response, each line explained."""

    def __init__(self, trace: Reading, connection: int) -> None:
        self.trace, self.connection = trace, connection

    def _explained(self, kind: Kind) -> Explanation | None:
        for record in Slice(self.trace, connection=self.connection):
            if record.kind is kind:
                return self.trace.explain(record.number)
        return None

    @property
    def request(self) -> Explanation | None:
        """The client's half; None when none came or it was dropped."""
        return self._explained(Kind.REQUEST)

    @property
    def response(self) -> Explanation | None:
        """The server's half; None when none came or it was dropped."""
        return self._explained(Kind.RESPONSE)

    def _sheet(self) -> Sheet:
        return handshake_sheet(self.request, self.response)


class Closing(Shown):
    """How one connection ended: who sent Close first, what each end reports, and how TCP ended."""

    def __init__(self, trace: Reading, connection: int) -> None:
        self.trace, self.connection = trace, connection

    @property
    def reports(self) -> dict[str, CloseReport]:
        """What each end's program reports, by ``"client"`` and ``"server"``."""
        return {sender.label: report for sender, report in self.trace.closings(self.connection).items()}

    def _sheet(self) -> Sheet:
        records = Slice(self.trace, connection=self.connection).records
        return Sheet(f"How connection {self.connection} ended", closing(records, self.reports.values()))
