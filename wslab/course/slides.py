"""A slide of each lesson's hero: the panel or picture that a lesson shows first, with its title and question, as SVG.

The lesson's cells run in a kernel until the first one that shows more than a question; that one is drawn as it stands
there. Nothing is kept from one lesson to the next.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from ..drawing import style
from ..drawing.pen import SANS, in_lines, rect, text
from ..drawing.picture import GAP, Picture
from ..drawing.picture import MARGIN as EDGE
from ..live.showing import Alive
from .copies import Notebook, sources
from .exercises import Exercise, ExerciseVerdict
from .prediction import Form, Later, Reveal

WIDTH, HEIGHT, MARGIN = 1600, 900, 60
TITLE, QUESTION = 48, 28  # sizes of letters
QUIET: tuple[type, ...] = (Form, Reveal, Later, Exercise, ExerciseVerdict)  # what is no hero
DEADLINE = 60  # seconds for a cell
# A lesson's question is bold, or stands behind a bold label.
QUESTION_OF = re.compile(r"\*\*(?:[^*?]*\*\*)?([^*?]+\?)(?:\*\*|\s|$)")
FIGURE = re.compile(rf'\n<g transform="translate\({EDGE} ([\d.]+)\)">')  # each begins so in a picture
ROOT = re.compile(r"<svg\b[^>]*>")
SIZE = re.compile(r'\s(width|height)="([\d.]+)[a-z]*"')
SVG = "image/svg+xml"
SHRUNK = 1.2  # how many times smaller than the slide's width a tall picture may become before its end is left out


def slides(folder: Path, told: Callable[[str], object] = print) -> list[Path]:
    """Write a slide of each lesson's hero.

    Args:
        folder: where to; it is made, and files of the same names are replaced.
        told: called with a sentence for each lesson that gave none.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, notebook in sources().items():
        if name[2] == "b":
            continue
        try:
            picture = hero(notebook)
        except (RuntimeError, TimeoutError) as error:
            told(f"{name}: {error}")
            continue
        path = folder / f"{Path(name).stem}.svg"
        path.write_text(slide(notebook, picture), encoding="utf-8")
        written.append(path)
    return written


def hero(notebook: Notebook) -> str:
    """The hero of a lesson as a standalone SVG picture.

    Raises:
        RuntimeError: a cell failed before it, or no cell shows one.
    """
    from jupyter_client.manager import start_new_kernel

    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "hero.svg"
        manager, client = start_new_kernel(
            kernel_name="python3", cwd=folder, env={**os.environ, "WSLAB_EDITION": "author"}, stderr=subprocess.DEVNULL
        )
        try:
            for cell in notebook["cells"]:
                if cell["cell_type"] != "code":
                    continue
                ask = f"__import__({__name__!r}, fromlist=['draw']).draw({str(drawn)!r})"
                reply = _run(client, "".join(cell["source"]), {"drawn": ask})
                if reply["status"] != "ok":
                    raise RuntimeError(f"a cell failed before its hero: {reply.get('evalue')}")
                asked = reply["user_expressions"]["drawn"]
                if asked["status"] != "ok":
                    raise RuntimeError(f"its hero could not be drawn: {asked.get('evalue')}")
                if drawn.exists():
                    return drawn.read_text(encoding="utf-8")
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    raise RuntimeError("no cell shows a panel or a picture")


def _run(client: Any, code: str, ask: dict[str, str]) -> dict[str, Any]:
    reply: dict[str, Any] = client.execute_interactive(
        code, user_expressions=ask, timeout=DEADLINE, output_hook=lambda message: None, allow_stdin=False
    )
    return dict(reply["content"])


def draw(path: str) -> bool:
    """Write what the last cell of this kernel showed to ``path``, if it is a hero; whether it is."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    value = shell.user_ns["Out"].get(shell.execution_count - 1)
    svg = None if value is None or isinstance(value, QUIET) else _svg(shell, value)
    if svg is not None:
        Path(path).write_text(svg, encoding="utf-8")
    return svg is not None


def _svg(shell: Any, value: Any) -> str | None:
    """A value as SVG: a panel's picture, a plot, or what it shows itself with; None where it shows none."""
    shown = value.panel if isinstance(value, Alive) else value
    if callable(picture := getattr(shown, "picture", None)) and isinstance(made := picture(), Picture):
        return made.svg
    if callable(save := getattr(value, "savefig", None)):  # a figure of matplotlib
        save(buffer := io.BytesIO(), format="svg")
        return buffer.getvalue().decode()
    if callable(drawn := getattr(value, "svg", None)) and isinstance(made := drawn(), str):
        return made
    shows: str | None = shell.display_formatter.format(value, include={SVG})[0].get(SVG)
    return shows


def slide(notebook: Notebook, picture: str) -> str:
    """A slide of 16 to 9: the lesson's title and question, and under them the picture, as large as there is room.

    Args:
        notebook: the lesson.
        picture: a standalone SVG picture.
    """
    first = "".join(notebook["cells"][0]["source"])
    title = first.split("\n", 1)[0].lstrip("# ")
    question = " ".join(found[1].replace("`", "").split()) if (found := QUESTION_OF.search(first)) else ""
    parts, y = [rect(0, 0, WIDTH, HEIGHT, f'fill="{style.PAPER}"')], float(MARGIN)
    for said, size, weight in ((title, TITLE, 700), (question, QUESTION, 400)):
        for line in in_lines(said, WIDTH - 2 * MARGIN, size, bold=weight > 400) if said else []:
            y += size * 1.1
            parts.append(text(MARGIN, y, line, size=size, weight=weight))
        y += size * 0.4
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - MARGIN - y
    placed = f'x="{MARGIN}" y="{y:g}" width="{wide}" height="{high:g}" preserveAspectRatio="xMidYMin meet"'
    inner = _placed(_begun(picture, SHRUNK * high / wide), placed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{SANS}">\n<title>{escape(title)}</title>\n'
        + "\n".join([*parts, inner])
        + "</svg>\n"
    )


def _placed(svg: str, attributes: str) -> str:
    """An SVG document as a part of another, with these attributes instead of its own width and height."""
    root = ROOT.search(svg)
    assert root is not None, "a picture is SVG"
    tag, size = root[0], dict(SIZE.findall(root[0]))
    if "viewBox=" not in tag and len(size) == 2:
        attributes += f' viewBox="0 0 {size["width"]} {size["height"]}"'
    return f"{SIZE.sub('', tag)[:-1]} {attributes}>{svg[root.end() :]}"


def _begun(picture: str, most: float) -> str:
    """A picture without its last figures, where it is more than ``most`` times as high as it is wide."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture)
    figures = list(FIGURE.finditer(picture))
    if found is None or not figures:
        return picture
    width, height = float(found[1]), float(found[2])
    for figure in reversed(figures[1:]):
        shorter = float(figure[1]) - GAP + EDGE
        if height <= width * most or shorter < width * most / 2:  # it fits, or too little of it would be left
            break
        height = shorter
        picture = picture[: figure.start()] + "\n</svg>\n"
    return picture.replace(found[0], f'viewBox="0 0 {width:g} {height:g}"', 1)
