"""Builds the docs without a network, warnings as errors, and follows each reference in what was built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from test_house import NOTEBOOKS, ROOT

pytestmark = pytest.mark.slow

WITHOUT_NETWORK = """
import sys

def deny(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise PermissionError(f"the docs are built without a network: {event} {args}")

sys.addaudithook(deny)
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""
LOADED = {"script", "link", "img", "source", "iframe", "object", "embed", "video", "audio", "use", "image"}
"""The elements whose reference a browser loads by itself, unlike that of an ``a``."""
OUTSIDE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^)"']*""")


class Reference(NamedTuple):
    """What a page refers to."""

    page: Path
    tag: str
    target: str


class Page(HTMLParser):
    """The references, ids and style sheets of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.ids, self.styles = path, {""}, ""
        self.references: list[Reference] = []
        self._in_style = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to and what it is called."""
        self._in_style = tag == "style"
        for name, value in attributes:
            if name in ("href", "src", "data", "srcset", "xlink:href") and value:
                self.references.append(Reference(self.path, tag, value))
            elif name == "style" and value:
                self.styles += value
            elif name in ("id", "name") and value:
                self.ids.add(value)

    def handle_endtag(self, tag: str) -> None:
        """A style sheet ends."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Collect the style sheets."""
        self.styles += data if self._in_style else ""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("docs")
    arguments = ["-W", "--keep-going", "-q", "-c", str(ROOT / "docs"), "-d", str(folder / "trees"), str(ROOT)]
    command = [sys.executable, "-c", WITHOUT_NETWORK, *arguments, str(folder / "pages")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "pages"


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Page]:
    """The built pages by path."""
    return {path: Page(path) for path in sorted(built.rglob("*.html"))}


def is_outside(target: str) -> bool:
    """Whether a reference leads out of the folder of pages."""
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "mailto")


def test_there_is_a_page_for_each_text_and_notebook(built: Path) -> None:
    wanted = [*NOTEBOOKS, *ROOT.glob("docs/*.md")]
    assert [path.name for path in wanted if not (built / path.relative_to(ROOT)).with_suffix(".html").exists()] == []


def test_nothing_is_loaded_from_elsewhere(built: Path, pages: dict[Path, Page]) -> None:
    loaded = [one for page in pages.values() for one in page.references if one.tag in LOADED]
    assert [one for one in loaded if is_outside(one.target)] == []
    sheets = {path: page.styles for path, page in pages.items()}
    sheets |= {path: path.read_text(encoding="utf-8") for path in built.rglob("*.css")}
    assert {path.name: found for path, sheet in sheets.items() if (found := OUTSIDE.findall(sheet))} == {}
    assert len(loaded) > len(pages)


def broken(pages: dict[Path, Page]) -> Iterator[Reference]:
    """The references between pages that lead nowhere."""
    for page in pages.values():
        for one in page.references:
            parts = urlsplit(one.target)
            if is_outside(one.target) or parts.scheme:
                continue
            path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            if not path.exists() or (path in pages and unquote(parts.fragment) not in pages[path].ids):
                yield one


def test_each_link_between_pages_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert list(broken(pages)) == []
    assert sum(one.tag == "a" for page in pages.values() for one in page.references) > 500


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there">b</a><a href="b.html#no">b</a><img src="no.png">')
    (tmp_path / "b.html").write_text('<p id="there">')
    pages = {path.resolve(): Page(path.resolve()) for path in tmp_path.glob("*.html")}
    assert [one.target for one in broken(pages)] == ["b.html#no", "no.png"]
    assert is_outside("//cdn.example/x.js")
    assert OUTSIDE.search("@import 'https://fonts.example/x.css'")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_tells_an_outcome_is_folded(built: Path, path: Path) -> None:
    page = (built / f"notebooks/{path.stem}.html").read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code" and cell["outputs"]]
    telling = sum(bool(re.search(r"\.(reveal|after)\(", source)) for source in code)
    assert page.count('<p class="collapsed admonition-title">Predict first. Then open what happened.</p>') == telling
    stubs = sum("### BEGIN SOLUTION" in "".join(cell["source"]) for cell in cells)
    said = "Write it yourself first. Then open the solution."
    assert page.count(f'<p class="collapsed admonition-title">{said}</p>') == stubs
    assert "This page is for reading." in page
