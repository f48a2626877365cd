"""Holds the recording of ``wslab echo`` to what crossed, byte for byte: Node's own copy, and dumpcap's."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from capture import capturing, read_capture
from peers import node_client, site
from terminal import wslab_echo

from wslab import Trace
from wslab.anatomy.field import Sender

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(120)]

ACTIONS: list[list[Any]] = [
    ["text", "Hello server!"],
    ["binary", random.Random(2).randbytes(300_000).hex()],
    ["ping", "are you there"],
    ["text", "frag", {"fin": False}],
    ["text", "ment"],
    ["messages", 3],
    ["close", 1000, "bye"],
]


def streams(trace: Trace, connection: int = 0) -> dict[Sender, bytes]:
    return {sender: trace.bytes_sent(connection, sender) for sender in Sender}


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_node_client(tmp_path: Path, deflate: bool) -> None:
    saved, captured = tmp_path / "trace.wslab", tmp_path / "capture.pcapng"
    options = ["--save", str(saved), *(["--compression"] if deflate else [])]
    with wslab_echo(*options) as echo:
        with capturing(echo.port, captured):
            node_client(echo.port, ACTIONS, perMessageDeflate=deflate, dump=str(tmp_path))
        status, _, errors = echo.interrupt()
    assert (status, errors) == (0, "")
    recorded = streams(Trace.load(saved))
    assert recorded[Sender.CLIENT] == (tmp_path / "client.bin").read_bytes()
    assert recorded[Sender.SERVER] == (tmp_path / "server.bin").read_bytes()
    (capture,) = read_capture(captured, echo.port)
    assert recorded == {sender: direction.stream for sender, direction in capture.items()}


PAGE = """<!doctype html>
<meta charset="utf-8">
<title>a page with a WebSocket</title>
<script>
// Sends what it is told and resolves to the hex of each message that comes back, then the close event.
async function converse(url, texts, bytes) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const received = [];
  const wanted = texts.length + 1;
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  socket.onopen = () => {
    for (const text of texts) socket.send(text);
    socket.send(new Uint8Array(bytes));
  };
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      received.push(typeof data === 'string' ? data : hex(data));
      if (received.length === wanted) socket.close(3000, 'the page is done');
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve({ received, code, reason, wasClean });
  });
}
</script>
"""


@pytest.mark.browser
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_chromium_page(tmp_path: Path, chromium_path: str, deflate: bool) -> None:
    from playwright.sync_api import sync_playwright
    from test_tshark import compare

    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    saved, captured = tmp_path / "trace.wslab", tmp_path / "capture.pcapng"
    texts = ["Hello server!", "", "şğü", "x" * 70_000, "again, again, again", "again, again, again"]
    data = list(range(200))
    with site(tmp_path) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path)
        options = ["--save", str(saved), "--origin", origin, *(["--compression"] if deflate else [])]
        with wslab_echo(*options) as echo:
            with capturing(echo.port, captured):
                page = browser.new_page()
                page.goto(f"{origin}/index.html")
                url = f"ws://127.0.0.1:{echo.port}/page"
                outcome = page.evaluate(f"converse({json.dumps(url)}, {json.dumps(texts)}, {data})")
                browser.close()
            status, _, errors = echo.interrupt()
    assert (status, errors) == (0, "")
    assert outcome["received"] == [*texts, bytes(data).hex()]
    assert (outcome["code"], outcome["reason"], outcome["wasClean"]) == (3000, "the page is done", True)

    (capture,) = read_capture(captured, echo.port)
    trace = Trace.load(saved)
    assert streams(trace) == {sender: direction.stream for sender, direction in capture.items()}
    frames = compare(capture)
    assert any(frame.rsv1 for frame in frames[Sender.CLIENT]) is deflate
    # Every message of the page is in the recording, as the page sent it.
    sent = [message.data for message in trace.messages if message.sender is Sender.CLIENT]
    assert sent == [*(text.encode() for text in texts), bytes(data)]


@pytest.mark.browser
def test_page_of_another_origin_is_refused(tmp_path: Path, chromium_path: str) -> None:
    from playwright.sync_api import sync_playwright

    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    saved = tmp_path / "trace.wslab"
    with site(tmp_path) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path)
        with wslab_echo("--save", str(saved)) as echo:
            page = browser.new_page()
            page.goto(f"{origin}/index.html")
            url = f"ws://127.0.0.1:{echo.port}/"
            outcome = page.evaluate(f"converse({json.dumps(url)}, ['hello'], [])")
            browser.close()
            echo.interrupt()
    assert outcome["received"] == []
    assert outcome["code"] == 1006
    recorded = streams(Trace.load(saved))
    assert recorded[Sender.SERVER].startswith(b"HTTP/1.1 403 ")
    assert f"Origin: {origin}".encode() in recorded[Sender.CLIENT]
