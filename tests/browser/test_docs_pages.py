"""The built docs, opened from a folder in Chromium: they ask nothing of a network, and search works there too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("docs")
    command = ["-m", "sphinx", "-W", "-q", "-c", "docs", "-d", str(folder / "trees"), ".", str(folder / "pages")]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    return folder / "pages"


@pytest.fixture(params=["light", "dark"])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A narrow page that has no network, and fails the test where it asked for one."""
    context = chromium.new_context(viewport={"width": 800, "height": 900}, color_scheme=request.param, offline=True)
    page, asked = context.new_page(), []
    page.on("request", lambda one: asked.append(one.url))
    yield page
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page's scripts complain of."""
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type in ("warning", "error") else None)
    page.on("pageerror", lambda one: said.append(str(one)))
    return said


def test_no_page_complains_or_is_wider_than_its_window(built: Path, page: Page, complaints: list[str]) -> None:
    page.goto((built / "index.html").as_uri())
    page.wait_for_url("**/docs/index.html")
    too_wide = []
    for path in sorted(built.glob("*/*.html")):
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > 800:
            too_wide.append(path.name)
    assert too_wide == []
    assert complaints == []


def test_search_works_from_a_folder(built: Path, page: Page, complaints: list[str]) -> None:
    page.goto(f"{(built / 'search.html').as_uri()}?q=poison")
    expect(page.locator("#search-results")).to_contain_text("04 · Masks")
    assert complaints == []


def test_an_outcome_is_folded_and_opens(built: Path, page: Page) -> None:
    page.goto((built / "notebooks/04-masks.html").as_uri())
    outcome = page.get_by_text("The listener read all three texts.")
    expect(outcome).to_be_hidden()
    outcome.locator("xpath=ancestor::details").locator("summary").click()
    expect(outcome).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_output_takes_the_theme_that_the_reader_chose(built: Path, page: Page, theme: str) -> None:
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto((built / "notebooks/04-masks.html").as_uri())
    ink, ground = page.locator(".wsv").first.evaluate(
        "(one) => [getComputedStyle(one).color, getComputedStyle(document.body).backgroundColor]"
        ".map((told) => Number(told.match(/\\d+/)[0]))"
    )
    assert (ink < 100 < ground) if theme == "light" else (ink > 150 > ground)


@pytest.mark.parametrize("name", ["docs/limits", "notebooks/03-the-two-bytes-that-rule"])
def test_axe_finds_nothing_serious(built: Path, page: Page, name: str) -> None:
    page.goto((built / f"{name}.html").as_uri())
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
