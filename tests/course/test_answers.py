"""Answers are read as people write them, and types do not matter."""

import pytest

from wslab.course.answers import Bits, Choice, Hex, Number, Order, Text, kind_of

SAME = [
    (Number(), "15", 15), (Number(), "15 bytes", 15), (Number(), "0x0f", 15), (Number(), "65,536", 65536),
    (Number(), "65 536", 65536), (Number(), "426 Upgrade Required", 426), (Number(), 101, "101"), (Number(), "-1", -1),
    (Number(), "0b101", 5), (Number(), "about 7", 7), (Number(), "1.5", 1.5), (Number(), "007", 7),
    (Hex(2), "81 05", b"\x81\x05"), (Hex(2), "0x81_05", "8105"), (Hex(2), "81:05", 0x8105), (Hex(), "0A", b"\n"),
    (Bits(16), "1000 0001 0000 0101", b"\x81\x05"), (Bits(8), "0b10000001", 0x81), (Bits(4), "0001", 1),
    (Text(), ' "The  Server." ', "the server"), (Choice("yes", "no"), "Yes", True), (Choice("a", "b"), " A ", "a"),
    (Order("GET", "101", "frame"), "get, 101, Frame", ["GET", "101", "frame"]),
    (Order("a", "b"), "a → b", ("a", "b")),
]  # fmt: skip
OTHER = [
    (Number(), "many", 0), (Number(), "", 0), (Number(), "15", 16), (Hex(), "zz", b""), (Hex(), "815", b"\x81\x05"),
    (Bits(8), "12", 1), (Bits(8), "", 0), (Text(), "", ""), (Choice("yes", "no"), "no", True),
    (Order("a", "b"), "b, a", ["a", "b"]), (Order("a", "b"), "", []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "said", "was"), SAME)
def test_what_means_the_same_is_the_same(kind: Text, said: object, was: object):
    assert kind.same(said, was)


@pytest.mark.parametrize(("kind", "said", "was"), OTHER)
def test_what_differs_or_says_nothing_is_not(kind: Text, said: object, was: object):
    assert not kind.same(said, was)


def test_values_are_shown_as_people_write_them():
    assert Hex(2).shown(b"\x81\x05") == "81 05"
    assert Bits(8).shown(0x81) == "1000 0001"
    assert Choice("yes", "no").shown(False) == "no"
    assert Order("a", "b").shown(["a", "b"]) == "a → b"
    assert Number().shown(15) == "15"


@pytest.mark.parametrize("kind", ["choice", "order", "number", "hex", "bits", "text"])
def test_every_kind_can_be_described(kind: str):
    made = kind_of({"kind": kind, "options": ["a", "b"]}, "here")
    assert made.kind == kind
    assert made.form()["kind"] == kind


def test_an_unknown_kind_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"01\.bytes, client.*'essay'.*choice, order"):
        kind_of({"kind": "essay"}, "01.bytes, client")


def test_a_choice_has_something_to_choose_from():
    with pytest.raises(ValueError, match="at least two"):
        Choice("yes")
