"""The example on the page that tells how to write a lesson is one: its texts are read, and its exercise judges."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from wslab import Lab
from wslab.course import lesson, predict, quiz

PAGE = (Path(__file__).resolve().parents[2] / "docs/writing-a-lesson.md").read_text(encoding="utf-8")
(TEXTS,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
FORM, REVEAL, STUB, _, MODULE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of lessons with the page's alone."""
    (tmp_path / "98.toml").write_text(TEXTS, encoding="utf-8")
    monkeypatch.setattr(lesson, "FOLDER", tmp_path)
    lesson.lesson.cache_clear()


@pytest.fixture
def module() -> dict[str, Any]:
    """What the page's module defines."""
    space: dict[str, Any] = {"__name__": "lesson98"}
    exec(MODULE, space)
    return space


@pytest.mark.usefixtures("texts")
def test_its_cells_run_and_what_many_say_is_a_surprise(module: dict[str, Any]) -> None:
    async def cells() -> Any:
        async with Lab(seed=98) as lab:
            await lab.serve()
            space = {**module, "predict": predict, "lab": lab}
            await _cell(FORM, space)
            guess = space["guess"]
            guess.answer({case: one.usual for case, one in guess.asked.cases.items()})
            return await _cell(REVEAL, space)

    reveal = asyncio.run(cells())
    assert [(row.was, row.verdict, bool(row.why)) for row in reveal.rows] == [
        ("6", "surprise", True),
        ("2", "surprise", True),
    ]
    assert "the server only" in quiz("98").state()["cases"][0]["options"]


async def _cell(source: str, space: dict[str, Any]) -> Any:
    """Run a cell; its last value, where that is an expression."""
    tree = ast.parse(source)
    tree.body[-1] = ast.parse(f"_last = {ast.unparse(tree.body[-1])}").body[0]
    done = eval(compile(tree, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), space)
    if inspect.isawaitable(done):
        await done
    return space["_last"]


def test_its_stub_holds_the_reference_and_is_solved(module: dict[str, Any]) -> None:
    exec(STUB, module)
    for seed in range(5):
        assert asyncio.run(module["ping_frame"].check(module["ping"], seed_of=str(seed), kept=False)).solved


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda payload: bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload, "opcode is 9"),
        (lambda payload: bytes([0x89, len(payload)]) + payload, "MASK is not set"),
    ],
)
def test_a_foreseen_mistake_gets_its_sentence(module: dict[str, Any], wrong: Any, says: str) -> None:
    verdict = asyncio.run(module["ping_frame"].check(wrong, seed_of="a", kept=False))
    assert not verdict.solved
    assert says in verdict.mistake
