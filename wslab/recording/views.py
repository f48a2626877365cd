"""Parts of a trace that show themselves: a run of records, one connection's ladder, handshake or closing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..anatomy.html import ladder_html, records_html
from ..anatomy.record import Record
from ..anatomy.text import ladder_text, records_text

if TYPE_CHECKING:
    from .trace import Trace

MOST_SHOWN = 200
"""Records that a static view draws; of more it draws the last, and says how many came before."""


class Slice:
    """Records ``start`` to ``stop`` (not included) of a trace, shown as a ladder and a table."""

    def __init__(self, trace: Trace, start: int, stop: int) -> None:
        self.trace, self.start, self.stop = trace, start, stop

    @property
    def records(self) -> list[Record]:
        """The records, as far as the trace still keeps them."""
        return self.trace.between(self.start, self.stop)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def _shown(self) -> tuple[str, list[Record]]:
        records = self.records
        count = len(records)
        title = f"{count} record{'' if count == 1 else 's'}"
        dropped = self.trace.dropped
        if dropped.records or dropped.bytes:
            title += f"; dropped before: {dropped.records} records, {dropped.bytes} bytes"
        if count > MOST_SHOWN:
            title += f"; the last {MOST_SHOWN}"
        return title, records[-MOST_SHOWN:]

    def __repr__(self) -> str:
        title, records = self._shown()
        return f"{title}\n{ladder_text(records)}" if records else "nothing recorded yet"

    def _repr_html_(self) -> str:
        title, records = self._shown()
        if not records:
            return "<p>nothing recorded yet</p>"
        return f"<p>{title}</p>{ladder_html(records)}{records_html(records)}"
