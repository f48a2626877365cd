"""A class votes in Chromium, bars grow in JupyterLab, and the teacher reveals; the projector is driven by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import LabPages, Run
from jupyter_process import ALONE, JupyterServer, jupyter_process
from playwright.sync_api import Browser, BrowserContext, Page, expect

from wslab.course import predict, show_of_hands
from wslab.course.hands import own_address

pytestmark = pytest.mark.browser

ASK = """
from wslab.course import Choice, Number, Order, predict, show_of_hands, teacher
guess = predict(
    "You send Hello both ways. What crosses?",
    {
        "bytes from the client": Number(unit="bytes"),
        "who speaks first": Choice("the client", "the server"),
        "in which order": Order("frame", "GET", "101"),
    },
    because={"bytes from the client": {7: "A client masks its frame: the key takes four bytes more."}},
    meaning="A frame is two bytes and the letters.",
)
"""
VOTE = """
hands = await show_of_hands(guess)
hands
"""
REVEAL = """
outcome = {"bytes from the client": 1815, "who speaks first": "the client", "in which order": ["GET", "101", "frame"]}
guess.reveal(outcome)
"""
PRINT = "print(hands.address, hands.code)"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def student(chromium: Browser) -> Iterator[BrowserContext]:
    """A student's own browser, as large as a phone."""
    context = chromium.new_context(viewport=PHONE)
    yield context
    context.close()


def come(context: BrowserContext, address: str, code: str) -> Page:
    """Open the page and join, by keyboard alone."""
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_label("The join code")).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    return page


def test_a_class_votes_bars_grow_and_the_teacher_reveals(
    lab_page: LabPages, student: BrowserContext, tmp_path: Path
) -> None:
    notebook = lab_page(ASK, VOTE, REVEAL, PRINT)
    notebook.run(0, 1, 3)
    address, code = notebook.text(3).split()
    panel = notebook.panels.nth(0)
    expect(panel).to_contain_text(address)
    expect(panel).to_contain_text(f"{code[:3]}-{code[3:]}")
    expect(panel).to_contain_text("Only browsers on this machine can vote.")

    page = come(student, address, "AAAAAA")
    expect(page.get_by_role("status")).to_have_text("You are not in: this is not the join code.")
    expect(page.get_by_label("The join code")).to_be_focused()
    page.keyboard.type(code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You send Hello both ways.")).to_be_focused()
    expect(panel).to_contain_text("0 votes, 1 connected")

    focused = page.locator(":focus")
    page.keyboard.press("Tab")
    page.keyboard.type("7 <b>bytes</b>")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("the server")).to_be_checked()
    while 'Move "frame" down' not in (focused.get_attribute("aria-label") or ""):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("frame is now at place 3.")
    page.screenshot(path=tmp_path / "phone.png")
    assert Axe().run(page).violations_count == 0
    while focused.inner_text() != "Vote":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your vote is in. You may change it until your teacher reveals.")
    expect(panel).to_contain_text("1 vote, 1 connected")
    server = panel.get_by_role("row", name="the server")
    expect(server).to_contain_text("1")
    wide = server.locator(".wslab-bar").bounding_box()
    assert wide is not None
    assert wide["width"] > 20

    # A page that is opened again is the same voter.
    page.close()
    page = come(student, address, code)
    expect(page.get_by_label("bytes from the client")).to_have_value("7 <b>bytes</b>")
    page.get_by_label("the client", exact=True).check()
    page.get_by_role("button", name="Vote").click()
    expect(panel.get_by_role("row", name="the client")).to_contain_text("1")
    expect(server).to_contain_text("0")

    notebook.run(2)
    assert "1815" not in panel.inner_html() + page.content()
    panel.get_by_role("button", name="Reveal").click()
    expect(panel.locator(".wslab-status")).to_have_text("2 of 3 as predicted")
    expect(panel.get_by_role("row", name="✓ the client")).to_be_visible()
    expect(panel.get_by_role("columnheader", name="the class said")).to_be_visible()
    expect(panel).to_contain_text("A client masks its frame")
    expect(page.get_by_role("status")).to_have_text("This is what happened.")
    expect(page.get_by_text("You said: 7 <b>bytes</b>. It was: 1815.")).to_be_visible()
    expect(page.get_by_role("button", name="Vote")).to_have_count(0)
    assert Axe().run(page).violations_count == 0
    page.screenshot(path=tmp_path / "phone-after.png", full_page=True)
    for theme, width in (("light", 1280), ("dark", 800)):
        notebook.theme(theme)
        expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
        assert Axe().run(notebook.page, context=".wslab-projector").violations_count == 0
        notebook.picture(tmp_path / f"{theme}-{width}.png", theme=theme, width=width)

    panel.get_by_role("button", name="End the vote").click()
    expect(panel).to_contain_text("The vote has ended with 1 vote.")


