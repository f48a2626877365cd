"""A page in Chromium cannot ping, and its developer tools show no ping: what lesson 07 says of pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from playwright.sync_api import Browser

from wslab import Lab, Sender
from wslab.anatomy.record import Kind, Record

pytestmark = pytest.mark.browser

OPEN = """async uri => {
  window.socket = new WebSocket(uri);
  await new Promise(resolve => { socket.onopen = resolve; });
  return typeof socket.ping;
}"""
TRY = """async () => {
  for (const tried of ["ping", new Uint8Array([0x89, 0x00]), ""]) {
    socket.send(tried);
    await new Promise(resolve => { socket.onmessage = resolve; });
  }
}"""


async def serving() -> Lab:
    lab = Lab()
    await lab.serve(origins=None, ping_interval=0.05)
    return lab


def frames(lab: Lab, sender: Sender) -> list[Record]:
    return [one for one in lab.trace if one.kind is Kind.FRAME and one.sender is sender]


def test_a_page_sends_no_ping_and_its_developer_tools_show_none(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    """Misconceptions 3 and 4."""
    lab = elsewhere(serving())
    page = chromium.new_page()
    tools = page.context.new_cdp_session(page)
    tools.send("Network.enable")
    shown: list[int] = []
    for name in ("webSocketFrameSent", "webSocketFrameReceived"):
        tools.on(f"Network.{name}", lambda event: shown.append(event["response"]["opcode"]))
    assert page.evaluate(OPEN, lab.server.uri) == "undefined"
    while len([one for one in frames(lab, Sender.CLIENT) if one.summary.startswith("PONG")]) < 3:
        page.wait_for_timeout(20)
    page.evaluate(TRY)
    data = [one for one in frames(lab, Sender.CLIENT) if one.first & 15 < 8]
    assert [one.summary.split()[0] for one in data] == ["TEXT", "BINARY", "TEXT"]
    assert [one.summary.split()[0] for one in frames(lab, Sender.SERVER)].count("PING") >= 3
    while len(shown) < 6:
        page.wait_for_timeout(20)
    assert shown == [1, 1, 2, 2, 1, 1]
    page.close()
    elsewhere(lab.close())
