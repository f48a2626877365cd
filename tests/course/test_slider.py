"""A slider shows the picture of the place where it stands, with a kernel and without."""

from pathlib import Path

import pytest

import wslab
from wslab.course.slider import Slider, _widget
from wslab.drawing.blocks import Words
from wslab.drawing.sheet import Sheet, Shown


class Said(Shown):
    def __init__(self, said: str) -> None:
        self.said = said

    def _sheet(self) -> Sheet:
        return Sheet("", [Words(self.said)])


def slider(at: str | None = None) -> Slider:
    return Slider("Place", {"one": Said("first"), "two": Said("<second>")}, at)


def test_it_stands_at_the_first_place_unless_told_otherwise():
    assert "Place: one" in repr(slider())
    assert "first" in repr(slider())
    assert "<second>" in repr(slider("two"))
    assert "<second>" not in slider("two")._repr_html_()


def test_an_unknown_place_is_refused_with_the_names_of_all():
    with pytest.raises(KeyError, match=r"'three'.*one, two"):
        slider("three")


def test_moving_it_changes_the_picture():
    shown = slider()
    line, page, *_ = _widget(shown).children
    line.value = "two"
    assert shown.at == "two"
    assert "&lt;second&gt;" in page.value


def test_no_style_sheet_of_a_panel_moves_a_form():
    sheets = [path.read_text(encoding="utf-8") for path in (Path(wslab.__file__).parent / "panels").rglob("*.css")]
    (look,) = _widget(slider())._dom_classes
    assert sheets
    assert not any(f".{look}" in sheet for sheet in sheets)


def test_without_a_kernel_it_is_text_and_html():
    assert set(slider()._repr_mimebundle_()) == {"text/plain", "text/html"}
