"""Explaining a record: its bytes are read back and every field of them named; what was dropped is said to be so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..anatomy.field import Explanation
from ..anatomy.record import Kind, Record
from ..protocol.frame import explain_frame
from ..protocol.head import explain_head

if TYPE_CHECKING:
    from .trace import Trace


def explain(trace: Trace, record: Record) -> Explanation:
    """See ``Trace.explain``."""
    return _EXPLAIN[record.kind](trace, record)


def _explain_head(trace: Trace, record: Record) -> Explanation:
    request, response = trace.heads(record.connection)
    head = request if record.kind is Kind.REQUEST else response
    if head is None:
        return _explain_words(trace, record)
    return explain_head(head.data, record.sender, request=request, violations=trace._violations.get(record.number, ()))


def _explain_frame(trace: Trace, record: Record) -> Explanation:
    raw = trace._raw(record)
    if raw is None:
        return _explain_words(trace, record, ("not kept", "These bytes were dropped; Trace(max_bytes=...) keeps more."))
    explained = explain_frame(
        raw,
        sender=record.sender,
        offset=record.offset,
        violations=trace._violations.get(record.number, ()),
        inflated=trace._inflated.get(record.number),
    )
    note = trace._texts.get(record.number)
    return explained if note is None else replace(explained, facts=(*explained.facts, ("not read", note)))


_WORDS: dict[Kind, tuple[tuple[str, str], ...]] = {
    Kind.FIN: (("TCP FIN", "The sender will send no more bytes. RFC 6455 7.1.1 lets the server close first."),),
    Kind.RESET: (
        ("TCP RST", "The connection was torn down: bytes on their way may be lost, and no close frame came."),
    ),
}


def _explain_words(trace: Trace, record: Record, *facts: tuple[str, str]) -> Explanation:
    return Explanation(
        title=record.summary,
        data=b"",
        fields=(),
        sender=record.sender,
        offset=record.offset,
        violations=trace._violations.get(record.number, ()),
        facts=_WORDS.get(record.kind, ()) + facts,
    )


def _explain_text(trace: Trace, record: Record) -> Explanation:
    text = trace._texts.get(record.number, record.preview.decode("utf-8", "replace"))
    return _explain_words(trace, record, (record.kind.name.lower(), text))


def _explain_unread(trace: Trace, record: Record) -> Explanation:
    raw = trace._raw(record)
    what = trace._texts.get(record.number, "bytes that are no whole head and no whole frame")
    return replace(_explain_words(trace, record, ("left over", what)), data=raw or b"")


_EXPLAIN: dict[Kind, Callable[[Trace, Record], Explanation]] = {
    Kind.REQUEST: _explain_head,
    Kind.RESPONSE: _explain_head,
    Kind.FRAME: _explain_frame,
    Kind.FIN: _explain_words,
    Kind.RESET: _explain_words,
    Kind.ERROR: _explain_text,
    Kind.UNREAD: _explain_unread,
    Kind.BEND: _explain_text,
}
