"""Explaining a record: every field of its bytes is named; what was dropped is said to be so."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..anatomy.explanation import Explanation
from ..anatomy.field import Violation
from ..anatomy.record import Kind, Record
from ..protocol.frame import explain_frame
from ..protocol.head import Head, explain_head


class Beside(NamedTuple):
    """What is kept of a record beside it."""

    raw: bytes | None
    """Its bytes; None where some of them were dropped."""
    violations: tuple[Violation, ...]
    inflated: bytes | None
    text: str | None
    head: Head | None
    """Itself, where it is a request or a response."""
    request: Head | None
    """The request that it answers, where it is a response."""


_WORDS: dict[Kind, tuple[tuple[str, str], ...]] = {
    Kind.FIN: (("TCP FIN", "The sender will send no more bytes. RFC 6455 7.1.1 lets the server close first."),),
    Kind.RESET: (
        ("TCP RST", "The connection was torn down: bytes on their way may be lost, and no close frame came."),
    ),
}


def explain(record: Record, beside: Beside) -> Explanation:
    """See ``Trace.explain``."""
    match record.kind:
        case Kind.REQUEST | Kind.RESPONSE:
            if beside.head is None:
                return _in_words(record, beside)
            return explain_head(beside.head.data, record.sender, request=beside.request, violations=beside.violations)
        case Kind.FRAME:
            return _explain_frame(record, beside)
        case Kind.FIN | Kind.RESET:
            return _in_words(record, beside, *_WORDS[record.kind])
        case Kind.ERROR | Kind.BEND:
            text = record.preview.decode("utf-8", "replace") if beside.text is None else beside.text
            return _in_words(record, beside, (record.kind.name.lower(), text))
        case Kind.UNREAD:
            what = "bytes that are no whole head and no whole frame" if beside.text is None else beside.text
            return replace(_in_words(record, beside, ("left over", what)), data=beside.raw or b"")


def _explain_frame(record: Record, beside: Beside) -> Explanation:
    if beside.raw is None:
        said = "These bytes were dropped; Trace(max_bytes=...) keeps more."
        return _in_words(record, beside, ("not kept", said))
    explained = explain_frame(
        beside.raw,
        sender=record.sender,
        offset=record.offset,
        violations=beside.violations,
        inflated=beside.inflated,
    )
    if beside.text is None:
        return explained
    return replace(explained, facts=(*explained.facts, ("not read", beside.text)))


def _in_words(record: Record, beside: Beside, *facts: tuple[str, str]) -> Explanation:
    return Explanation(
        title=record.summary,
        data=b"",
        fields=(),
        sender=record.sender,
        offset=record.offset,
        violations=beside.violations,
        facts=facts,
    )
