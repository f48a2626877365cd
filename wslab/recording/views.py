"""Parts of a trace that show themselves: a run of records, one connection, its handshake, its closing.

A view holds no copy: it reads the trace each time it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..anatomy.closing import CloseReport
from ..anatomy.field import Explanation
from ..anatomy.html import closing_html, handshake_html, recording_html
from ..anatomy.record import Kind, Record
from ..anatomy.svg import ladder_svg
from ..anatomy.text import closing_text, handshake_text, ladder_text
from ..drawing.visible import count
from .reading import Reading

NOTHING = "nothing recorded yet"


class Slice:
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
        records = self.records
        return ladder_svg(records, title=self._title(records))

    def _title(self, records: Sequence[Record]) -> str:
        dropped = self.trace.dropped
        title = count(len(records), "record")
        if dropped.records or dropped.bytes:
            title += f"; {count(dropped.records, 'record')} and {count(dropped.bytes, 'byte')} before were dropped"
        return title

    def __repr__(self) -> str:
        records = self.records
        return f"{self._title(records)}\n{ladder_text(records)}" if records else NOTHING

    def _repr_html_(self) -> str:
        records = self.records
        return recording_html(records, title=self._title(records) if records else NOTHING)


class Handshake:
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

    def __repr__(self) -> str:
        return handshake_text(self.request, self.response)

    def _repr_html_(self) -> str:
        return handshake_html(self.request, self.response)


class Closing:
    """How one connection ended: who sent Close first, what each end reports, and how TCP ended."""

    def __init__(self, trace: Reading, connection: int) -> None:
        self.trace, self.connection = trace, connection

    @property
    def reports(self) -> dict[str, CloseReport]:
        """What each end's program reports, by ``"client"`` and ``"server"``."""
        return {sender.label: report for sender, report in self.trace.closings(self.connection).items()}

    def __repr__(self) -> str:
        return closing_text(Slice(self.trace, connection=self.connection).records, self.reports.values())

    def _repr_html_(self) -> str:
        return closing_html(Slice(self.trace, connection=self.connection).records, self.reports.values())