def test_a_network_is_warned_of_in_the_cell_before_anybody_votes(lab_page: LabPages, tmp_path: Path) -> None:
    try:
        here = own_address()
    except OSError as error:
        pytest.skip(str(error))
    notebook = lab_page(ASK, "hands = await show_of_hands(guess, network=True)\nhands", "await hands.close()")
    notebook.run(0, 1)
    panel = notebook.panels.nth(0)
    expect(panel.get_by_role("alert")).to_contain_text("WARNING: everybody in your network")
    expect(panel).to_contain_text(f"http://{here}:")
    notebook.picture(tmp_path / "network.png", theme="light", width=1280)
    notebook.run(1)  # again: another vote in the place of this one
    expect(notebook.panels).to_have_count(1)
    notebook.run(2)
    expect(panel).to_contain_text("The vote has ended with 0 votes.")
    expect(panel.get_by_role("button", name="End the vote")).to_have_count(0)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server as a hub starts them, and this process as a kernel of it."""
    home: Path = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
        patch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")
        with jupyter_process("jupyter_server", home, ALONE, "--ServerApp.base_url=/user/ann/") as running:
            yield running


def test_on_a_hub_a_class_votes_through_the_jupyter_server_without_a_login(
    student: BrowserContext, hub: JupyterServer, elsewhere: Run
) -> None:
    guess = predict("Who speaks first?", {"it is": ["the client", "the server"]})
    vote = elsewhere(show_of_hands(guess, network=True))
    try:
        vote.seen_from(hub.url.removesuffix("/user/ann/"), hub.url, loopback=True)
        assert vote.address.startswith(f"{hub.url}wslab/")
        page = come(student, vote.address, vote.code)
        page.get_by_label("the server").check()
        page.get_by_role("button", name="Vote").click()
        expect(page.get_by_role("status")).to_contain_text("Your vote is in.")
        assert [tuple(bar) for bar in vote.bars["it is"]] == [("the server", 1, None), ("the client", 0, None)]
        page.reload()
        page.keyboard.type(vote.code)
        page.keyboard.press("Enter")
        expect(page.get_by_label("the server")).to_be_checked()
        assert vote.voters == 1
        # What else the Jupyter server has stays closed to who has no login.
        assert page.request.get(f"{hub.url}api/kernels").status == 403
        assert page.request.get(f"{hub.url}wslab/").status == 403
    finally:
        elsewhere(vote.close())
    page.get_by_label("the client").check()
    expect(page.get_by_role("status")).to_have_text("The vote has ended.")
    assert page.request.get(vote.address).status == 403  # a door that is gone is nobody's


SECOND = """
other = predict("What is the first byte of the frame?", {"it is": ["81", "01", "80"]}, meaning="FIN and opcode 1.")
"""


def test_predictions_are_shown_one_a_screen_and_turned_by_keys(lab_page: LabPages, tmp_path: Path) -> None:
    notebook = lab_page(ASK, "teacher()", SECOND, REVEAL, "other.reveal('81')")
    notebook.run(0, 1, 2, 3, 4)
    panel = notebook.panels.nth(0)
    press = notebook.page.keyboard.press
    expect(panel).to_contain_text("1 of 2")
    expect(panel.get_by_role("group", name="You send Hello both ways.")).to_be_visible()
    assert "1815" not in panel.inner_html()
    notebook.picture(tmp_path / "before.png", theme="light", width=1280)
    panel.get_by_role("button", name="Next").focus()
    press("PageDown")
    expect(panel).to_contain_text("2 of 2")
    expect(panel).to_contain_text("What is the first byte of the frame?")
    assert "opcode 1" not in panel.inner_html()
    panel.get_by_label("01").check()
    panel.get_by_role("button", name="Lock in my prediction").click()
    expect(panel.get_by_role("row", name="it is")).to_contain_text("surprise")
    expect(panel.get_by_role("status")).to_be_focused()
    press("PageUp")
    expect(panel).to_contain_text("1 of 2")
    panel.get_by_label("bytes from the client").fill("r")  # a letter that is typed is no key
    press("r")
    assert "1815" not in panel.inner_html()
    panel.get_by_role("button", name="Fill the screen").focus()
    press("f")
    notebook.page.wait_for_function("document.fullscreenElement !== null")
    press("r")
    expect(panel.get_by_role("row", name="bytes from the client")).to_contain_text("1815")
    left, right = (panel.locator(f".wslab-{side}").bounding_box() for side in ("left", "right"))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    notebook.page.screenshot(path=tmp_path / "full.png")
    press("f")
    notebook.page.wait_for_function("document.fullscreenElement === null")
    # The notebook got none of these keys.
    assert len(notebook.outputs()) == 5
