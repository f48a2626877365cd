"""A prediction comes before its outcome, which waits for it; what was foreseen gets its reason."""

import asyncio
import json
from pathlib import Path

import pytest

from wslab import Lab, Trace
from wslab.anatomy.field import Sender
from wslab.course import Choice, Number, Prediction, predict, progress, quiz
from wslab.course.journal import events
from wslab.course.prediction import NEEDS_A_PAGE
from wslab.live.showing import changes

OUTCOME = {"client": 1815, "first": "the server"}


def asked() -> Prediction:
    return predict(
        "Who sends what?",
        {"client": Number(unit="bytes"), "first": Choice("the client", "the server")},
        usual={"client": 7, "first": "the client"},
        because={"client": {7: "A client masks: the key takes four bytes more.", 5: "The header counts too."}},
        meaning="Two bytes and the letters.",
    )


def test_right_and_wrong_answers_are_told_apart_with_the_reason():
    reveal = asked().answer(client="7 bytes", first="The Server").reveal(OUTCOME)
    assert [row.verdict for row in reveal.rows] == ["surprise", "as predicted"]
    assert [row.why for row in reveal.rows] == ["A client masks: the key takes four bytes more.", ""]
    text = repr(reveal)
    assert "you said" in text
    assert "1 of 2 as predicted" in text
    assert "Two bytes and the letters." in text


def test_each_foreseen_answer_has_its_own_reason_and_others_have_none():
    for said, why in (("5", "The header counts too."), (12, "")):
        row, _ = asked().answer({"client": said, "first": "the server"}).reveal(OUTCOME).rows
        assert (row.verdict, row.why) == ("surprise", why)


def test_nothing_is_counted_while_nothing_is_shown():
    reveal = asked().answer(client=7, first="the client").reveal(dict.fromkeys(OUTCOME))
    assert reveal.state()["score"] == ""
    assert NEEDS_A_PAGE in " ".join(repr(reveal).split())


def test_the_authors_text_shows_what_many_say():
    text = repr(asked().reveal(OUTCOME))
    assert "many say" in text
    assert "1815" in text
    assert "Nobody has predicted here" in text


@pytest.mark.usefixtures("student")
def test_a_students_copy_holds_no_outcome_before_it_is_answered():
    guess = asked()
    reveal = guess.reveal(OUTCOME)
    shown = repr(guess) + repr(reveal) + reveal._repr_html_() + json.dumps([guess.state(), reveal.state()])
    for told in ("1815", "masks", "Two bytes"):
        assert told not in shown
    assert "predict first" in repr(reveal)
    guess.answer(client=1815)
    assert "1815" not in repr(reveal), "one case is still open"
    guess.answer(first="the client")
    assert "1815" in repr(reveal)
    assert "1815" in json.dumps(reveal.state())


@pytest.mark.usefixtures("student")
def test_it_can_be_seen_without_an_answer_which_is_noted_as_skipped():
    guess = asked()
    reveal = guess.reveal(OUTCOME)
    reveal.skip()
    guess.skip()
    assert "1815" in repr(reveal)
    assert [event["event"] for event in events()] == ["skipped"]


def test_who_watches_is_told_when_it_is_locked():
    guess, woken = asked(), []
    reveal = guess.reveal(OUTCOME)
    reveal.watch(lambda: woken.append(reveal.open))
    guess.answer(client=1)
    guess.answer(first="the server")
    assert woken == [False, True]


def test_the_first_answer_is_kept():
    guess = asked().answer(client=7, first="the client")
    with pytest.raises(RuntimeError, match="first answer is kept"):
        guess.answer(client=1815)
    guess.reveal(OUTCOME)
    asked().answer(client=1815, first="the server").reveal(OUTCOME)
    assert [event["answers"]["client"] for event in events()] == ["7", "1815"]


def test_an_outcome_for_another_case_is_refused_with_both_names():
    with pytest.raises(KeyError, match=r"client, first.*client, second"):
        asked().reveal({"client": 1815, "second": 1})


def test_a_case_that_is_not_asked_is_refused():
    with pytest.raises(KeyError, match="'server' is not asked"):
        asked().answer(server=1)


def test_markup_is_text():
    reveal = predict("<script>", {"<script>": None}).answer({"<script>": "<script>"}).reveal("<script>")
    assert "<script>" not in reveal._repr_html_()


