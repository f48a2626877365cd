"""A slide of a lesson's hero is a drawing on its own, and what is too tall for it loses its end."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from wslab.cli import main
from wslab.course import copies, slides

QUESTION = "# 02 · A lesson\n\n**The question.** A log says `No`. What went\nwrong? About 20 minutes."
FRAME = "from wslab import build_frame, explain, predict\nexplain(build_frame('Hello'))"


def notebook(*code: str) -> dict[str, Any]:
    first = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": [QUESTION]}
    rest = [
        {"cell_type": "code", "id": f"c{at}", "metadata": {}, "source": [text], "outputs": [], "execution_count": None}
        for at, text in enumerate(code)
    ]
    return {"cells": [first, *rest], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "author"
    folder.mkdir()
    monkeypatch.setattr(copies, "source_folder", lambda: folder)
    return folder


def write(course: Path, **lessons: dict[str, Any]) -> None:
    for name, made in lessons.items():
        (course / f"{name[1:]}.ipynb").write_text(json.dumps(made))


def figures(*heights: int) -> str:
    """A picture of figures of such heights, as ``picture_of`` draws them."""
    y, parts = 24, []
    for height in heights:
        parts.append(f'<g transform="translate(24 {y})">\n<rect height="{height}"/>\n</g>')
        y += height + 26
    size = f'width="960" height="{y}" viewBox="0 0 960 {y - 26 + 24}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def test_title_and_question_stand_above_the_picture():
    drawn = slides.slide(notebook(), figures(100))
    root = ET.fromstring(drawn)
    said = ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("}text")]
    assert said == ["02 · A lesson", "A log says No. What went wrong?"]
    assert (root.get("width"), root.get("height")) == ("1600", "900")
    (inner,) = [each for each in root if each.tag.endswith("}svg")]
    assert (inner.get("x"), inner.get("width"), inner.get("viewBox")) == ("60", "1480", "0 0 960 148")


@pytest.mark.parametrize(
    ("heights", "kept"),
    [
        ((100, 100), 2),
        ((300, 300, 300, 300), 1),
        ((200, 200, 200), 2),
        ((20, 900), 2),
        ((900,), 1),
        ((20, 500, 900), 2),
    ],
)
def test_a_tall_picture_loses_its_last_figures_unless_too_little_would_be_left(heights: tuple[int, ...], kept: int):
    inner = slides._begun(figures(*heights), 0.5)
    root = ET.fromstring(inner)
    assert len(list(root)) == kept
    bottom = 24 + sum(heights[:kept]) + 26 * (kept - 1) + 24
    assert root.get("viewBox") == f"0 0 960 {bottom}"


FOREIGN = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg width="460.8pt" height="345pt" viewBox="0 0 460.8 345" version="1.1">'
    '<path stroke-width="2" d="M0 0"/></svg>'
)


@pytest.mark.parametrize("sized", ["", ' viewBox="0 0 460.8 345"'])
def test_a_picture_that_others_drew_is_placed_too(sized: str):
    drawn = slides.slide(notebook(), FOREIGN.replace(' viewBox="0 0 460.8 345"', sized))
    (inner,) = [each for each in ET.fromstring(drawn) if each.tag.endswith("}svg")]
    assert (inner.get("width"), inner.get("viewBox")) == ("1480", "0 0 460.8 345")
    assert 'stroke-width="2"' in drawn


class Plot:
    """Saves itself as matplotlib's figures do."""

    def savefig(self, file: Any, format: str) -> None:
        """Write it."""
        file.write(f"<svg {format}/>".encode())


class Showing:
    """Shows itself as SVG."""

    def _repr_svg_(self) -> str:
        return "<svg/>"


@pytest.mark.parametrize(("value", "svg"), [(Plot(), "<svg svg/>"), (Showing(), "<svg/>"), (42, None), ("x", None)])
def test_what_shows_itself_as_svg_is_a_hero(value: Any, svg: str | None):
    assert slides._svg(SimpleNamespace(display_formatter=DisplayFormatter()), value) == svg


@pytest.mark.slow
def test_the_hero_is_the_first_that_is_no_question(course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ask = "from wslab import predict\nguess = predict('What?', {'it': ['a', 'b']})\nguess"
    write(
        course,
        _02_lesson=notebook(ask, "guess.reveal('a')", "40 + 2", FRAME, "raise ValueError"),
        _02b_more=notebook(FRAME),
    )
    assert main(["slides", str(tmp_path / "slides")]) == 0
    (path,) = (tmp_path / "slides").iterdir()
    assert path.name == "02_lesson.svg"
    assert "Payload" in path.read_text(encoding="utf-8")
    ET.parse(path)
    assert "wrote 1 slides" in capsys.readouterr().out


@pytest.mark.slow
def test_a_lesson_without_a_hero_is_named(course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(course, _02_lesson=notebook("1"), _03_lesson=notebook("1 / 0", FRAME))
    assert main(["slides", str(tmp_path / "slides")]) == 1
    said = capsys.readouterr().err
    assert "02_lesson.ipynb: no cell shows a panel or a picture" in said
    assert "03_lesson.ipynb: a cell failed before its hero: division by zero" in said
