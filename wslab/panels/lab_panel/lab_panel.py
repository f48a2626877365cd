"""``LabPanel``: a live recording in a cell: its ladder and records, and every byte of the selected one explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

import traitlets

from ...anatomy.layout import dump, ruler
from ...anatomy.record import Record
from ...anatomy.records import ladder
from ...anatomy.view import View
from ...drawing.blocks import DRAWN, READ, Block, Only, Words
from ...drawing.sheet import Sheet, sheet_of
from ..kit.panel import Question, guarded
from ..kit.record_filter import DIRECTIONS, KINDS, RecordFilter
from ..kit.records_panel import RecordsPanel
from .lanes import lanes_json

PICTURED = 24
"""Records on a picture's ladder."""

LOOKED_THROUGH = 256
"""Records that are read at a time for a picture."""


class LabPanel(RecordsPanel, sheets=["lab_panel/lanes.css"]):
    """A live view of a recording: ladder, records, and the bytes of the selected one.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.

    It shows itself when a cell ends in it, in any number of cells. All of them share one selection, one filter and one
    moment. Without a kernel its text and HTML are shown. It changes nothing, and keeps no bytes of its own: what the
    trace dropped is gone here too.

    Every trait below can be set, to script a demonstration, and observed: ``lab.panel.text = "ping"``.
    """

    direction = traitlets.Enum(DIRECTIONS, "both", help="Whose records are shown: 'both', 'client' or 'server'.")
    kinds = traitlets.List(
        traitlets.Enum(KINDS), list(KINDS), help=f"Which kinds of records are shown, some of {', '.join(KINDS)}."
    )
    opcode = traitlets.Int(
        None, allow_none=True, min=0, max=15, help="Show only frames of this opcode, 0 to 15; None shows all records."
    )
    connection = traitlets.Int(
        None, allow_none=True, min=0, help="Show only the TCP connection of this number; None shows all."
    )
    text = traitlets.Unicode(
        "", help="Show only records whose summary contains this text, whatever its case. It does not see beyond that."
    )
    broken = traitlets.Bool(False, help="Show only records that break a rule.")
    find = traitlets.Unicode("", help="Text that is looked for among the records that are shown.")
    picked = traitlets.Int(
        None, allow_none=True, min=0, help="Byte of the selected record that is looked at, from 0, or None."
    )
    lanes_open = traitlets.Bool(
        False, help="Whether the chunks, frames and messages around the selected record are shown."
    )
    paused = traitlets.Bool(False, help="Whether the panel stands still at ``position``.")
    position = traitlets.Int(
        None,
        allow_none=True,
        min=-1,
        help="Number of the last record that has happened, -1 for none; None is live. A number pauses the panel.",
    )

    notes = traitlets.List(
        traitlets.Unicode(),
        read_only=True,
        help="What the file that the recording was read from lacks, could not give or lied about.",
    )

    @traitlets.default("notes")
    def _of_the_file(self) -> list[str]:
        return list(self.trace.notes)

    def _sheet(self) -> Sheet:
        return Sheet("Recording", [Only(READ, sheet_of(self.trace).blocks), Only(DRAWN, self._drawn())], "recording")

    def _drawn(self) -> Iterator[Block]:
        """The ladder, and the selected record's bytes explained.

        The ladder shows up to ``PICTURED`` of the records that the filter takes: those around the selected one or,
        where none is selected, up to the panel's position.
        """
        yield ladder(self._pictured())
        if self.selected is not None:
            record, view = self.trace.record(self.selected), View(self.trace.explain(self.selected))
            yield Words(f"No. {record.number}  {record.sender.mark}  {record.summary}")
            if view.fields:
                yield ruler(view)
            yield dump(view, numbered=True)

    def _pictured(self) -> list[Record]:
        """The records on the picture's ladder."""
        stop = self.trace.total if self.position is None else self.position + 1
        middle = stop - 1 if self.selected is None else self.selected
        takes = RecordFilter(
            self.direction, tuple(self.kinds), self.opcode, self.connection, self.text, self.broken
        ).takes
        before = list(islice(filter(takes, self._backwards(middle + 1)), PICTURED))
        after = list(islice(filter(takes, self._forwards(middle + 1, stop)), PICTURED // 3))
        return [*reversed(before[: PICTURED - len(after)]), *after]

    def _backwards(self, stop: int) -> Iterator[Record]:
        while stop > self.trace.first:
            start = max(stop - LOOKED_THROUGH, self.trace.first)
            yield from reversed(self.trace.between(start, stop))
            stop = start

    def _forwards(self, start: int, stop: int) -> Iterator[Record]:
        for begin in range(max(start, self.trace.first), stop, LOOKED_THROUGH):
            yield from self.trace.between(begin, min(begin + LOOKED_THROUGH, stop))

    @traitlets.validate("kinds")
    def _in_order(self, proposal: Any) -> list[str]:
        return [kind for kind in KINDS if kind in proposal["value"]]

    @traitlets.validate("position")
    def _within(self, proposal: Any) -> int | None:
        position: int | None = proposal["value"]
        total = self.trace.total
        if position is not None and position >= total:
            raise traitlets.TraitError(
                f"position={position}: the recording has records 0 to {total - 1}; None is live"
                if total
                else f"position={position}: nothing has been recorded yet; -1 is before the first record, None is live"
            )
        return position

    @traitlets.observe("selected")
    def _let_go(self, _: Any) -> None:
        self.picked = None

    @traitlets.observe("paused", "position")
    @guarded
    def _moved(self, change: Any) -> None:
        if change["name"] == "position":
            self.paused = self.position is not None
        elif self.paused and self.position is None:
            self.position = self.trace.total - 1
        elif not self.paused:
            self.position = None

    def _answer_lanes(self, question: Question) -> None:
        number = int(question["number"])
        self._tell_of(number, "lanes", lambda: lanes_json(self.trace, number))

    answers: ClassVar[Mapping[str, Any]] = {**RecordsPanel.answers, "lanes": _answer_lanes}