def test_progress_counts_predictions_by_lesson_and_survives(folder: Path):
    told = [
        {"event": "predicted", "name": "01.bytes", "surprises": 2},
        {"event": "predicted", "name": "01.bytes", "surprises": 0},
        {"event": "tried", "name": "01.frame", "solved": False},
        {"event": "hint", "name": "01.frame"},
        {"event": "tried", "name": "01.frame", "solved": True},
        {"event": "quiz", "name": "01.quiz", "right": 4, "of": 5},
        {"event": "predicted", "name": "02.status", "surprises": 1},
    ]
    lines = [json.dumps(one) for one in told]
    (folder / "wslab-progress.jsonl").write_text("\n".join([*lines[:3], "{damaged", "[]", *lines[3:]]) + "\n")
    table = repr(progress())
    assert "solved, 2 tries, 1 hint" in table
    assert "4 of 5" in table
    assert [line.split()[:3] for line in table.splitlines() if line[:2] in ("01", "02")] == [
        ["01", "1", "2"],
        ["02", "1", "1"],
    ]


def test_progress_of_nothing_says_so():
    assert "Nothing is noted yet" in repr(progress())


def test_a_quiz_says_how_to_try_again():
    right = {name: case.was for name, case in quiz("01").asked.cases.items()}
    name = next(iter(right))
    wrong = {**right, name: quiz("01").asked.cases[name].usual}
    assert "5 of 5 right" in repr(quiz("01").answer(right))
    assert "Run this cell again" not in repr(quiz("01").answer(right))
    assert "4 of 5 right. Run this cell again for another try; your first answers are kept." in repr(
        quiz("01").answer(wrong).marked
    )


@pytest.mark.usefixtures("student")
class TestHeldBack:
    """While a prediction is open in a student's copy, the views hold back what was recorded since."""

    def record(self, lab: Lab) -> None:
        async def talk() -> None:
            async with lab:
                await lab.serve()
                async with lab.connect() as client:
                    await client.send("Hello")
                    await client.recv()

        asyncio.run(talk())

    def test_views_wait_and_then_show_all(self):
        lab = Lab(carrier="memory")
        guess = predict("Who speaks first?", {"who": ["the client", "the server"]})
        self.record(lab)
        total = lab.trace.total
        views = [lab.trace, lab.trace.connection(0), lab.trace.handshake(), lab.trace.closing()]
        for view in views:
            assert "wait for your prediction" in repr(view)
            assert "Hello" not in repr(view)
            assert "HTTP/1.1" not in repr(view)
        assert repr(lab.trace).startswith(f"{total} records wait")
        guess.answer(who="the server")
        for view in views:
            assert "prediction" not in repr(view)
        assert "Hello" in repr(lab.trace)

    def test_what_was_recorded_before_stays_visible(self):
        earlier, later = Lab(carrier="memory"), Lab(carrier="memory")
        self.record(earlier)
        guess = predict("Who?", {"who": ["a", "b"]})
        self.record(later)
        assert "Hello" in repr(earlier.trace)
        assert "Hello" not in repr(later.trace)
        guess.skip()
        assert "Hello" in repr(later.trace)

    def test_who_answers_a_later_question_has_gone_past_those_before_it(self):
        before = predict("Who?", {"who": ["a", "b"]})
        guess, after = predict("When?", {"when": ["a", "b"]}), Lab(carrier="memory")
        self.record(after)
        guess.answer(when="a")
        assert "Hello" in repr(after.trace)
        assert "outcome" not in repr(before.reveal("the outcome"))
        last, latest = predict("Where?", {"where": ["a", "b"]}), Lab(carrier="memory")
        self.record(latest)
        before.answer(who="a")
        assert "Hello" not in repr(latest.trace)
        last.skip()
        assert "Hello" in repr(latest.trace)

    def test_a_view_of_a_recording_whose_lab_is_gone_is_told(self):
        guess, told = predict("Who?", {"who": ["a", "b"]}), []
        trace = Trace()
        tap = trace.join(Sender.CLIENT, "key")
        tap.sent(b"GET / HTTP/1.1\r\n\r\n", 0.0)
        assert "waits for your prediction" in repr(trace)
        changes.append(told.append)
        guess.answer(who="a")
        changes.remove(told.append)
        assert trace in told

    def test_code_reads_every_record(self):
        lab = Lab(carrier="memory")
        predict("Who?", {"who": ["a", "b"]})
        self.record(lab)
        assert len(list(lab.trace.connection(0))) == lab.trace.total > 0

    def test_another_try_replaces_the_first(self):
        predict("Who?", {"who": ["a", "b"]})
        lab = Lab(carrier="memory")
        self.record(lab)
        predict("Who?", {"who": ["a", "b"]}).answer(who="a")
        assert "Hello" in repr(lab.trace)

    def test_a_view_after_a_prediction_waits(self):
        guess = predict("Who?", {"who": ["a", "b"]})
        view = guess.after("the outcome")
        assert "the outcome" not in repr(view)
        guess.answer(who="a")
        assert guess.after("the outcome") == "the outcome"


def test_authors_see_everything_at_once():
    lab = Lab(carrier="memory")
    guess = predict("Who?", {"who": ["a", "b"]})
    TestHeldBack().record(lab)
    assert "Hello" in repr(lab.trace)
    assert guess.after("the outcome") == "the outcome"
