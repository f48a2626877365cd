"""A trace as a pandas data frame, one row a frame, read from the packed records without making a frame of each; and
any records as another, one row each."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from ...anatomy.field import Sender
from ...anatomy.record import OPCODES, PREVIEW, UNKNOWN, Kind, Record
from ...protocol.words import CLOSE, FIN, MASK, OPCODE, RSV1, RSV2, RSV3, TEXT
from ..reading import Reading

if TYPE_CHECKING:
    import pandas


# ``wslab.anatomy.record.PACKED`` as numpy says it.
LAYOUT = [
    ("number", "<u4"), ("connection", "<u4"), ("time", "<f8"), ("offset", "<u8"), ("length", "<u8"), ("header", "<u4"),
    ("status", "<u2"), ("sender", "u1"), ("kind", "u1"), ("first", "u1"), ("second", "u1"), ("broken", "u1"),
    ("size", "u1"), ("preview", f"V{PREVIEW}"), ("late", "<u4"),
]  # fmt: skip


def data_frame(trace: Reading) -> pandas.DataFrame:
    """See ``Trace.to_dataframe``."""
    try:
        import pandas
    except ImportError:
        raise ImportError(
            "Trace.to_dataframe needs pandas, which wslab does not bring along: run "
            f"`{sys.executable} -m pip install 'pandas>=2.2'`, and then this again"
        ) from None
    import numpy

    names = numpy.array([OPCODES.get(opcode, f"reserved {opcode}") for opcode in range(16)], object)
    labels = numpy.array([sender.label for sender in Sender], object)
    with trace.still():
        records = numpy.frombuffer(trace.packed(), LAYOUT)
        violations = {
            number: ", ".join(violation.rule for violation in broken)
            for number, broken in trace.ledger.violations.items()
        }
    records = records[records["kind"] == Kind.FRAME]
    opcode = records["first"] & OPCODE
    late = records["late"]
    previews = records["preview"].tobytes()
    starts = [previews[at : at + size] for at, size in zip(count(0, PREVIEW), records["size"].tolist(), strict=False)]
    # What begins in the midst of a character, or ends there, is told without it.
    said = [start.decode("utf-8", "ignore") for start in starts]
    coded = (opcode == CLOSE) & (records["length"] > 1)
    columns: dict[str, Any] = {
        "record": records["number"],
        "time": records["time"],
        "received": numpy.where(late == UNKNOWN, numpy.nan, records["time"] + late / 1e6),
        "connection": records["connection"],
        "sender": labels[records["sender"]],
        "opcode": names[opcode],
        "fin": records["first"] & FIN != 0,
        "rsv1": records["first"] & RSV1 != 0,
        "rsv2": records["first"] & RSV2 != 0,
        "rsv3": records["first"] & RSV3 != 0,
        "masked": records["second"] & MASK != 0,
        "header_length": records["header"],
        "length": records["length"],
        "text": [text if yes else None for text, yes in zip(said, (opcode == TEXT).tolist(), strict=True)],
        "start": starts,
        "status_code": pandas.array(records["status"], "UInt16"),
        "close_reason": [text if yes else None for text, yes in zip(said, coded.tolist(), strict=True)],
        "violations": [violations.get(number, "") for number in records["number"].tolist()],
    }
    columns["status_code"][~coded] = pandas.NA
    return pandas.DataFrame(columns)


TOLD = ("number", "time", "received", "connection", "sender", "kind", "summary", "offset", "header_length",
        "payload_length", "violations")  # fmt: skip


def record_table(records: Iterable[Record]) -> pandas.DataFrame | list[Record]:
    """Some records as a data frame, in the columns ``TOLD``; as a list where pandas is not installed."""
    kept = [*records]
    try:
        import pandas
    except ImportError:
        return kept
    words = ({"sender": one.sender.label, "kind": one.kind.name.lower(), "summary": one.summary} for one in kept)
    rows = [{**one._asdict(), **said} for one, said in zip(kept, words, strict=True)]
    return pandas.DataFrame(rows, columns=[*TOLD])
