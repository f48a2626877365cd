"""An explanation as JSON values, for the panels: every byte as hex, secrets withheld."""

from __future__ import annotations

from typing import Any

from .field import Explanation
from .view import HIDDEN_BYTE, View

MOST = 4096
"""Bytes of hex that one explanation or field carries; ``length`` and ``width`` say how many there are."""


def explanation_json(explanation: Explanation, *, reveal: bool = False) -> dict[str, Any]:
    """The explanation as plain JSON values.

    Bytes are hex, at most 4096 of them in ``data``, in ``inflated`` and in each ``raw`` and ``plain``; ``length`` is
    the number of bytes explained, ``inflated_length`` that of what a compressed payload inflates to. The latter two
    are None where nothing was inflated. A secret field's bytes are ``··`` each and its value is ``(withheld)`` unless
    ``reveal``. Values that change from run to run are shown: a panel is alive.
    """
    view = View(explanation, reveal, steady=False)
    inflated = explanation.inflated

    def bytes_of(first: int, stop: int) -> str:
        return "".join(view.hex_at(index) for index in range(first, min(stop, first + MOST, len(explanation.data))))

    def field(index: int) -> dict[str, Any]:
        one, shown = explanation.fields[index], view.fields[index]
        first, stop = one.start // 8, -(-one.stop // 8)
        plain = None if one.plain is None else one.plain[:MOST].hex()
        return {
            "name": shown.name,
            "start": one.start,
            "width": one.width,
            "raw": bytes_of(first, stop),
            "value": shown.value,
            "is_number": shown.number is not None,
            "bits": shown.bits,
            "meaning": shown.meaning,
            "section": shown.section,
            "plain": HIDDEN_BYTE * (stop - first) if plain is not None and shown.hidden else plain,
            "secret": one.secret,
        }

    return {
        "title": view.title,
        "sender": None if explanation.sender is None else explanation.sender.label,
        "offset": explanation.offset,
        "length": len(explanation.data),
        "data": bytes_of(0, len(explanation.data)),
        "fields": [field(index) for index in range(len(explanation.fields))],
        "violations": _violations(view),
        "facts": [list(pair) for pair in view.facts],
        "inflated": None if inflated is None else inflated[:MOST].hex(),
        "inflated_length": None if inflated is None else len(inflated),
    }


def _violations(view: View) -> list[dict[str, Any]]:
    return [
        {
            "rule": broken.rule,
            "section": broken.section,
            "sentence": broken.sentence,
            "found": broken.found,
            "start": broken.start,
            "width": broken.width,
        }
        for broken in view.violations
    ]
