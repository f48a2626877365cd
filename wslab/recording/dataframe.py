"""A trace as a pandas data frame: one row a frame, read from the packed records without making a frame of each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..anatomy.field import Sender
from ..anatomy.record import OPCODES, PACKED, UNKNOWN, Kind
from ..protocol.words import CLOSE, FIN, MASK, OPCODE, RSV1, RSV2, RSV3, TEXT

if TYPE_CHECKING:
    import pandas

    from .trace import Trace

COLUMNS = (
    "record", "time", "received", "connection", "sender", "opcode", "fin", "rsv1", "rsv2", "rsv3", "masked",
    "header_length", "length", "text", "start", "status_code", "close_reason", "violations",
)  # fmt: skip


def data_frame(trace: Trace) -> pandas.DataFrame:
    """See ``Trace.to_dataframe``."""
    try:
        import pandas
    except ImportError:
        raise ImportError(
            "Trace.to_dataframe needs pandas, which wslab does not bring along: run "
            f"`{sys.executable} -m pip install pandas`, and then this again"
        ) from None
    names = tuple(OPCODES.get(opcode, f"reserved {opcode}") for opcode in range(16))
    labels = tuple(sender.label for sender in Sender)
    with trace._derive_lock:
        packed = trace.packed()
        violations = {
            number: ", ".join(violation.rule for violation in broken) for number, broken in trace._violations.items()
        }
    rows: list[tuple[Any, ...]] = []
    append = rows.append
    frame = int(Kind.FRAME)
    for (
        number, connection, time, _, length, header, status, sender, kind, one, two, broken, size, preview, late,
    ) in PACKED.iter_unpack(packed):  # fmt: skip
        if kind != frame:
            continue
        opcode = one & OPCODE
        said = preview[:size]
        text = reason = None
        if opcode == TEXT:
            text = said.decode("utf-8", "replace" if broken else "ignore")  # a character that is cut is left out
        elif opcode == CLOSE and length > 1:
            reason = said.decode("utf-8", "replace" if broken else "ignore")
        append(
            (
                number, time, None if late == UNKNOWN else time + late / 1e6, connection, labels[sender], names[opcode],
                one & FIN != 0, one & RSV1 != 0, one & RSV2 != 0, one & RSV3 != 0, two & MASK != 0, header, length,
                text, said, status if opcode == CLOSE and length > 1 else None, reason,
                violations.get(number, "") if broken else "",
            )
        )  # fmt: skip
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
    return pandas.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
