"""``LabPanel``: a live recording in a cell: its ladder and records, and every byte of the selected one explained."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

from traitlets import Bool, Dict, Enum, Int, List, TraitError, Unicode, default, observe, validate

from ...anatomy.layout import dump, ruler
from ...anatomy.record import Kind, Record
from ...anatomy.records import ladder
from ...anatomy.view import View
from ...drawing.blocks import DRAWN, READ, Block, Only, Pairs, Words
from ...drawing.sheet import Sheet, sheet_of
from ...drawing.visible import count, harmless
from ...protocol.words import opcode_name
from ...recording.files.dataframe import record_table
from ...recording.trace import Trace
from ..kit.panel import Question, guarded
from ..kit.record_filter import CONTROL, DIRECTIONS, KINDS, RecordFilter
from ..kit.trace_panel import RecordsPanel

PICTURED = 24  # records on a picture's ladder
LOOKED_THROUGH = 256  # records that are read at a time for a picture
MOST_CHUNKS = 400  # writes and reads that are sent; ``chunks_left_out`` says how many more there are


class LabPanel(RecordsPanel, sheets=["lab_panel/lanes.css"]):
    """A live view of a recording: ladder, records, and the bytes of the selected one.

    Args:
        source: a ``Trace``, or anything with one as its ``trace``, such as a ``Lab``.

    All cells that show it share one selection, filter and moment. It changes nothing, and what the trace dropped is
    gone here too. Every trait below can be set and observed: ``lab.panel.text = "ping"``.
    """

    direction = Enum(DIRECTIONS, "both", help="Whose records are shown: 'both', 'client' or 'server'.")
    kinds = List(Enum(KINDS), list(KINDS), help=f"Which kinds of records are shown, some of {', '.join(KINDS)}.")
    opcode = Int(
        None, allow_none=True, min=0, max=15, help="Show only frames of this opcode, 0 to 15; None shows all records."
    )
    connection = Int(None, allow_none=True, min=0, help="Show only the TCP connection of this number; None shows all.")
    text = Unicode(
        "", help="Show only records whose summary contains this text, whatever its case. It does not see beyond that."
    )
    broken = Bool(False, help="Show only records that break a rule.")
    find = Unicode("", help="Text that is looked for among the records that are shown.")
    picked = Int(None, allow_none=True, min=0, help="Byte of the selected record that is looked at, from 0, or None.")
    lanes_open = Bool(False, help="Whether the chunks, frames and messages around the selected record are shown.")
    paused = Bool(False, help="Whether the panel stands still at ``position``.")
    position = Int(
        None,
        allow_none=True,
        min=-1,
        help="Number of the last record that has happened, -1 for none; None is live. A number pauses the panel.",
    )

    notes: Any = Dict(
        Unicode(), key_trait=Int(), help='What stands on arrows, by record: lab.panel.notes = {2: "the first message"}.'
    )
    file_notes = List(
        Unicode(),
        read_only=True,
        help="What the file that the recording was read from lacks, could not give or lied about.",
    )

    @default("file_notes")
    def _of_the_file(self) -> list[str]:
        return list(self.trace.notes)

    @property
    def shown(self) -> Any:
        """The records that pass the filter: a pandas data frame with a row each, or a list where pandas is missing."""
        return record_table(filter(self._filter.takes, self.trace.records))

    @property
    def selection(self) -> Any:
        """The selected record in the form of ``shown``; no row where none is selected. ``selected`` is its number."""
        return record_table([] if self.selected is None else self.trace.between(self.selected, self.selected + 1))

    @property
    def _filter(self) -> RecordFilter:
        return RecordFilter(**{name: getattr(self, name) for name in RecordFilter._fields})

    def _sheet(self) -> Sheet:
        notes = [Pairs([(f"No. {number}", harmless(note)) for number, note in sorted(self.notes.items())])]
        read = [*sheet_of(self.trace).blocks, *(notes if self.notes else [])]
        return Sheet("Recording", [Only(READ, read), Only(DRAWN, self._drawn())], "recording")

    def _drawn(self) -> Iterator[Block]:
        yield ladder(self._pictured(), notes=self.notes)
        if self.selected is not None:
            record, view = self.trace.record(self.selected), View(self.trace.explain(self.selected))
            yield Words(f"No. {record.number}  {record.sender.mark}  {record.summary}")
            if view.fields:
                yield ruler(view)
            yield dump(view, numbered=True)

    def _pictured(self) -> list[Record]:
        """Up to ``PICTURED`` records that the filter takes, around the selected one or up to the panel's position."""
        held, total = self.trace.held, self.trace.total
        stop = (total if held is None else min(held, total)) if self.position is None else self.position + 1
        middle = stop if self.selected is None else self.selected + 1
        takes = self._filter.takes
        first, between, step = self.trace.first, self.trace.between, LOOKED_THROUGH
        earlier = (one for end in range(middle, first, -step) for one in reversed(between(max(end - step, first), end)))
        later = (one for at in range(max(middle, first), stop, step) for one in between(at, min(at + step, stop)))
        before = list(islice(filter(takes, earlier), PICTURED))
        after = list(islice(filter(takes, later), PICTURED // 3))
        return [*reversed(before[: PICTURED - len(after)]), *after]

    @validate("kinds")
    def _in_order(self, proposal: Any) -> list[str]:
        return [kind for kind in KINDS if kind in proposal["value"]]

    @validate("position")
    def _within(self, proposal: Any) -> int | None:
        position: int | None = proposal["value"]
        if position is not None and position >= (total := self.trace.total):
            nothing = "nothing has been recorded yet; -1 is before the first record"
            said = f"the recording has records 0 to {total - 1}" if total else nothing
            raise TraitError(f"position={position}: {said}; None is live")
        return position

    @observe("selected")
    def _let_go(self, _: Any) -> None:
        self.picked = None

    @observe("paused", "position")
    @guarded
    def _moved(self, change: Any) -> None:
        if change["name"] == "position":
            self.paused = self.position is not None
        elif self.paused and self.position is None:
            self.position = self.trace.total - 1
        elif not self.paused:
            self.position = None

    def _answer_lanes(self, question: Question) -> None:
        self._tell_of(question, "lanes", lambda number: lanes_json(self.trace, number))

    answers: ClassVar[Mapping[str, Any]] = {**RecordsPanel.answers, "lanes": _answer_lanes}


def lanes_json(trace: Trace, number: int) -> dict[str, Any]:
    """What lies around record ``number`` in its sender's stream, as JSON values; IndexError where there is none.

    Offsets and lengths are in bytes, times in seconds since the trace began. ``chunks`` are the sender's writes and
    the peer's reads, as far as those ends are in the lab. Other frames may stand between those of one message.
    """
    record, lanes = trace.record(number), trace.lanes(number)
    return {
        "sender": record.sender.label,
        "connection": record.connection,
        "start": lanes.start,
        "stop": lanes.stop,
        "chunks": [
            {"by": chunk.seen_by.label, "offset": chunk.offset, "length": chunk.length, "time": chunk.time}
            for chunk in lanes.chunks[:MOST_CHUNKS]
        ],
        "chunks_left_out": max(0, len(lanes.chunks) - MOST_CHUNKS),
        "records": [
            {"number": one.number, "kind": one.kind.name.lower(), "words": harmless(one.summary)}
            | {"control": one.kind is Kind.FRAME and bool(one.first & CONTROL)}
            | {"offset": one.offset, "header": one.header_length, "payload": one.payload_length}
            for one in lanes.records
        ],
        "messages": [
            {"first": first, "last": last, "start": start, "stop": stop, "words": words}
            for first, last, start, stop, message in lanes.messages
            for words in [f"{opcode_name(message.opcode)}, {count(message.length, 'byte')}"]
        ],
    }
