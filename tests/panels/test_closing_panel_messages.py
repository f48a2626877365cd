"""The closing panel without a browser: what it tells of how connections ended, and when."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
import traitlets
from fake_page import FakePage

from wslab.anatomy.field import Sender
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.recording.trace import Tap, Trace

KEY = bytes(4)
HOSTILE = "<b>bye</b>\x1b[31m\u202e"


class Talk:
    """One connection as two taps note it, after its handshake."""

    def __init__(self, trace: Trace, key: str = "one") -> None:
        self.client, self.server = trace.join(Sender.CLIENT, key), trace.join(Sender.SERVER, key)
        self.say(self.client, bytes(build_request()))
        self.say(self.server, bytes(build_response()))

    def peer(self, end: Tap) -> Tap:
        return self.server if end is self.client else self.client

    def say(self, end: Tap, data: bytes) -> None:
        end.sent(data)
        self.peer(end).received(data)

    def fin(self, end: Tap) -> None:
        end.fin_sent()
        self.peer(end).fin_received()

    def report(self, client: tuple[int, str], server: tuple[int, str]) -> None:
        self.client.closed(*client)
        self.server.closed(*server)


def goodbye(talk: Talk) -> None:
    """The client says goodbye, the server answers and ends TCP."""
    talk.say(talk.client, build_close(1000, "done", mask=KEY))
    talk.say(talk.server, build_close(1000, "done"))
    talk.fin(talk.server)
    talk.fin(talk.client)
    talk.report((1000, "done"), (1000, "done"))


def at_once(talk: Talk) -> None:
    """Each end says goodbye before it has read the other's."""
    ours, theirs = build_close(4001, "the client goes", mask=KEY), build_close(4002, "the server goes")
    talk.client.sent(ours)
    talk.server.sent(theirs)
    talk.server.received(ours)
    talk.client.received(theirs)
    talk.fin(talk.server)
    talk.fin(talk.client)
    talk.report((4002, "the server goes"), (4001, "the client goes"))


def vanished(talk: Talk) -> None:
    """The server's machine is gone."""
    talk.server.reset_sent()
    talk.client.reset_received()
    talk.client.closed(1006)


def impossible(talk: Talk) -> None:
    """A raw client sends what must never be sent."""
    talk.say(talk.client, build_close(1006, mask=KEY))
    talk.say(talk.server, build_close(1002, "invalid status code"))
    talk.fin(talk.server)
    talk.fin(talk.client)
    talk.report((1002, ""), (1006, ""))


def nameless(talk: Talk) -> None:
    """A goodbye without a status code."""
    talk.say(talk.server, build_close())
    talk.say(talk.client, build_close(mask=KEY))
    talk.fin(talk.client)
    talk.fin(talk.server)
    talk.report((1005, ""), (1005, ""))


def half(talk: Talk) -> None:
    """A goodbye that nobody has answered yet."""
    talk.say(talk.client, build_close(1001, mask=KEY))


def told(panel: ClosingPanel, page: FakePage | None = None) -> Any:
    """What a page would be told now."""
    page = page or FakePage(panel)
    page.ask("hello")
    panel._push()
    return page.last("closing")["closing"]


def test_a_code_is_told_as_its_senders() -> None:
    def unexpected(talk: Talk) -> None:
        talk.say(talk.client, build_close(1011, mask=KEY))
        talk.say(talk.server, build_close(1011))

    _, panel = ended(unexpected)
    assert [end["close"]["meaning"] for end in told(panel)["ends"]] == [
        "the client met an unexpected condition, and the code is defined for a server",
        "the server met an unexpected condition",
    ]


def ended(how: Callable[[Talk], None]) -> tuple[Trace, ClosingPanel]:
    trace = Trace()
    how(Talk(trace))
    return trace, ClosingPanel(trace)


def test_the_way_is_told_with_the_records_that_caused_it() -> None:
    _, panel = ended(goodbye)
    closing = told(panel)
    assert [(step["sender"], step["words"], step["record"]) for step in closing["steps"]] == [
        ("server", "sent 101: CONNECTING → OPEN", 1),
        ("client", "received 101: CONNECTING → OPEN", 1),
        ("client", "sent a close frame: OPEN → CLOSING", 2),
        ("server", "received a close frame: OPEN → CLOSING", 2),
        ("client", "TCP connection closed: CLOSING → CLOSED", 5),
        ("server", "TCP connection closed: CLOSING → CLOSED", 5),
    ]
    made = {
        (lane["label"], edge["event"], *edge["taken"])
        for lane in closing["layout"]["lanes"]
        for edge in lane["edges"]
        if edge["taken"]
    }
    assert ("client", "sent a close frame", 3) in made
    assert ("server", "received a close frame", 4) in made
    assert len(made) == 6
    assert closing["clean"]["word"] == "Clean"
    assert closing["began"] == "The client said goodbye first, and the server answered."
    assert "first by the server, with FIN, as it should be" in closing["tcp"]["words"]
    client, server = closing["ends"]
    assert (client["first"], server["first"]) == (True, False)
    assert (client["tcp_first"], server["tcp_first"]) == (False, True)
    assert client["close"]["summary"] == 'CLOSE 1000 "done"'
    assert client["report"] == '1000 "done", as the server\'s Close frame says'
    assert client["never"] == ""


