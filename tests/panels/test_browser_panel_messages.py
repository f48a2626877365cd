"""The browser panel without a browser: what it asks of a page, what it makes of what the page tells, and its text."""

from __future__ import annotations

import asyncio
import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
import traitlets
from fake_page import FakePage

import wslab
from wslab.anatomy.field import Sender
from wslab.live.article import CLIENT_SCRIPT
from wslab.live.jupyter import doors
from wslab.live.lab import Lab
from wslab.panels.browser_panel.browser_panel import BrowserPanel
from wslab.panels.browser_panel.page_run import MOST_KEPT, ConsoleLine, PageEvent, read_entry
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.recording.trace import Tap, Trace

ORIGIN = "http://localhost:8888"
HERE = {"page": "one", "origin": ORIGIN, "loopback": True, "jupyter": True}
FAR = {"page": "far", "origin": "https://hub.example", "loopback": False, "jupyter": True}
KEY = b"7abc"
HOSTILE = "<script>x</script>\x1b[31m\u202e"


class FakeServer:
    """What a lab's server is to the panel."""

    def __init__(self, port: int = 5000) -> None:
        self.port = port
        self.admitted: list[str] = []

    def admit(self, origin: str) -> None:
        self.admitted.append(origin)

    def door(self) -> doors.Door:
        return doors.Door("k" * 32, self.port)


class FakeLab:
    """A lab whose recording a test writes itself."""

    closed = False

    def __init__(self, server: FakeServer | None = None) -> None:
        self.trace = Trace()
        self.server = server


