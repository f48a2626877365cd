"""The closing sequence: who sent Close first, what each end reports, and who ended TCP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..drawing.table import pairs_text
from ..drawing.visible import visible
from .field import Sender
from .ladder import ladder_text
from .record import Kind, Record
from .summary import record_summary
from .view import sender_mark

_CLOSE = 0x8


class CloseReport(NamedTuple):
    """How one end's program says the connection ended. It need not be what crossed the wire."""

    sender: Sender
    """The end that reports."""
    code: int | None
    """None while the program has reported nothing."""
    reason: str = ""


def closing_records(records: Iterable[Record]) -> list[Record]:
    """The records that belong to the end of a connection: from the first Close frame or TCP end on."""
    found: list[Record] = []
    for record in records:
        if found or record.kind in (Kind.FIN, Kind.RESET) or _is_close(record):
            found.append(record)
    return found


def _is_close(record: Record) -> bool:
    return record.kind is Kind.FRAME and record.first & 0b1111 == _CLOSE


def closing_rows(records: Sequence[Record], reports: Iterable[CloseReport]) -> list[tuple[str, str]]:
    """What the end of the connection comes to, as pairs of name and text; text and HTML share them."""
    closes = [record for record in records if _is_close(record)]
    rows = []
    if closes:
        rows.append(("first Close", f"{sender_mark(closes[0].sender)}: {record_summary(closes[0])}"))
        answer = next((record for record in closes if record.sender is not closes[0].sender), None)
        rows.append(("the other's", f"{sender_mark(answer.sender)}: {record_summary(answer)}" if answer else "none"))
    else:
        rows.append(("first Close", "none"))
    rows += [(f"{report.sender.label} reports", _report(report, closes)) for report in sorted(reports, key=_end)]
    ends = [record for record in records if record.kind in (Kind.FIN, Kind.RESET)]
    words = {Kind.FIN: "FIN", Kind.RESET: "RST"}
    told = ", then ".join(f"{sender_mark(record.sender)} with {words[record.kind]}" for record in ends)
    rows.append(("TCP ended by", told or "nobody yet"))
    return rows


def _end(report: CloseReport) -> Sender:
    return report.sender


def _report(report: CloseReport, closes: Sequence[Record]) -> str:
    if report.code is None:
        return "nothing"
    peer = report.sender.peer
    said = f'{report.code} "{visible(report.reason)}"' if report.reason else str(report.code)
    received = next((record for record in closes if record.sender is peer), None)
    if received is None:
        return f"{said}, since no Close frame came from the {peer.label}"
    if received.violations and report.code == 1006:  # an equal code would be chance: the frame was not accepted
        return f"{said}, since the {peer.label}'s Close frame breaks a rule"
    if received.payload_length < 2:
        return f"{said}, since the {peer.label}'s Close frame has no code"
    if received.status != report.code:
        return f"{said}, though the {peer.label}'s Close frame says {received.status}"
    return f"{said}, as the {peer.label}'s Close frame says"


def closing_text(records: Sequence[Record], reports: Iterable[CloseReport] = (), *, width: int = 80) -> str:
    """How one connection ended: its last records as a ladder, then who closed and what each end reports.

    ``records`` are one connection's; what comes before the first Close frame or TCP end is left out.
    """
    last = closing_records(records)
    rows = closing_rows(last, reports)
    drawn = ladder_text(last, width=width) + "\n\n" if last else ""
    return drawn + pairs_text(rows, width=width)