@pytest.mark.parametrize("how", [goodbye, vanished, impossible, nameless, half])
def test_where_nothing_crossed_on_its_way_it_is_what_the_trace_tells(how: Callable[[Talk], None]) -> None:
    trace, panel = ended(how)
    steps = [(step.transition.endpoint.label, step.transition.event.value, step.record) for step in trace.steps()]
    assert [(step["sender"], step["event"], step["record"]) for step in told(panel)["steps"]] == steps


def test_two_goodbyes_at_once_are_two_ways() -> None:
    _, panel = ended(at_once)
    closing = told(panel)
    assert [(step["sender"], step["event"], step["record"]) for step in closing["steps"][2:4]] == [
        ("client", "sent a close frame", 2),
        ("server", "sent a close frame", 3),
    ]
    assert closing["began"].startswith("Both ends said goodbye at once")
    assert [end["first"] for end in closing["ends"]] == [False, False]
    assert [end["report"].split(",")[0] for end in closing["ends"]] == [
        '4002 "the server goes"',
        '4001 "the client goes"',
    ]


def test_an_answer_is_not_taken_for_a_goodbye_of_its_own() -> None:
    """Where nobody knows when a frame was read, the wire's order is all there is."""
    trace = Trace()
    client = trace.join(Sender.CLIENT, "one")  # the server is not in the lab
    client.sent(bytes(build_request()))
    client.received(bytes(build_response()))
    client.sent(build_close(1000, mask=KEY))
    client.received(build_close(1000))
    closing = told(ClosingPanel(trace))
    assert closing["steps"][3]["event"] == "received a close frame"
    assert closing["began"] == "The client said goodbye first, and the server answered."


@pytest.mark.parametrize(
    ("how", "word", "sentence"),
    [
        (vanished, "Not clean", "1006 never crossed the wire: it is what a program reports where no Close frame came"),
        (impossible, "Not clean", "1006 must never cross the wire, and here the client sent it."),
        (nameless, "Clean", "1005 never crossed the wire: the Close frame that came had no status code"),
        (half, "Not over", "The server's Close frame has still to come."),
        (goodbye, "Clean", "Each end sent a Close frame, and only then was TCP closed."),
    ],
)
def test_an_end_is_told_in_words(how: Callable[[Talk], None], word: str, sentence: str) -> None:
    _, panel = ended(how)
    assert told(panel)["clean"]["word"] == word
    assert sentence in repr(panel)
    assert f"{word}. " in repr(panel)


def test_a_peer_that_vanished_takes_the_way_from_open_to_closed() -> None:
    _, panel = ended(vanished)
    closing = told(panel)
    assert [step["words"] for step in closing["steps"][2:]] == ["TCP connection closed: OPEN → CLOSED"] * 2
    assert [end["close"] for end in closing["ends"]] == [None, None]
    assert closing["ends"][0]["report"] == "1006, since no Close frame came from the server"
    assert closing["ends"][1]["tcp"]["word"] == "RST"
    assert closing["ends"][0]["untold"] == "torn down by the server's RST"
    assert "torn down at once" in closing["tcp"]["words"]


def test_the_newest_that_ends_is_shown_unless_one_is_chosen() -> None:
    trace = Trace()
    panel = ClosingPanel(trace)
    assert repr(panel) == "nothing recorded yet"
    assert "<p>nothing recorded yet</p>" in panel._repr_html_()
    page = FakePage(panel)
    assert told(panel, page) is None
    first = Talk(trace, "one")
    assert panel.shown == 0
    Talk(trace, "two")
    assert panel.shown == 1
    goodbye(first)
    assert panel.shown == 0
    assert told(panel, page)["connection"] == 0
    assert page.last("closing")["connections"] == [0, 1]
    panel.connection = 1
    assert told(panel)["connection"] == 1
    with pytest.raises(traitlets.TraitError, match=r"no connection 7 in this trace; there are: 0, 1"):
        panel.connection = 7
    assert ClosingPanel(trace, 0).shown == 0


def test_only_what_has_changed_is_told() -> None:
    trace = Trace()
    talk = Talk(trace)
    panel = ClosingPanel(trace)
    page = FakePage(panel)
    told(panel, page)
    talk.say(talk.server, build_frame("a"))
    panel._push()
    assert len(page.all("closing")) == 1, "a text frame is no part of the end"
    half(talk)
    panel._push()
    panel._push()
    assert len(page.all("closing")) == 2
    assert page.last("closing")["closing"]["ends"][0]["state"] == "CLOSING"
    page.ask("hello")
    panel._push()
    assert len(page.all("closing")) == 3, "a new view is told all"


def test_its_text_html_and_picture_are_harmless() -> None:
    trace = Trace()
    talk = Talk(trace)
    talk.say(talk.client, build_close(4000, HOSTILE, mask=KEY))
    panel = ClosingPanel(trace)
    for text in (repr(panel), panel._repr_html_(), str(panel.picture())):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<b>bye" not in panel._repr_html_()
    root = ET.fromstring(str(panel.picture()))
    described = "".join(node.text or "" for node in root.iter() if node.tag.endswith("desc"))
    assert "sent a close frame" in described
    assert "The client said goodbye first." in described


def test_a_long_recording_is_looked_through_once() -> None:
    trace = Trace(max_entries=64)
    talk = Talk(trace)
    panel = ClosingPanel(trace)
    assert panel.shown == 0
    for _ in range(200):
        talk.say(talk.server, build_frame("a"))
    goodbye(talk)
    closing = told(panel)
    assert closing["steps"][0]["record"] is None, "the handshake's record is no longer kept"
    assert closing["steps"][2]["record"] == 202
