"""Each of the things that learners get wrong is ended by a prediction of some lesson."""

import re

from wslab.course.copies import source_folder
from wslab.course.lesson import ended_by, misconceptions, numbers


def test_there_are_twenty_eight():
    assert list(misconceptions()) == list(range(1, 29))


def test_each_is_ended_by_a_prediction():
    assert [number for number in misconceptions() if not ended_by(number)] == []


def test_a_prediction_that_ends_one_is_asked_in_a_notebook():
    asked = {
        name
        for path in source_folder().glob("*.ipynb")
        for name in re.findall(r"""predict\(\\?["'](\d\d\.[\w-]+)""", path.read_text(encoding="utf-8"))
    }
    assert {name for number in misconceptions() for name in ended_by(number)} <= asked


def test_a_lesson_names_only_what_there_is():
    named = {number for number in range(1, 100) if ended_by(number)}
    assert named <= set(misconceptions())
    assert numbers()[0] == "00"


def test_a_claim_and_its_end_are_sentences():
    for one in misconceptions().values():
        assert re.fullmatch(r"[\w\"].*[.?]", one.claim)
        assert re.fullmatch(r"[\w\"].*\.", one.end)
        assert "|" not in one.claim + one.end, "it stands in a table"
