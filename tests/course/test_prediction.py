"""A prediction is shown beside its outcome, and an outcome waits for its prediction."""

import pytest

from wslab.course import predict


def test_a_right_and_a_wrong_guess_are_told_apart():
    comparison = predict("which status?", {"no Upgrade": 426, "POST": 400}).reveal({"no Upgrade": 426, "POST": 405})
    assert comparison.right == 1
    assert [row[3] for row in comparison.rows] == ["as predicted", "surprise"]
    assert "405" in repr(comparison)
    assert "405" in comparison._repr_html_()


def test_an_outcome_stays_hidden_until_it_is_predicted():
    comparison = predict("how many bytes?", None).reveal(7193)
    assert "7193" not in repr(comparison) + comparison._repr_html_()
    assert "1 still to predict" in repr(comparison)


def test_an_outcome_for_another_case_is_refused_with_both_names():
    with pytest.raises(KeyError, match=r"no Upgrade.*no Host"):
        predict("which status?", {"no Upgrade": 426}).reveal({"no Host": 400})


def test_markup_in_a_guess_is_text():
    assert "<script>" not in predict("<script>", "<script>").reveal("<script>")._repr_html_()
