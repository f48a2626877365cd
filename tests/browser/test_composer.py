"""The composer in the real JupyterLab: what a person clicks and types is what crosses."""

from __future__ import annotations

import time

import pytest
from conftest import LabPages
from driver import NotebookPage
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

BEGIN = """
import threading, wslab
from wslab.panels.composer.composer import Composer

class Watched(Composer):
    threads = []
    def _heard(self, *given):
        self.threads.append(threading.current_thread().name)
        super()._heard(*given)

lab = wslab.Lab(seed=1)
await lab.serve()
ws = await lab.connect()
composer = Watched(lab)
composer
"""


def begin(lab_page: LabPages, *more: str) -> tuple[NotebookPage, Locator, Locator]:
    """A notebook with a composer and the lab's own panel below it."""
    notebook = lab_page(BEGIN, "lab", *more)
    notebook.run(0, 1)
    composer, recording = notebook.panels.nth(0), notebook.panels.nth(1)
    expect(composer.get_by_role("button", name="Send these 11 bytes")).to_be_enabled()
    return notebook, composer, recording


def captions(recording: Locator) -> Locator:
    return recording.get_by_role("row").filter(has=recording.page.get_by_role("gridcell"))


def frames(composer: Locator) -> Locator:
    return composer.get_by_role("listbox", name="Frames").get_by_role("option")


def test_an_illegal_frame_is_shown_before_it_goes_and_the_peer_closes_with_1002(lab_page: LabPages) -> None:
    notebook, composer, recording = begin(lab_page, "print([name.split('-')[0] for name in composer.threads])")
    composer.get_by_role("button", name="Send these 11 bytes").click()
    expect(captions(recording).filter(has_text='TEXT "Hello"')).to_have_count(2)
    expect(composer.get_by_role("group", name="The bytes")).to_contain_text('server TEXT "Hello"')
    composer.get_by_text("What was sent").click()
    expect(composer.get_by_role("list", name="What was sent")).to_contain_text("TEXT, 11 bytes")
    expect(recording).to_contain_text("No. 2")  # what was sent is selected in every panel

    time.sleep(5)  # JupyterLab's subshell takes over in the pause
    composer.get_by_role("combobox", name="Opcode").select_option("3")
    violations = composer.get_by_role("list", name="Broken rules")
    expect(violations).to_contain_text("opcode-reserved")
    composer.get_by_role("radio", name="not", exact=True).check()
    expect(violations).to_contain_text("client-frame-not-masked")
    expect(composer.get_by_text("will be sent all the same")).to_be_visible()
    expect(frames(composer).filter(has_text="reserved opcode 3")).to_contain_text("83 05 48 65 6c 6c 6f")
    composer.get_by_role("button", name="Send these 7 bytes").click()
    expect(captions(recording).filter(has_text="CLOSE 1002").first).to_be_visible()
    answer = composer.get_by_role("group", name="The bytes")
    expect(answer).to_contain_text('CLOSE 1002 "invalid opcode"')
    expect(answer).to_contain_text("protocol error RFC 6455 7.4.1")
    expect(answer.get_by_text("its connection is over")).to_be_visible()
    expect(answer.get_by_role("button", name="Open a client and send by it")).to_be_enabled()
    expect(composer.get_by_role("button", name="Send these 7 bytes")).to_be_disabled()

    composer.get_by_role("button", name="Open a raw end").click()
    expect(composer.get_by_role("radio", name="raw client")).to_be_checked()
    expect(composer.get_by_role("button", name="Send these 7 bytes")).to_be_enabled()
    expect(composer.get_by_role("alert").first).to_be_hidden()
    notebook.run(2)
    assert "'subshell" in notebook.text(2), "the trap is not there any more, and its test can go"


def test_with_the_keyboard_alone_a_ping_goes_between_two_fragments_and_a_close_follows(lab_page: LabPages) -> None:
    notebook, composer, recording = begin(lab_page)
    keyboard = notebook.page.keyboard
    focused = notebook.page.locator("*:focus")

    def tab_to(name: str) -> None:
        """Press Tab until the control of that name has the focus."""
        for _ in range(40):
            keyboard.press("Tab")
            if name in str(
                focused.evaluate("(node) => node.ariaLabel ?? node.labels?.[0]?.textContent ?? node.textContent")
            ):
                return
        raise AssertionError(f"Tab does not come to {name}")

    composer.get_by_role("radio", name="client").focus()
    tab_to("Payload")
    keyboard.press("Control+A")
    keyboard.type("two parts")
    tab_to("Fragments")
    keyboard.press("ArrowUp")
    expect(frames(composer)).to_have_count(2)
    tab_to("Send frame 1 alone")
    keyboard.press("Enter")
    expect(captions(recording).filter(has_text='TEXT "two p", not final')).to_have_count(1)
    composer.get_by_role("radio", name="client").focus()
    tab_to("Ping")
    keyboard.press("Enter")
    expect(captions(recording).filter(has_text="PONG")).to_have_count(1)
    composer.get_by_role("radio", name="client").focus()
    tab_to("Send these")
    keyboard.press("Enter")
    expect(captions(recording).filter(has_text='CONTINUATION "arts"')).to_have_count(1)
    expect(captions(recording).filter(has_text='TEXT "two parts"')).to_have_count(1)

    composer.get_by_role("radio", name="client").focus()
    tab_to("Close 1000")
    keyboard.press("Enter")
    tab_to("Status code")
    keyboard.press("Control+A")
    keyboard.type("1006")
    tab_to("Reason")
    keyboard.type("fin")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(composer.get_by_role("group", name="Through the library")).to_contain_text("CLOSE 1006: invalid status code")
    composer.get_by_role("radio", name="client").focus()
    tab_to("Status code")
    keyboard.press("Control+A")
    keyboard.type("4000")
    for _ in range(3):
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(captions(recording).filter(has_text='CLOSE 4000 "fin"').first).to_be_visible()
    expect(composer.get_by_role("alert").first).to_be_hidden()
    assert notebook.errors() == []


def test_views_stay_in_step_with_each_other_and_with_python_and_tell_a_closed_lab(lab_page: LabPages) -> None:
    notebook, composer, _ = begin(
        lab_page, "composer", "composer.payload = 'from Python'; composer.mask = 'none'", "await lab.close()"
    )
    notebook.run(2)
    second = notebook.panels.nth(2)
    expect(second.get_by_role("textbox", name="Payload, 5 bytes")).to_have_value("Hello")
    composer.get_by_role("radio", name="hex").check()
    expect(second.get_by_role("textbox", name="Payload, 5 bytes")).to_have_value("48 65 6c 6c 6f")
    composer.get_by_role("textbox", name="Payload").fill("4x")
    for view in (composer, second):
        expect(view.get_by_text("'x' is no hex digit")).to_be_visible()
        expect(view.get_by_role("textbox", name="Payload")).to_have_value("4x")
    second.get_by_role("radio", name="text", exact=True).check()
    notebook.run(3)
    for view in (composer, second):
        expect(view.get_by_role("textbox", name="Payload, 11 bytes")).to_have_value("from Python")
        expect(view.get_by_role("radio", name="not", exact=True)).to_be_checked()
    notebook.run(4)
    for view in (composer, second):
        expect(view.get_by_text("this lab is closed")).to_be_visible()
        expect(view.get_by_role("button", name="Ping")).to_be_disabled()
        expect(frames(view)).to_contain_text("66 72 6f 6d")
