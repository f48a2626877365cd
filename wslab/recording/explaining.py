"""Explaining a record: every field of its bytes is named; what was dropped is said to be so."""

from __future__ import annotations

from dataclasses import replace

from ..anatomy.explanation import Explanation
from ..anatomy.field import Sender
from ..anatomy.record import Kind, Record
from ..protocol.frame import explain_frame
from ..protocol.head import explain_head
from .ledger import Ledger

_ENDS = {
    Kind.FIN: ("TCP FIN", "The sender will send no more bytes. RFC 6455 7.1.1 lets the server close first."),
    Kind.RESET: ("TCP RST", "The connection was torn down: bytes on their way may be lost, and no close frame came."),
}


def explain(ledger: Ledger, record: Record, raw: bytes | None) -> Explanation:
    """See ``Trace.explain``; ``raw`` is the record's bytes, None where some of them were dropped."""
    sender, offset, text = record.sender, record.offset, ledger.texts.get(record.number)
    violations = ledger.violations.get(record.number, ())
    in_words = Explanation(record.summary, b"", (), sender=sender, offset=offset, violations=violations)
    match record.kind:
        case Kind.REQUEST | Kind.RESPONSE:
            conversation, request = ledger.conversations.get(record.connection), None
            for head in [] if conversation is None else conversation.protocol.heads:
                if (head.sender, head.offset) == (sender, offset):
                    return explain_head(head.data, sender, request=request, violations=violations)
                if head.sender is Sender.CLIENT:
                    request = head
            return in_words
        case Kind.FRAME:
            if raw is None:
                said = "These bytes were dropped; Trace(max_bytes=...) keeps more."
                return replace(in_words, facts=(("not kept", said),))
            inflated = ledger.inflated.get(record.number)
            explained = explain_frame(raw, sender=sender, offset=offset, violations=violations, inflated=inflated)
            return explained if text is None else replace(explained, facts=(*explained.facts, ("not read", text)))
        case Kind.FIN | Kind.RESET:
            return replace(in_words, facts=(_ENDS[record.kind],))
        case Kind.ERROR | Kind.BEND:
            text = record.preview.decode("utf-8", "replace") if text is None else text
            return replace(in_words, facts=((record.kind.name.lower(), text),))
        case Kind.UNREAD:
            text = "bytes that are no whole head and no whole frame" if text is None else text
            return replace(in_words, facts=(("left over", text),), data=raw or b"")
