"""Lesson 14 in a browser: two members join the chat from pages, one is cut off and comes back, and the live readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from conftest import LabPages
from driver import ROOT
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser

LESSON = next((ROOT / "notebooks").glob("14-*.ipynb"))
CUT = """
bob = await lab.connect("/garden?name=Bob")
ada = next(one for one, name in rooms["/garden"].members.items() if name == "Ada")
ada.loop.call_soon_threadsafe(ada.transport.abort)
for number in range(5):
    await bob.send(f"while she was away {number}")
"""


def cells(*names: str) -> list[str]:
    """The lesson's cells of these names."""
    sources = {cell["id"]: "".join(cell["source"]) for cell in json.loads(LESSON.read_text("utf-8"))["cells"]}
    return [sources[name] for name in names]


@pytest.fixture
def members(profile: BrowserContext) -> Iterator[list[Page]]:
    """Pages that are closed in the end."""
    opened: list[Page] = []
    yield opened
    for page in opened:
        page.close()


def join(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("status")).to_have_text("You are in the room.")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def test_two_members_join_from_pages_and_who_is_cut_off_comes_back_to_all_that_was_said(
    lab_page: LabPages, members: list[Page]
) -> None:
    notebook = lab_page(*cells("setup", "room", "chat", "page"), CUT)
    notebook.run(0, 1, 2, 3)
    link = notebook.panels.get_by_role("link", name="Open the page in a tab of its own")
    for _ in range(2):
        with notebook.page.context.expect_page() as opened:
            link.click()
        members.append(opened.value)
    ada, cem = members
    join(ada, "Ada")
    join(cem, "Cem")
    say(ada, "Hello <b>Cem</b>")
    say(cem, "Hello Ada")
    for page in members:
        said = page.get_by_role("log").get_by_role("listitem")
        expect(said.filter(has_text="Ada: Hello <b>Cem</b>")).to_have_count(1)
        expect(said.filter(has_text="Cem: Hello Ada")).to_have_count(1)
        expect(page.get_by_text("Here now: Ada, Cem")).to_be_visible()
    notebook.run(4)
    expect(ada.get_by_role("listitem").filter(has_text="Ada joins: Cem, Bob, Ada")).to_have_count(1)
    say(cem, "welcome back")
    for page in members:
        said = page.get_by_role("log").get_by_role("listitem")
        expect(said.filter(has_text="Cem: welcome back")).to_have_count(1)
        numbers = [int(number) for number in said.evaluate_all("lines => lines.map((line) => line.dataset.number)")]
        assert all(after == before + 1 for before, after in pairwise(numbers))
        expect(said.filter(has_text="while she was away")).to_have_count(5)
    ada.get_by_role("button", name="Leave").click()
    expect(ada.get_by_role("status")).to_have_text("The connection is closed (1005).")
    expect(cem.get_by_text("Here now: Cem, Bob")).to_be_visible()


def test_the_live_readers_show_who_waits(lab_page: LabPages) -> None:
    """Misconception 27, to be seen."""
    notebook = lab_page(
        *cells("setup", "ways"), cells("readers-live")[0].replace("guess.after(Readers(ways))", "Readers(ways)")
    )
    notebook.run(0, 1, 2)
    area = notebook.page.locator(".jp-Notebook-cell").nth(2)

    def number(words: str) -> int:
        row = area.locator(".widget-hbox").filter(has=notebook.page.get_by_text(words, exact=True))
        return int(row.locator(".widget-label").last.inner_text().replace(",", ""))

    fast, held = "read by the fast member", "kB that wait in the server"
    area.get_by_role("button", name="Start").click()
    while number(fast) < 10:
        notebook.page.wait_for_timeout(50)
    before = -1
    while (now := number(fast)) != before:  # until it stands still
        before = now
        notebook.page.wait_for_timeout(400)
    assert now < 250
    area.get_by_label("without waiting", exact=True).check()
    while number(held) < 200:
        notebook.page.wait_for_timeout(50)
    assert number(fast) > before
    area.get_by_role("slider").focus()
    area.get_by_role("slider").press("End")
    while number("read by the slow member") == 0:
        notebook.page.wait_for_timeout(50)
    area.get_by_role("button", name="Stop").click()
    expect(area.get_by_text("Stopped.")).to_be_visible()
