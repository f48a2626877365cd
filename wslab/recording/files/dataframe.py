"""A trace as a pandas data frame, one row a frame, read from the packed records without making a frame of each; and
any records as another, one row each."""

from __future__ import annotations

import sys
from codecs import utf_8_decode
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from ...anatomy import record
from ...anatomy.field import Sender
from ...anatomy.record import OPCODES, PREVIEW, UNKNOWN, Kind, Record
from ...protocol.words import CLOSE, FIN, MASK, OPCODE, RSV1, RSV2, RSV3, TEXT
from ..reading import Reading
from ..work import watched, work

if TYPE_CHECKING:
    import pandas

# ``PACKED`` as numpy says it: void in place of bytes, which would lose zeros at their end.
LAYOUT = [(name, f"V{PREVIEW}" if name == "preview" else f"<{kind}") for name, kind in record.LAYOUT.items()]


@work("making", "a data frame")
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
        records = records[records["kind"] == Kind.FRAME]
        coded = (records["first"] & OPCODE == CLOSE) & (records["payload_length"] > 1)
        # All of a reason, or where its bytes are no longer kept, its beginning.
        closes = ((number, trace.frame(number)) for number in records["number"][coded].tolist())
        reasons = {number: frame.close_reason or frame.preview.decode("utf-8", "replace") for number, frame in closes}
        violations = {number: ", ".join(v.rule for v in broken) for number, broken in trace.ledger.violations.items()}
    opcode, late, previews = records["first"] & OPCODE, records["delay"], records["preview"].tobytes()
    sizes = watched(records["preview_length"].tolist(), "reading frames")
    starts = [previews[at : at + size] for at, size in zip(count(0, PREVIEW), sizes, strict=False)]
    # What may go on in the midst of a character is told without it.
    ended = (records["preview_length"] < PREVIEW) & (records["first"] & FIN != 0)
    said = [utf_8_decode(start, "replace", end)[0] for start, end in zip(starts, ended.tolist(), strict=True)]
    bits = {"fin": FIN, "rsv1": RSV1, "rsv2": RSV2, "rsv3": RSV3}
    columns: dict[str, Any] = {
        "record": records["number"],
        "time": records["time"],
        "received": numpy.where(late == UNKNOWN, numpy.nan, records["time"] + late / 1e6),
        "connection": records["connection"],
        "sender": labels[records["sender"]],
        "opcode": names[opcode],
        **{name: records["first"] & bit != 0 for name, bit in bits.items()},
        "masked": records["second"] & MASK != 0,
        "header_length": records["header_length"],
        "length": records["payload_length"],
        "text": [text if yes else None for text, yes in zip(said, (opcode == TEXT).tolist(), strict=True)],
        "start": starts,
        "status_code": pandas.array(records["status"], "UInt16"),
        "close_reason": [reasons.get(number) for number in records["number"].tolist()],
        "violations": [violations.get(number, "") for number in records["number"].tolist()],
    }
    columns["status_code"][~coded] = pandas.NA
    frame = pandas.DataFrame(columns)
    frame.attrs["left_out"] = trace.lacking(*set(Kind) - {Kind.FRAME}).strip()
    return frame


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
