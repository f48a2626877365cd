"""What is moved and chosen in lessons 10, 12 and 13, in JupyterLab; and lesson 13's requests against Chromium's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import LabPages
from playwright.sync_api import Browser, expect

from wslab.course.experiments.page_requests import SOCKET_LINES, page_request

pytestmark = pytest.mark.browser

VAULT = """
from wslab.course.experiments.vaults import Vault, burgle
Vault(await burgle("3526"))
"""
CURVES = """
from wslab.course.experiments.bills import Curves, measure
Curves(await measure())
"""
RELAYS = """
from wslab.course.experiments.middle import damaged, pick_damage
pick_damage(await damaged())
"""
TALK = """async port => {
  await (await fetch("/updates?after=007")).text();
  await (await fetch("/say", {method: "POST", body: "0123456789"})).text();
  const events = new EventSource("/events");
  await new Promise(resolve => { events.onerror = resolve; });
  events.close();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await new Promise(resolve => { socket.onclose = resolve; });
}"""


def test_the_vault_opens_in_four_presses_and_its_door_agrees(lab_page: LabPages) -> None:
    notebook = lab_page(VAULT)
    notebook.run(0)
    output = notebook.page.locator(".jp-OutputArea-output")
    expect(output.get_by_text("The vault is shut.")).to_be_visible()
    assert "PIN is" not in output.inner_text()  # of the attack that the text tells of
    press = notebook.page.get_by_role("button", name="Try ten digits")
    left, shown = press.bounding_box(), output.first.bounding_box()
    assert left is not None
    assert shown is not None
    assert left["x"] - shown["x"] < 40  # a form stands at its output's left
    for number in (1, 2, 3):
        press.click()
        expect(output.get_by_text(f"{number} of 4 digits")).to_be_visible()
        expect(output.locator("svg text", has_text="→ PIN is ")).to_have_count(number)
    press.click()
    expect(output.get_by_text("The door closes with 4000.")).to_be_visible()
    expect(press).to_be_disabled()
    notebook.page.get_by_role("button", name="Another PIN").click()
    expect(output.get_by_text("The vault is shut.")).to_be_visible()
    expect(press).to_be_enabled()


def test_the_sliders_and_the_switch_move_the_curves(lab_page: LabPages) -> None:
    notebook = lab_page(CURVES)
    notebook.run(0)
    output = notebook.page.locator(".jp-OutputArea-output")
    expect(
        output.locator("p", has_text="10 updates a minute; the client only listens; a poll every 1 s")
    ).to_be_visible()
    drawn = output.locator("svg")
    expect(drawn).to_be_visible()
    assert drawn.locator("text", has_text="server-sent events").count() == 1
    before = drawn.inner_html()
    notebook.page.get_by_label("the client talks back").check()
    expect(output.locator("p", has_text="10 updates a minute; the client talks back as often")).to_be_visible()
    assert drawn.inner_html() != before
    slider = output.locator(".noUi-handle").first
    slider.focus()
    notebook.page.keyboard.press("ArrowRight")
    expect(output.locator("p", has_text="30 updates a minute; the client talks back as often")).to_be_visible()


def test_a_relay_is_chosen_by_keys_that_reach_no_other_cell(lab_page: LabPages) -> None:
    notebook = lab_page(RELAYS, "'the next cell'")
    notebook.run(0)
    output = notebook.page.locator(".jp-OutputArea-output").first
    names = output.get_by_label("The relay")
    names.focus()
    notebook.page.keyboard.press("ArrowDown")
    expect(output.locator("svg text", has_text="The client's program gets: 1002")).to_be_visible()
    for key in ("a", "b", "m", "x"):
        notebook.page.keyboard.press(key)
    expect(names).to_be_focused()
    assert notebook.page.locator(".jp-Notebook-cell").count() == len(notebook.outputs()) == 2
    names.select_option("the server's stream ends (FIN) after the handshake")
    assert (
        names.evaluate("""(select) => {
      const ruler = document.createElement("canvas").getContext("2d");
      ruler.font = getComputedStyle(select).font;
      return select.clientWidth - ruler.measureText(select.selectedOptions[0].text).width;
    }""")
        > 20
    ), "room for the longest name and the arrow"


@contextmanager
def heads() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers each request with two bytes; its port, and what it was asked."""
    asked: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        waiting = b""
        with connection:
            while data := connection.recv(65536):
                waiting += data
                while b"\r\n\r\n" in waiting:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    body = 10 if head.startswith(b"POST") else 0
                    while len(waiting) < body:
                        waiting += connection.recv(65536)
                    waiting = waiting[body:]
                    asked.append(head + b"\r\n\r\n")
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok")

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], asked
    finally:
        listening.close()


def names(head: bytes) -> list[str]:
    """The names of a head's lines, in order."""
    return [line.partition(":")[0].lower() for line in head.decode().strip().split("\r\n")[1:]]


def test_the_requests_have_the_lines_that_chromium_sends(chromium: Browser) -> None:
    context = chromium.new_context()  # of its own: nothing that another test has set or kept
    with heads() as (port, asked):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.evaluate(TALK, port)
        context.close()
    told = {head.split(b" ")[1].decode() + (" socket" if b"Sec-WebSocket" in head else ""): head for head in asked}
    for target, body in (("/updates?after=007", None), ("/say", "0123456789"), ("/events", None)):
        own = page_request(port, target, body)[: -len(body) if body else None]
        assert names(own) == names(told[target])
        assert len(own) == pytest.approx(len(told[target]), rel=0.05)  # its version and its platform may differ
    handshake = names(told["/ socket"])
    assert {name.lower() for name, _ in SOCKET_LINES} == {
        name
        for name in handshake
        if not name.startswith("sec-websocket") and name not in ("host", "connection", "upgrade", "origin")
    }
