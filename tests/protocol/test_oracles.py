"""websockets and wsproto judge the same bytes: what they refuse breaks a rule here, and what breaks none they take.

Where that does not hold, the difference is deliberate: it stands in ``DIFFERENCES`` with its reason, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate as TheirDeflate
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wire_streams import CLIENT, KEY, SERVER, frames
from wsproto.connection import ConnectionType
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, ParseFailed
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Frame, Head, build_close, build_frame, build_request
from wslab.protocol.words import CLOSE, CONTINUATION


def websockets_refuses(sender: Sender, data: bytes, deflate: bool) -> str | None:
    protocol = (
        ServerProtocol(state=OPEN, max_size=None)
        if sender is CLIENT
        else ClientProtocol(parse_uri("ws://127.0.0.1/"), state=OPEN, max_size=None)
    )
    if deflate:
        protocol.extensions = [TheirDeflate(False, False, 15, 15)]
    protocol.receive_data(data)
    return None if protocol.parser_exc is None else str(protocol.parser_exc)


def wsproto_refuses(sender: Sender, data: bytes, deflate: bool) -> str | None:
    extension = PerMessageDeflate()
    if deflate:
        extension.finalize("permessage-deflate")
    protocol = FrameProtocol(client=sender is SERVER, extensions=[extension])
    protocol.receive_bytes(data)
    try:
        for _ in protocol.received_frames():
            pass
    except ParseFailed as error:
        return str(error)
    return None


JUDGES = {"websockets": websockets_refuses, "wsproto": wsproto_refuses}


class Difference(NamedTuple):
    """A judge refuses what breaks no rule."""

    judge: str
    reason: str
    applies: Callable[[list[Frame]], bool]
    sample: bytes
    """What a server sends to see it."""
    deflate: bool = False


def _closes_inside_message(frames: list[Frame]) -> bool:
    opened = False
    for frame in frames:
        if frame.opcode == CLOSE:
            return opened
        if frame.opcode < CLOSE:
            opened = not frame.fin
    return False


def _pings_inside_compressed(frames: list[Frame]) -> bool:
    opened = False
    for frame in frames:
        if opened and frame.opcode > CLOSE:
            return True
        if frame.opcode != CONTINUATION:
            opened = frame.rsv1
        opened = opened and not frame.fin
    return False


HELLO = bytes.fromhex("f248cdc9c90700")
DIFFERENCES = (
    Difference(
        "websockets",
        "it wants the message finished before the close frame; 5.5.1 says that an endpoint MAY delay the close frame",
        _closes_inside_message,
        build_frame("a", fin=False) + build_close(1000),
    ),
    Difference(
        "wsproto",
        "it does not know 1014 (bad gateway), which IANA's registry has had since 2014",
        lambda frames: any(frame.status_code == 1014 for frame in frames),
        build_close(1014),
    ),
    Difference(
        "wsproto",
        "a control frame amid the fragments of a compressed message makes it forget that the message is compressed",
        _pings_inside_compressed,
        build_frame(HELLO[:3], rsv1=True, fin=False) + build_frame(opcode=9) + build_frame(HELLO[3:], opcode=0),
        deflate=True,
    ),
)


def ours(sender: Sender, data: bytes, deflate: bool) -> list[Frame]:
    connection = Connection(heads=(False, False), extensions="permessage-deflate" if deflate else "")
    found = connection.feed(sender, data)
    assert connection.end(sender) == []
    return [thing for thing in found if isinstance(thing, Frame)]


def hold_against(sender: Sender, data: bytes, deflate: bool) -> None:
    judged = ours(sender, data, deflate)
    if any(frame.violations for frame in judged):
        return
    for name, refuses in JUDGES.items():
        refused = refuses(sender, data, deflate)
        allowed = any(d.judge == name and d.applies(judged) for d in DIFFERENCES)
        assert refused is None or allowed, f"{name} refuses what breaks no rule here: {refused}"


@pytest.mark.lengthy
@settings(max_examples=120)
@given(
    case=st.sampled_from(Sender).flatmap(
        lambda sender: st.tuples(st.just(sender), st.lists(frames(sender), max_size=4), st.booleans())
    )
)
def test_what_a_judge_refuses_breaks_a_rule(case: tuple[Sender, list[bytes], bool]) -> None:
    sender, some, deflate = case
    hold_against(sender, b"".join(some), deflate)


@pytest.mark.lengthy
@pytest.mark.parametrize("sender", Sender)
@pytest.mark.parametrize("deflate", [False, True])
def test_every_first_byte_is_judged_alike(sender: Sender, deflate: bool) -> None:
    """Alone, and inside a message: the 256 first bytes there are, with no payload."""
    mask = KEY if sender is CLIENT else None
    for first in range(256):
        frame = bytearray(build_frame(mask=mask))
        frame[0] = first
        for before in (b"", build_frame("a", fin=False, mask=mask)):
            data = before + bytes(frame)
            hold_against(sender, data, deflate)
            # zlib hands out what it has, so neither judge sees that compressed data lack their last block's end.
            broken = any(
                "inside a block" not in each.found for frame in ours(sender, data, deflate) for each in frame.violations
            )
            refused = any(refuses(sender, data, deflate) for refuses in JUDGES.values())
            odd = any(d.applies(ours(sender, data, deflate)) for d in DIFFERENCES)
            assert broken == refused or odd, (hex(first), bool(before), deflate)


@pytest.mark.parametrize("code", [*range(990, 1030), 2999, 3000, 3999, 4000, 4999, 5000, 65535])
def test_every_status_code_is_judged_alike(code: int) -> None:
    data = build_close(code)
    broken = any(frame.violations for frame in ours(SERVER, data, False))
    assert (websockets_refuses(SERVER, data, False) is not None) is broken
    assert (wsproto_refuses(SERVER, data, False) is not None) is (broken or code == 1014)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.judge)
def test_each_difference_is_still_there(difference: Difference) -> None:
    judged = ours(SERVER, difference.sample, difference.deflate)
    assert not any(frame.violations for frame in judged)
    assert difference.applies(judged)
    assert JUDGES[difference.judge](SERVER, difference.sample, difference.deflate)
    other = next(name for name in JUDGES if name != difference.judge)
    assert JUDGES[other](SERVER, difference.sample, difference.deflate) is None


LET_THROUGH = {
    "length-not-minimal": (build_frame("x", length_form=16), {"websockets"}),
    "text-not-utf8": (build_frame(b"\xff"), {"websockets"}),
    "text-ends-inside-character": (build_frame(b"\xc3"), {"websockets"}),
    "data-after-close": (build_close(1000) + build_frame("x"), {"websockets", "wsproto"}),
}
"""Rules that a judge does not hold frames to at this layer, and who they are. (websockets decodes text in ``recv``.)"""


@pytest.mark.parametrize("rule", LET_THROUGH)
def test_what_the_judges_let_through(rule: str) -> None:
    data, judges = LET_THROUGH[rule]
    assert {violation.rule for frame in ours(SERVER, data, False) for violation in frame.violations} == {rule}
    assert {name for name, refuses in JUDGES.items() if refuses(SERVER, data, False) is None} == judges


# Requests.

LINES = {
    "Host": ["127.0.0.1", None],
    "Upgrade": ["websocket", "WebSocket", "h2c", "", None, "websocket, h2c"],
    "Connection": ["Upgrade", "keep-alive, upgrade", "keep-alive", "", None],
    "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "AAAA", "%", "", None],
    "Sec-WebSocket-Version": ["13", "12", "8", "", None],
    "Sec-WebSocket-Protocol": [None, "chat", "chat, superchat"],
    "Sec-WebSocket-Extensions": [
        None,
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "x-other; a=1",
    ],
    "Origin": [None, "http://127.0.0.1"],
}
USUAL = ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request with up to three faults."""
    lines: list[tuple[str, str]] = [(name, str(LINES[name][0])) for name in USUAL]
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(list(LINES)))
        value = draw(st.sampled_from(LINES[name]))
        if not draw(st.sampled_from([False, False, True])):
            lines = [line for line in lines if line[0] != name]
        if value is not None:
            lines.append((name, value))
    method = draw(st.sampled_from(["GET"] * 6 + ["POST"]))
    version = draw(st.sampled_from(["HTTP/1.1"] * 6 + ["HTTP/1.0"]))
    return build_request(headers=draw(st.permutations(lines)), method=method, version=version)


