"""A HAR that real Chromium tells of through its DevTools protocol is read, as a HAR exporter would have written it.

The exporter here is twenty lines: what Chromium's events say goes into an archive as it is, in the shape that Chrome's
own network panel gives it (``_webSocketMessages`` of type, time, opcode and data).
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import CDPSession, async_playwright

from wslab import Lab
from wslab.anatomy.field import Sender
from wslab.recording.trace import Trace

pytestmark = pytest.mark.browser

PAGE = """async uri => {
  const socket = new WebSocket(uri, ["chat", "other"]);
  socket.binaryType = "arraybuffer";
  const said = ["Hello server! ş 🙂", "", new Uint8Array([0, 255, 128]), "x".repeat(70000)];
  await new Promise(resolve => { socket.onopen = resolve; });
  for (const one of said) {
    socket.send(one);
    await new Promise(resolve => { socket.onmessage = resolve; });
  }
  await new Promise(resolve => { socket.onclose = resolve; socket.close(4001, "done"); });
}"""
SAID = ["Hello server! ş 🙂".encode(), b"", b"\x00\xff\x80", b"x" * 70_000]


class Exporter:
    """Chromium's WebSocket events as a HAR."""

    def __init__(self, session: CDPSession) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.shift = 0.0
        for name, type_ in (("webSocketFrameSent", "send"), ("webSocketFrameReceived", "receive")):
            session.on(f"Network.{name}", lambda event, type_=type_: self.frame(type_, event))
        session.on("Network.webSocketCreated", self.created)
        session.on("Network.webSocketWillSendHandshakeRequest", self.request)
        session.on("Network.webSocketHandshakeResponseReceived", self.response)

    def created(self, event: dict[str, Any]) -> None:
        self.entries[event["requestId"]] = {
            "_resourceType": "websocket",
            "request": {"method": "GET", "url": event["url"], "httpVersion": "HTTP/1.1", "headers": []},
            "response": {"status": 0, "statusText": "", "httpVersion": "", "headers": []},
            "_webSocketMessages": [],
        }

    def request(self, event: dict[str, Any]) -> None:
        told = self.entries[event["requestId"]]
        self.shift = event["wallTime"] - event["timestamp"]
        told["startedDateTime"] = datetime.fromtimestamp(event["wallTime"], UTC).isoformat()
        told["request"]["headers"] = _pairs(event["request"]["headers"])

    def response(self, event: dict[str, Any]) -> None:
        response = event["response"]
        told = {"status": response["status"], "statusText": response["statusText"], "httpVersion": "HTTP/1.1"}
        self.entries[event["requestId"]]["response"] = {**told, "headers": _pairs(response["headers"])}

    def frame(self, type_: str, event: dict[str, Any]) -> None:
        frame = event["response"]
        self.entries[event["requestId"]]["_webSocketMessages"].append(
            {
                "type": type_,
                "time": event["timestamp"] + self.shift,
                "opcode": frame["opcode"],
                "data": frame["payloadData"],
            }
        )


def _pairs(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def test_har_written_from_chromium(tmp_path: Path, chromium_path: str) -> None:
    async def record() -> Trace:
        async with async_playwright() as playwright, Lab(carrier="tcp") as lab:
            browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
            page = await browser.new_page()
            server = await lab.serve(origins=["null", None], subprotocols=["chat"], compression="deflate")
            session = await page.context.new_cdp_session(page)
            exporter = Exporter(session)
            await session.send("Network.enable")
            await page.evaluate(PAGE, server.uri)
            await page.wait_for_timeout(0)  # one turn, so that what was told before has been heard
            await browser.close()
            await lab.settled()
        archive = {"log": {"version": "1.2", "creator": {"name": "a test"}, "entries": [*exporter.entries.values()]}}
        (tmp_path / "chromium.har").write_text(json.dumps(archive))
        return lab.trace

    with ThreadPoolExecutor(1) as another:  # the main thread's loop is Playwright's own by now
        crossed = another.submit(lambda: asyncio.run(record())).result()
    trace = Trace.open(tmp_path / "chromium.har")
    assert trace.rebuilt
    for sender in Sender:
        assert [message.data for message in trace.messages_of(0, sender)] == SAID
        told = [(message.opcode, message.length) for message in trace.messages_of(0, sender)]
        assert told == [(message.opcode, message.length) for message in crossed.messages_of(0, sender)]
    for mine, real in zip(trace.handshakes, crossed.handshakes, strict=True):
        assert mine.start_line == real.start_line
        for name in ("Sec-WebSocket-Key", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Upgrade"):
            assert mine.get(name) == real.get(name)
    assert trace.violations == []
    times = [record.time for record in trace.records]
    assert times == sorted(times)
