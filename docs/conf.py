"""How Sphinx builds these pages: ``python3 run.py docs``, or ``sphinx-build -W -c docs . build/docs``.

It needs no network. The source folder is the repository, so that a link between a page and a notebook is the same here
and on GitHub. The notebooks are shown as they were committed, with their outputs, and are not run.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wslab.course.copies import CALLED, SOLUTION, source_folder, sources
from wslab.course.grading import tasks
from wslab.course.lesson import ended_by, misconceptions

project = "wslab"
author = "the authors of wslab"
language = "en"
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "benchmarks/README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "dist", "tests", "wslab", "wslab-notebooks", "**/.ipynb_checkpoints"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
nitpick_ignore_regex = [("py:.*", ".*")]  # the reference names types of the standard library, whose pages are elsewhere

# Each link is checked, also to a heading. With -W, which run.py and the tests give, a warning is an error.
nitpicky = True
myst_heading_anchors = 3
nb_execution_mode = "off"
# The scripts that draw widgets would be fetched from the internet. A panel's text stands in the notebook as well.
nb_ipywidgets_js: dict[str, Any] = {}
highlight_language = "text"  # of blocks that name none
html_theme = "furo"
html_title = "wslab"
html_static_path = ["looks/docs.css"]
html_extra_path = ["looks/index.html"]  # leads from the folder's top to docs/index.html
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_use_index = False
html_show_search_summary = False  # it would fetch each page that was found, which a browser refuses for files
linkcheck_timeout = 20
linkcheck_retries = 2

OPEN = """```{note}
This page is for reading. Outcomes and solutions are folded: predict first, then open them. To run the lesson, to
touch its panels and to have your answers judged, open your own copy with `wslab lab`.
```"""
FOLDS = (  # what a cell's source holds, what of the cell is folded, and what the fold says
    (SOLUTION, "hide-input", "Write it yourself first. Then open the solution."),
    (re.compile(r"\.(?:reveal|after)\("), "hide-output", "Predict first. Then open what happened."),
    (re.compile(r"^board\(", re.MULTILINE), "hide-output", "Open the capture, and below it what the judge finds."),
    (re.compile(r"^quiz\(", re.MULTILINE), "hide-output", "Answer first. Then open the answers."),
)


def link(app: Sphinx, name: str, source: list[str]) -> None:
    """Make a link of each ``lesson 13`` in these pages, from when that lesson is there."""

    def linked(found: re.Match[str]) -> str:
        there = sorted(source_folder().glob(f"{found[1]}-*.ipynb"))
        return f"[{found[0]}](../notebooks/{there[0].name})" if there else found[0]

    if name.startswith("docs/"):
        source[0] = re.sub(r"(?<!\[)\b[Ll]esson (\d\d)\b", linked, source[0])


def fold(app: Sphinx, name: str, source: list[str]) -> None:
    """Fold what tells an outcome in a lesson, and say at its beginning what the page is for."""
    if not name.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        for pattern, tag, says in FOLDS if cell["cell_type"] == "code" else ():
            if pattern.search(text):
                cell["metadata"].setdefault("tags", []).append(tag)
                prompts = {"code_prompt_show": says, "code_prompt_hide": says}
                cell["metadata"].setdefault("mystnb", {}).update(prompts)
    note = {"cell_type": "markdown", "id": "what-this-page-is-for", "metadata": {}, "source": OPEN}
    notebook["cells"].insert(1, note)
    source[0] = json.dumps(notebook)


def ease(app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Mend what the theme leaves out: the rank of the headings in its menu, and that the keyboard reaches wide code."""
    if menu := context.get("furo_navigation_tree"):
        context["furo_navigation_tree"] = menu.replace('role="heading"', 'role="heading" aria-level="2"')
    if body := context.get("body"):
        context["body"] = body.replace("<pre>", '<pre tabindex="0">')


class MadeTable(SphinxDirective):
    """A table that is made from the course when the pages are built."""

    headings: tuple[str, ...]

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Its rows, each cell as Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The table."""
        lines = [self.headings, ["---"] * len(self.headings), *self.rows()]
        return self.parse_text_to_nodes("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


class Misconceptions(MadeTable):
    """What learners get wrong, and the predictions that end it."""

    headings = ("", "Many say", "What you do and see", "Prediction")

    def rows(self) -> Iterator[tuple[object, ...]]:
        """A row a misconception."""
        for number, one in misconceptions().items():
            yield number, one.claim, one.end, ", ".join(map(self._link, ended_by(number))) or "not written yet"

    def _link(self, prediction: str) -> str:
        lesson = prediction.partition(".")[0]
        (notebook,) = source_folder().glob(f"{lesson}-*.ipynb")
        return f"[`{prediction}`](../notebooks/{notebook.name})"


class Lessons(MadeTable):
    """The lessons, with what a teacher plans by."""

    headings = ("Lesson", "Minutes", "Predictions", "Exercises, and their points")

    def rows(self) -> Iterator[tuple[object, ...]]:
        """A row a notebook."""
        points = {task.name: task.exercise.points for task in tasks()}
        for name, notebook in sources().items():
            cells = ["".join(cell["source"]) for cell in notebook["cells"]]
            title = cells[0].partition("\n")[0].lstrip("# ")
            minutes = re.search(r"(\d+) minutes", cells[0])
            asked = sum(len(re.findall(r"\bpredict\(", text)) for text in cells)
            judged = [exercise for text in cells for exercise, _ in CALLED.findall(text)]
            told = ", ".join(f"`{exercise}` ({points[f'{name[:2]}.{exercise}']})" for exercise in judged)
            yield f"[{title}](../notebooks/{name})", minutes[1] if minutes else "", asked, told


def setup(app: Sphinx) -> dict[str, bool]:
    """Add to Sphinx what is this documentation's own."""
    app.connect("source-read", link)
    app.connect("source-read", fold)
    app.connect("html-page-context", ease, priority=900)  # after the theme
    app.add_directive("misconceptions", Misconceptions)
    app.add_directive("lessons", Lessons)
    return {"parallel_read_safe": True}