class Page(FakePage):
    """A page that shows a browser panel, and tells what happened in it."""

    def __init__(self, panel: BrowserPanel, **who: Any) -> None:
        super().__init__(panel, **who or HERE)
        self.number = 0

    def happened(self, *entries: dict[str, Any]) -> None:
        whole = []
        for entry in entries:
            whole.append({"n": self.number, "t": self.number / 10, "words": "", **entry})
            self.number += 1
        self.ask("events", run=self.last("run")["run"], entries=json.loads(json.dumps(whole)))

    @property
    def matches(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for message in self.all("matches"):
            if message["run"] == self.last("run")["run"]:
                found |= dict(message["records"])
        return found


def opened(target: str = "/", socket: int = 0, port: int = 5000, **more: Any) -> dict[str, Any]:
    return {
        "what": "new WebSocket()",
        "socket": socket,
        "target": target,
        "port": port,
        "url": "ws://localhost:1234",
        **more,
    }


def event(what: str, socket: int = 0, **more: Any) -> dict[str, Any]:
    return {"what": what, "socket": socket, **more}


def connect(trace: Trace, target: str = "/", origin: str | None = ORIGIN, key: str = "") -> Tap:
    """A connection of a page's, as the lab's server notes it; its request and the answer."""
    server = trace.join(Sender.SERVER, key or object())
    request = build_request(target, {} if origin is None else {"Origin": origin})
    server.received(bytes(request))
    server.sent(bytes(build_response()))
    return server


def shown(server: FakeServer | None = None, **given: Any) -> tuple[FakeLab, BrowserPanel, Page]:
    lab = FakeLab(FakeServer() if server is None else server)
    panel = BrowserPanel(lab, **given)
    page = Page(panel)
    page.ask("hello")
    lab_kept.append(lab)  # a panel keeps none
    return lab, panel, page


lab_kept: list[FakeLab] = []


# Where the code is led to.


def test_the_articles_port_leads_to_the_lab_unless_somebody_has_it() -> None:
    _, panel, page = shown()
    page.ask("run", code="let a")
    told = page.last("run")
    assert told["ports"] == {
        port: {"port": 5000, "name": "the lab's server", "path": None, "secret": ""} for port in ("5000", "1234")
    }
    assert (told["code"], panel.code, told["page"]) == ("let a", "let a", "one")

    _, _, page = shown(also=[1234])
    page.ask("run", code="")
    assert {port: way["port"] for port, way in page.last("run")["ports"].items()} == {"5000": 5000, "1234": 1234}

    _, _, page = shown(also=FakeServer(6000))
    assert [each["port"] for each in page.last("addresses")["addresses"]] == [5000, 6000, 1234]
    assert page.last("addresses")["addresses"][2]["recorded"]


def test_without_a_server_another_one_takes_the_articles_port_and_without_any_it_is_said() -> None:
    lab = FakeLab()
    page = Page(panel := BrowserPanel(lab, also=[6000]))
    page.ask("run", code="")
    assert page.last("run")["ports"]["1234"]["port"] == 6000
    panel = BrowserPanel(lab)
    with pytest.raises(RuntimeError, match=r"run `await lab\.serve\(\)` first"):
        panel.run()
    page = Page(panel)
    page.ask("run", code="")
    assert "await lab.serve()" in panel.problem
    assert page.told[-1] == {"tell": "refused", "page": "one"}


def test_a_page_is_admitted_when_it_runs_and_not_before() -> None:
    lab, panel, page = shown()
    assert lab.server is not None
    assert lab.server.admitted == []
    page.ask("run", code="")
    assert lab.server.admitted == [ORIGIN]
    Page(panel, **{**HERE, "origin": "javascript:alert(1)"}).ask("run", code="")
    assert "javascript" in panel.problem
    assert lab.server.admitted == [ORIGIN]


@pytest.mark.parametrize(
    ("route", "who", "through"),
    [
        ("auto", HERE, False), ("auto", FAR, True), ("auto", {**FAR, "jupyter": False}, False),
        ("loopback", FAR, False), ("jupyter", HERE, True),
    ],
)  # fmt: skip
def test_the_way_is_the_pages_own_unless_one_is_chosen(route: str, who: dict[str, Any], through: bool) -> None:
    lab = FakeLab(FakeServer())
    page = Page(BrowserPanel(lab, route=route), **who)
    page.ask("run", code="")
    path = page.last("run")["ports"]["1234"]["path"]
    assert path == (f"wslab/{'k' * 32}/" if through else None)


def test_doors_to_other_servers_close_with_the_panel_and_with_the_lab(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for close in (lambda lab, panel: panel.close(), lambda lab, panel: (setattr(lab, "closed", True), panel.refresh())):
        lab, panel, page = shown(also=[6000], route="jupyter")
        page.ask("run", code="")
        key = page.last("run")["ports"]["6000"]["path"].split("/")[1]
        assert doors.find(key) == 6000
        close(lab, panel)
        assert doors.find(key) is None


def test_what_cannot_be_is_told_at_once() -> None:
    lab = FakeLab(FakeServer())
    with pytest.raises(TypeError, match="a Trace or a Lab is wanted"):
        BrowserPanel(None)
    with pytest.raises(TypeError, match=r"also='ws://x': a port is wanted"):
        BrowserPanel(lab, also=["ws://x"])
    with pytest.raises(traitlets.TraitError, match="route"):
        BrowserPanel(lab, route="tunnel")
    assert wslab.BrowserPanel is BrowserPanel


# When it runs.


def test_a_run_that_a_cell_asks_for_waits_for_a_page() -> None:
    lab = FakeLab(FakeServer())
    panel = BrowserPanel(lab, code="one")
    page = Page(panel)
    panel.run()
    assert page.told == []
    page.ask("hello")
    assert page.last("run")["code"] == "one"
    page.ask("events", run=1, entries=[])
    other = Page(panel, **{**HERE, "page": "two"})
    other.ask("hello")
    assert [message for message in other.told if message["tell"] == "run"] == [], "it began already"
    panel.run()
    assert other.last("run")["page"] == "two", "the page that came last"
    other.ask("left")
    other.told.clear()
    panel.run()
    assert [message for message in other.told if message["tell"] == "run"] == []


def test_the_code_is_a_trait_and_is_restored() -> None:
    _, panel, page = shown()
    assert panel.code == CLIENT_SCRIPT
    page.ask("run", code="changed")
    assert panel.code == "changed"
    page.ask("restore")
    assert panel.code == CLIENT_SCRIPT
    panel.stop()
    assert page.told[-1] == {"tell": "stop"}


# What it makes of what a page tells.


def test_events_and_lines_are_told_apart_and_keep_their_order() -> None:
    _, panel, page = shown()
    page.ask("run", code="")
    page.happened(
        opened(protocols=["chat"], state="CONNECTING"),
        event("open", protocol="chat", extensions="permessage-deflate", state="OPEN"),
        {"what": "console", "level": "log", "text": "Server: Hello client!"},
        event("close()", code=1001, thrown="InvalidAccessError: no", words="1001 throws InvalidAccessError: no"),
        {"what": "console", "level": "uncaught", "text": "TypeError: x", "line": 3},
        event("close", code=4002, reason="bye", was_clean=True, state="CLOSED", buffered=0),
    )
    made, open_, call, close = panel.events
    assert (made.protocols, made.number, made.time) == (("chat",), 0, 0.0)
    assert (open_.protocol, open_.extensions, open_.state) == ("chat", "permessage-deflate", "OPEN")
    assert (call.thrown, str(call)) == ("InvalidAccessError: no", "close() 1001 throws InvalidAccessError: no")
    assert (close.code, close.reason, close.was_clean, close.number, close.buffered) == (4002, "bye", True, 5, 0)
    assert [(line.level, str(line), line.number) for line in panel.console] == [
        ("log", "Server: Hello client!", 2), ("uncaught", "TypeError: x (line 3)", 4),
    ]  # fmt: skip
    page.ask("events", run=7, entries=[{"n": 0, "t": 0, "what": "open", "socket": 0}])
    assert len(panel.events) == 4, "another run's"
    page.ask("run", code="")
    assert (panel.events, panel.console) == ([], [])


@pytest.mark.parametrize(
    "told",
    [
        {}, {"n": 1}, {"n": -1, "t": 0, "what": "open"}, {"n": True, "t": 0, "what": "open"},
        {"n": 0, "t": 0, "what": 5}, {"n": 0, "t": "now", "what": "open"},
        {"n": 0, "t": 0, "what": "close", "code": "x"},
    ],
)  # fmt: skip
def test_what_no_page_tells_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a page told"):
        read_entry(told)


@pytest.mark.lengthy
def test_a_flood_is_bounded_and_counted() -> None:
    _, panel, page = shown()
    page.ask("run", code="")
    for _ in range(30):
        page.happened(*({"what": "console", "level": "log", "text": "x" * 9000} for _ in range(100)))
    assert (len(panel.console), panel.dropped) == (MOST_KEPT, 3000 - MOST_KEPT)
    assert panel.console[0].number == 2500
    assert max(len(line.text) for line in panel.console) == 5000
    page.number += 70  # which the page itself dropped
    page.happened({"what": "console", "level": "log", "text": ""})
    assert panel.dropped == 3071 - MOST_KEPT
    assert "(the first 2571 were dropped)" in repr(panel)


def test_a_page_that_comes_later_is_told_what_happened() -> None:
    _, panel, page = shown()
    page.ask("run", code="")
    page.happened(opened(), event("open"))
    other = Page(panel, **{**HERE, "page": "two"})
    other.ask("hello")
    log = other.last("log")
    assert (log["page"], log["run"], log["next"]) == ("two", 1, 2)
    assert [entry["what"] for entry in log["entries"]] == ["new WebSocket()", "open"]


# Which record is whose.


def test_each_event_finds_its_record_whoever_is_first() -> None:
    lab, panel, page = shown()
    connect(lab.trace, key="before the run")
    page.ask("run", code="")
    connect(lab.trace, origin=None)  # a program
    connect(lab.trace, origin="http://evil.example")
    wire = connect(lab.trace)
    wire.received(build_frame("Hello server!", mask=KEY))
    wire.sent(build_frame("Hel", fin=False) + build_frame("", opcode=9) + build_frame("lo", opcode=0))
    panel._push()
    assert page.matches == {}, "no socket has told of itself yet"
    page.happened(opened(), event("open"), event("send()", nth=0), event("message", nth=0), event("message", nth=1))
    panel._push()
    words = {event: lab.trace.record(record).summary for event, record in page.matches.items()}
    assert words == {0: "GET /", 1: "101 Switching Protocols", 2: 'TEXT "Hello server!"', 3: 'TEXT "Hel", not final'}
    assert lab.trace.record(page.matches[0]).connection == 3
    wire.sent(build_frame("second"))
    page.happened(event("close()", code=4001), event("send()", nth=None), event("send()", thrown="InvalidStateError"))
    wire.received(build_close(4001, "bye", mask=KEY))
    wire.sent(build_close(4001, "bye"))
    page.happened(event("close", code=4001))
    assert [None if each.record is None else lab.trace.record(each.record).summary for each in panel.events[4:]] == [
        'TEXT "second"', 'CLOSE 4001 "bye"', None, None, 'CLOSE 4001 "bye"',
    ]  # fmt: skip
    assert panel.events[5].record != panel.events[8].record
    panel._push()
    assert page.matches == {each.number: each.record for each in panel.events if each.record is not None}
    assert page.last("matches")["connections"] == [3]


def test_sockets_are_told_apart_by_address_and_order() -> None:
    lab, panel, page = shown()
    page.ask("run", code="")
    page.happened(
        opened("/b", 0), opened("/a", 1), opened("/b", 2), opened("/", 3, port=None), opened("/b", 4, thrown="x")
    )
    for target in ("/a", "/b", "/b", "/b"):
        connect(lab.trace, target)
    requests = {each.socket: each.record for each in panel.events}
    connections = {
        socket: None if record is None else lab.trace.record(record).connection for socket, record in requests.items()
    }
    assert connections == {0: 1, 1: 0, 2: 2, 3: None, 4: None}


def test_a_refusal_and_a_lost_connection_find_what_there_is() -> None:
    lab, panel, page = shown()
    page.ask("run", code="")
    server = lab.trace.join(Sender.SERVER, "refused")
    server.received(bytes(build_request("/", {"Origin": ORIGIN})))
    server.sent(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    server.fin_sent()
    page.happened(opened(), event("error"), event("close", code=1006, was_clean=False))
    assert [lab.trace.record(each.record).summary for each in panel.events if each.record is not None] == [
        "GET /", "403 Forbidden", "FIN, end of stream",
    ]  # fmt: skip


def asked(trace: Trace, password: str | None = None, target: str = "/", *, let_in: bool = False) -> Tap:
    """A connection of a page's on which a server asks for a password, or lets the page in."""
    wire = trace.join(Sender.SERVER, object())
    headers = {"Origin": ORIGIN} | ({"Authorization": password} if password else {})
    wire.received(bytes(build_request(target, headers)))
    if let_in:
        wire.sent(bytes(build_response()))
    else:
        wire.sent(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        wire.fin_sent()
    return wire


def places(lab: FakeLab, panel: BrowserPanel) -> list[tuple[int, str, int | None, str]]:
    """Of each event: its socket, its name, and the connection and the words of its record."""
    return [
        (each.socket, each.what, None, "")
        if each.record is None
        else (each.socket, each.what, lab.trace.record(each.record).connection, lab.trace.record(each.record).summary)
        for each in panel.events
    ]


FAILED = event("error"), event("close", code=1006, was_clean=False)


@pytest.mark.parametrize("told_late", [False, True])
def test_a_socket_that_shows_a_password_when_it_is_asked_has_both_connections(told_late: bool) -> None:
    """Chromium shows the password of ``ws://ada:pw@...`` on a second connection, and on the first of later sockets."""
    lab, panel, page = shown()
    page.ask("run", code="")

    def tell(*events: dict[str, Any]) -> None:
        late.extend(events)
        if not told_late:
            page.happened(*late)
            late.clear()
            assert all(place[1] != "open" or place[3].startswith("101") for place in places(lab, panel))

    late: list[dict[str, Any]] = []
    tell(opened(socket=0))
    asked(lab.trace)
    tell(opened(socket=1))  # made at once, but the browser still has to show the password of the first
    wire = asked(lab.trace, "Basic YWRhOnB3", let_in=True)
    wire.sent(build_frame("Hello client!"))
    tell(event("open"), event("message", nth=0), event("close()", code=None))
    wire.received(build_close(None, mask=KEY))
    wire.sent(build_close(None))
    tell(event("close", code=1005))
    asked(lab.trace, "Basic YWRhOnB3", let_in=True)
    tell(event("open", socket=1))
    page.happened(*late)
    assert places(lab, panel) == [
        (0, "new WebSocket()", 0, "GET /"),
        (1, "new WebSocket()", 2, "GET /"),
        (0, "open", 1, "101 Switching Protocols"),
        (0, "message", 1, 'TEXT "Hello client!"'),
        (0, "close()", 1, "CLOSE"),
        (0, "close", 1, "CLOSE"),
        (1, "open", 2, "101 Switching Protocols"),
    ]
    panel._push()
    assert page.last("matches")["connections"] == [0, 1, 2]
    assert {record.connection for record in panel._last.records} == {0, 1, 2}


def test_a_password_that_is_refused_too_leaves_later_sockets_theirs() -> None:
    lab, panel, page = shown()
    page.ask("run", code="")
    page.happened(opened())
    asked(lab.trace)
    asked(lab.trace, "Basic d3Jvbmc=")
    page.happened(*FAILED, opened(socket=1))
    asked(lab.trace)  # and this browser knows no password
    page.happened(event("error", socket=1), opened(socket=2))
    asked(lab.trace, "Basic YWRhOnB3", let_in=True)
    page.happened(event("open", socket=2))
    assert places(lab, panel) == [
        (0, "new WebSocket()", 0, "GET /"),
        (0, "error", 1, "401 Unauthorized"),
        (0, "close", 1, "FIN, end of stream"),
        (1, "new WebSocket()", 2, "GET /"),
        (1, "error", 2, "401 Unauthorized"),
        (2, "new WebSocket()", 3, "GET /"),
        (2, "open", 3, "101 Switching Protocols"),
    ]
    assert panel._last.connections == [0, 1, 2, 3]


def test_a_long_conversation_is_matched_as_far_as_it_is_kept() -> None:
    lab, panel, page = shown()
    page.ask("run", code="")
    wire = connect(lab.trace)
    page.happened(opened())
    for number in range(3000):
        wire.sent(build_frame(str(number)))
    page.number = 3001
    page.happened(event("message", nth=2999), event("message", nth=10))
    assert [None if each.record is None else lab.trace.record(each.record).summary for each in panel.events[1:]] == [
        'TEXT "2999"', None,
    ]  # fmt: skip


# Waiting.


def waiting(panel: BrowserPanel, act: Callable[[], None], *args: Any, **kwargs: Any) -> PageEvent | ConsoleLine:
    async def main() -> PageEvent | ConsoleLine:
        later = threading.Timer(0.05, act)  # as a question comes: on a thread of its own
        later.start()
        return await panel.wait_for(*args, **kwargs)

    return asyncio.run(main())


def test_waiting_ends_with_what_is_waited_for_on_whatever_thread_it_comes() -> None:
    _, panel, page = shown()
    page.ask("run", code="")
    found = waiting(
        panel, lambda: page.happened(opened(), event("open"), event("close", code=1000)), "close", timeout=5
    )
    assert isinstance(found, PageEvent)
    assert found.code == 1000
    line = {"what": "console", "level": "log", "text": "Server: Hello client!"}
    assert str(waiting(panel, lambda: page.happened(line), "console", timeout=5)) == "Server: Hello client!"
    second = waiting(panel, lambda: page.happened(line), lambda each: "Hello" in str(each), times=2, timeout=5)
    assert second.number == 4
    assert panel._waiting == {}


def test_waiting_in_vain_tells_what_happened_instead() -> None:
    lab = FakeLab(FakeServer())
    panel = BrowserPanel(lab)
    with pytest.raises(TimeoutError, match=r"after 0\.01 s 'close' has not happened; what did: nothing; no page shows"):
        asyncio.run(panel.wait_for("close", timeout=0.01))
    page = Page(panel)
    page.ask("run", code="")
    page.happened(opened(), event("open"))
    with pytest.raises(TimeoutError, match=r"what did: new WebSocket\(\), open$"):
        asyncio.run(panel.wait_for("close", timeout=0.01))


# How it shows itself.


def conversation() -> tuple[FakeLab, BrowserPanel]:
    lab, panel, page = shown(code="new WebSocket('ws://localhost:5000') // " + HOSTILE)
    page.ask("run", code=panel.code)
    wire = connect(lab.trace)
    wire.sent(build_frame(HOSTILE))
    page.happened(
        opened(words='"ws://localhost:5000"', url="ws://localhost:5000"),
        event("message", nth=0, words=HOSTILE, state="OPEN"),
        {"what": "console", "level": "table", "text": f"one\n{HOSTILE}"},
    )
    return lab, panel


def test_its_text_is_steady_and_harmless_as_are_its_html_and_its_picture() -> None:
    _, panel = conversation()
    text = repr(panel)
    assert "5000" not in text
    assert 'new WebSocket()  "ws://localhost:PORT"' in text
    assert "What crossed the wire" in text
    assert text == repr(conversation()[1])
    for view in (text, panel._repr_html_(), str(panel.picture())):
        assert "\x1b" not in view
        assert "\u202e" not in view
        assert "5000" not in view
    assert "<script>" not in panel._repr_html_()
    ET.fromstring(str(panel.picture()))
    assert "one" in text.split("console.table")[1].split("\n")[0]


def test_before_it_ran_it_says_so() -> None:
    lab = FakeLab(FakeServer())
    panel = BrowserPanel(lab)
    assert repr(panel).endswith("not run yet")
    assert "new WebSocket(&#x27;ws://localhost:1234&#x27;)" in panel._repr_html_()
    assert "not run yet" in str(panel.picture())


def test_a_lab_in_memory_is_out_of_every_pages_reach() -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            with pytest.raises(RuntimeError, match="No page reaches a lab in memory"):
                BrowserPanel(lab).run()

    asyncio.run(main())


def test_with_a_real_lab_the_origin_is_let_in() -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            page = Page(BrowserPanel(lab))
            with pytest.raises(Exception, match="403"):
                await lab.connect(origin=ORIGIN)  # type: ignore[arg-type]
            page.ask("run", code="")
            assert page.last("run")["ports"]["1234"]["port"] == server.port
            async with lab.connect(origin=ORIGIN) as ws:  # type: ignore[arg-type]
                await ws.send("in")
                assert await ws.recv() == "in"

    asyncio.run(main())