def websockets_refuses_request(data: bytes) -> str | None:
    protocol = ServerProtocol()
    protocol.receive_data(data)
    events = protocol.events_received()
    if not events:
        return str(protocol.handshake_exc)
    response = protocol.accept(events[0])  # type: ignore[arg-type]
    return None if response.status_code == 101 else f"{response.status_code} {response.body!r}"


def wsproto_refuses_request(data: bytes) -> str | None:
    handshake = H11Handshake(ConnectionType.SERVER)
    try:
        handshake.receive_data(data)
    except RemoteProtocolError as error:
        return str(error)
    return None


REQUEST_JUDGES = {"websockets": websockets_refuses_request, "wsproto": wsproto_refuses_request}


class RequestDifference(NamedTuple):
    """A judge refuses a request that breaks no rule."""

    judge: str
    reason: str
    applies: Callable[[Head], bool]
    sample: bytes


REQUEST_DIFFERENCES = (
    *(
        RequestDifference(
            judge,
            'it wants "websocket" alone; 4.1 wants a value that includes the keyword',
            lambda head: len(head.tokens("Upgrade")) > 1 or len(head.get("Upgrade")) > 1,
            build_request(headers={"Upgrade": "websocket, h2c"}),
        )
        for judge in REQUEST_JUDGES
    ),
    RequestDifference(
        "websockets",
        "it refuses an empty Connection line beside a good one; RFC 9110 5.6.1.2 has a recipient ignore empty elements",
        lambda head: "" in head.get("Connection"),
        build_request(headers={"X": "y"}).replace(b"X: y", b"Connection: "),
    ),
    RequestDifference(
        "wsproto",
        "of several Connection lines it reads the last; RFC 9110 5.3 has them read as one list",
        lambda head: len(head.get("Connection")) > 1,
        build_request(headers={"X": "y"}).replace(b"X: y", b"Connection: keep-alive"),
    ),
)


