"""Which rule each judge applied to some bytes, and what the two verdicts come to in a sentence.

Theory. A judge says in its own words why it refuses, and does not know wslab's table of rules. ``SAID`` lists the rules
that each of its phrases can mean. The rules that wslab finds broken decide between those.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ...anatomy.field import Violation
from ...protocol import dissect
from ...protocol.rules import FRAME_RULES
from .verdict import Judgement, Verdict


class Applied(NamedTuple):
    """A rule by which a judge refused."""

    rule: str
    section: str
    sentence: str  # the RFC's sentence


OWN_LIMIT: Final = Applied(  # no frame breaks it: each implementation sets such a limit for itself
    "limit-of-its-own",
    "RFC 6455 10.4",
    "Implementations that have implementation- and/or platform-specific limitations regarding the frame size or total "
    "message size after reassembly from multiple frames MUST protect themselves against exceeding those limits.",
)

_RULES: Final = {rule.name: Applied(rule.name, rule.section, rule.sentence) for rule in FRAME_RULES} | {
    OWN_LIMIT.rule: OWN_LIMIT
}
_TEXT = ("text-not-utf8", "text-ends-inside-character", "close-reason-not-utf8")
_CODES = ("close-code-never-sent", "close-code-reserved", "close-code-out-of-range")

# By judge: a phrase of its refusals, and the rules that the phrase can mean, the likeliest first.
SAID: Final[dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "websockets": (
        ("reserved bits must be 0", ("rsv-not-agreed",)),
        ("invalid opcode", ("opcode-reserved",)),
        ("incorrect masking", ("client-frame-not-masked", "server-frame-masked")),
        ("control frame too long", ("control-frame-too-long",)),
        ("fragmented control frame", ("control-frame-fragmented",)),
        ("unexpected continuation frame", ("continuation-without-message",)),
        ("expected a continuation frame", ("message-inside-message",)),
        ("close frame too short", ("close-body-of-one-byte",)),
        ("invalid status code", _CODES),
        ("exceeds limit", (OWN_LIMIT.rule,)),
        ("at position", _TEXT),
        ("codec can't decode", _TEXT),
    ),
    "wsproto": (
        ("Reserved bit set", ("rsv-not-agreed",)),
        ("Invalid opcode", ("opcode-reserved",)),
        ("unexpected masked frame", ("server-frame-masked",)),
        ("unexpected unmasked frame", ("client-frame-not-masked",)),
        ("would have sufficed", ("length-not-minimal",)),
        ("non-zero MSB", ("length-first-bit-set",)),
        ("payload len > 125", ("control-frame-too-long",)),
        ("fragment control frame", ("control-frame-fragmented",)),
        ("unexpected CONTINUATION", ("continuation-without-message",)),
        ("expected CONTINUATION", ("message-inside-message",)),
        ("1 byte payload", ("close-body-of-one-byte",)),
        ("CLOSE with invalid code", ("close-code-out-of-range",)),
        ("local-only reason", ("close-code-never-sent",)),
        ("unknown reserved code", ("close-code-reserved",)),
        ("codec can't decode", _TEXT),
    ),
}


def broken_rules(data: bytes, *, as_client: bool) -> tuple[Violation, ...]:
    """The rules that frames break on an open connection without extensions.

    A frame whose last bytes are missing breaks those that its header shows.
    """
    dissection = dissect(**{"client" if as_client else "server": data}, heads=False, extensions="")
    return tuple(violation for _, violation in dissection.violations if violation.rule in _RULES)


def applied_rule(verdict: Verdict, broken: Iterable[Violation], *, as_client: bool) -> Applied | None:
    """The rule by which a judge refused; None where it did not refuse, and where its words mean no rule of wslab's.

    ``broken`` are the rules that the bytes break, as ``broken_rules`` finds them; ``as_client`` says that a client sent
    these bytes.
    """
    # A judge may see a wrong mask in a header whose end has not come. wslab waits for that end.
    masking = "client-frame-not-masked" if as_client else "server-frame-masked"
    known = {*(violation.rule for violation in broken), masking}
    for phrase, names in SAID.get(verdict.judge, ()):
        if phrase in verdict.fault:
            return _RULES[next((name for name in names if name in known), names[0])]
    return None


def comparison(judgement: Judgement, broken: Sequence[Violation]) -> str:
    """What the two verdicts come to, in a sentence or two."""
    refusers = sum(not verdict.accepted for verdict in judgement.verdicts)
    return (_both_let_pass, _one_refuses, _both_refuse)[refusers](judgement, broken)


def outcome(verdict: Verdict) -> str:
    """``"accepted"``, ``"waits"`` (for more bytes) or ``"refused"``."""
    return "refused" if not verdict.accepted else "accepted" if verdict.events else "waits"


def verdicts_json(judgement: Judgement, broken: Sequence[Violation]) -> dict[str, Any]:
    """Both verdicts and what they come to, as plain JSON values for the page."""
    judges = [
        {
            "judge": verdict.judge,
            "outcome": outcome(verdict),
            "sentence": verdict.sentence,
            "code": None if verdict.accepted else verdict.code,
            "reason": None if verdict.accepted else verdict.reason,
            "events": list(verdict.events),
            "rule": None if rule is None else rule._asdict(),
        }
        for verdict, rule in zip(judgement.verdicts, _rules(judgement, broken), strict=True)
    ]
    return {"comparison": comparison(judgement, broken), "agree": judgement.agree, "judges": judges}


def verdict_rows(judgement: Judgement, broken: Sequence[Violation]) -> list[tuple[str, str, str]]:
    """Both verdicts as rows: a name, what ``websockets`` says, what ``wsproto`` says."""
    both, rules = judgement.verdicts, _rules(judgement, broken)
    rows = [
        ("verdict", *(verdict.sentence for verdict in both)),
        ("delivered", *("; ".join(verdict.events) for verdict in both)),
        ("because", *(verdict.fault for verdict in both)),
        ("rule applied", *("" if rule is None else f"{rule.section} ({rule.rule})" for rule in rules)),
    ]
    return [(name, left, right) for name, left, right in rows if left or right]


def _rules(judgement: Judgement, broken: Sequence[Violation]) -> list[Applied | None]:
    return [applied_rule(verdict, broken, as_client=judgement.as_client) for verdict in judgement.verdicts]


def _both_let_pass(judgement: Judgement, broken: Sequence[Violation]) -> str:
    waiting = [verdict.judge for verdict in judgement.verdicts if not verdict.events]
    if broken and len(waiting) == 2:
        return f"Both judges wait for more bytes. What has come is wrong already: {_says(broken[0])}."
    if broken:
        return f"Neither judge objects, and yet {_says(broken[0])}."
    if len(waiting) == 2:
        return "Both judges wait for more bytes: so far nothing is wrong."
    return f"Neither judge objects; {waiting[0]} has delivered nothing yet." if waiting else "Both judges accept."


def _one_refuses(judgement: Judgement, broken: Sequence[Violation]) -> str:
    refuser, other = sorted(judgement.verdicts, key=lambda verdict: verdict.accepted)
    name, rule = refuser.judge, applied_rule(refuser, broken, as_client=judgement.as_client)
    if rule is None:
        return f"The judges differ: {name} refuses by a check of its own, and no rule here asks for it."
    if outcome(other) == "waits":
        how = f"{name} enforces it at once, {other.judge} waits for more bytes first"
    elif rule is OWN_LIMIT:
        how = f"Such a limit is each implementation's own: for {name} this is too much, for {other.judge} it is not"
    else:
        how = f"{name} enforces it, {other.judge} does not"
    return f"The judges differ: {_says(rule)}. {how}."


def _both_refuse(judgement: Judgement, broken: Sequence[Violation]) -> str:
    (one, other), (left, right) = judgement.verdicts, _rules(judgement, broken)
    if left is not None and left == right:
        said = f"Both judges refuse, by the same rule: {_says(left)}."
    else:
        how = [rule.section if rule else "a check of its own" for rule in (left, right)]
        said = f"Both judges refuse, each for another reason: {one.judge} by {how[0]}, {other.judge} by {how[1]}."
    codes = [verdict.code or "none" for verdict in (one, other)]
    return said if codes[0] == codes[1] else f"{said} Their status codes differ: {codes[0]} and {codes[1]}."


def _says(rule: Applied | Violation) -> str:
    sentence = rule.sentence.removesuffix(".")
    return f"{rule.section} says “{'… ' if sentence[0].islower() else ''}{sentence}”"
