"""Every fault of the table is named by wslab's rules, and no control is accused."""

from __future__ import annotations

from collections import Counter

import pytest
from vectors import SERVER, VECTORS, Vector

from wslab.anatomy.field import Sender
from wslab.protocol import RULES, Connection, Frame, Head, Unread


def broken(vector: Vector) -> list[str]:
    """The rules that wslab names, in order."""
    connection = Connection()
    if vector.what != "request":
        connection.feed(Sender.CLIENT, vector.request)
    if vector.what == "frames":
        connection.feed(SERVER, vector.response)
        assert not any(head.violations for head in connection.heads)
    connection.feed(vector.sender.peer, vector.after)
    things = connection.feed(vector.sender, vector.data)
    told = list(connection.end(vector.sender)) if vector.ends else []
    found = [v for thing in (*things, *told) if isinstance(thing, Head | Frame | Unread) for v in thing.violations]
    # A frame that has come in part is judged by its header.
    rest = None if vector.ends else connection.rest(vector.sender)
    found += rest.violations if rest is not None else ()
    return [violation.rule for violation in (*found, *connection.closing_violations.get(vector.sender, ()))]


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_every_fault_is_named_and_no_control_is_accused(vector: Vector) -> None:
    assert broken(vector) == list(vector.rules)


def test_the_table_is_as_large_and_as_even_as_it_says() -> None:
    assert len(VECTORS) >= 200
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)
    controls = sum(not vector.rules for vector in VECTORS)
    assert 0.3 < controls / len(VECTORS) < 0.5
    assert max(Counter((vector.section, vector.sentence) for vector in VECTORS).values()) <= 5


def test_every_rule_has_a_vector() -> None:
    assert {rule for vector in VECTORS for rule in vector.rules} == {rule.name for rule in RULES}
