"""A page's ``send()`` after ``close()`` raises nothing and sends nothing: what lesson 12 says of pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from playwright.sync_api import Browser

from wslab import Lab, Sender

pytestmark = pytest.mark.browser

# What send() raises before the connection is open and after close(), and how many bytes wait in the end.
TRY = """async uri => {
  const socket = new WebSocket(uri);
  const tried = text => { try { socket.send(text); return "no error"; } catch (error) { return error.name; } };
  const early = tried("early");
  await new Promise(resolve => { socket.onopen = resolve; });
  socket.close();
  const late = tried("late");
  await new Promise(resolve => { socket.onclose = resolve; });
  return [early, late, socket.bufferedAmount];
}"""


async def serving() -> Lab:
    lab = Lab()
    await lab.serve(origins=None)
    return lab


def test_what_a_page_sends_after_close_is_counted_and_dropped(
    chromium: Browser, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    """Misconception 21."""
    lab = elsewhere(serving())
    page = chromium.new_page()
    early, late, waiting = page.evaluate(TRY, lab.server.uri)
    assert (early, late) == ("InvalidStateError", "no error")
    assert waiting >= len("late")
    said = [record.summary for record in lab.trace if record.sender is Sender.CLIENT]
    assert not any(summary.startswith("TEXT") for summary in said)
    assert any(summary.startswith("CLOSE") for summary in said)
    page.close()
    elsewhere(lab.close())