@settings(max_examples=120)
@example(build_request())
@given(data=requests())
def test_a_request_that_a_judge_refuses_breaks_a_rule(data: bytes) -> None:
    (head,) = (thing for thing in Connection().feed(CLIENT, data) if isinstance(thing, Head))
    if head.violations:
        return
    for name, refuses in REQUEST_JUDGES.items():
        refused = refuses(data)
        allowed = any(d.judge == name and d.applies(head) for d in REQUEST_DIFFERENCES)
        assert refused is None or allowed, f"{name} refuses what breaks no rule here: {refused}"


@pytest.mark.parametrize("difference", REQUEST_DIFFERENCES, ids=lambda difference: difference.judge)
def test_each_difference_over_requests_is_still_there(difference: RequestDifference) -> None:
    (head,) = (thing for thing in Connection().feed(CLIENT, difference.sample) if isinstance(thing, Head))
    assert head.violations == ()
    assert difference.applies(head)
    assert REQUEST_JUDGES[difference.judge](difference.sample)


def test_websockets_takes_a_request_without_a_host_or_with_two() -> None:
    """The rule is HTTP's, and websockets leaves it to others; wsproto's h11 holds it."""
    without = build_request(headers={"Host": None})
    twice = build_request(headers={"X": "y"}).replace(b"X: y", b"Host: b")
    for data, rule in ((without, "host-missing"), (twice, "host-doubled")):
        (head,) = Connection().feed(CLIENT, data)
        assert [violation.rule for violation in head.violations] == [rule]
        assert websockets_refuses_request(data) is None
        assert wsproto_refuses_request(data) is not None
