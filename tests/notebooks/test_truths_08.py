"""What lesson 08, Saying goodbye, claims, held to websockets, wsproto and conversations in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, ProtocolError

from wslab import Lab, Sender, build_close, build_frame, judge
from wslab.anatomy.record import Kind, Record
from wslab.live.raw import RawEndpoint
from wslab.live.server import echo

KEY = bytes(4)
C, S = Sender.CLIENT, Sender.SERVER


def outcome(data: bytes) -> tuple[str, str]:
    """What each judge does: "accepted", or the status code with which it fails the connection."""
    websockets, wsproto = ("accepted" if each.accepted else str(each.code) for each in judge(data).verdicts)
    return websockets, wsproto


BOTH_ACCEPT = ("accepted", "accepted")
BOTH_1002 = ("1002", "1002")


def end_of(lab: Lab, connection: int = 0) -> list[tuple[Sender, str]]:
    """A connection's records from its first Close frame or end of TCP on: who, and what."""
    records = [(each.sender, each.summary) for each in lab.trace.connection(connection)]
    first = next(at for at, (_, said) in enumerate(records) if said.startswith(("CLOSE", "FIN", "RST")))
    return records[first:]


def reported(lab: Lab, connection: int = 0) -> tuple[int | None, int | None]:
    """The status codes that the client's and the server's program report."""
    closings = lab.trace.closings(connection)
    return closings[C].code, closings[S].code


def served(
    client: Callable[[Lab], Awaitable[None]], handler: Callable[[ServerConnection], Awaitable[None]] = echo
) -> Lab:
    """A closed lab in memory whose server ran ``handler`` while ``client`` did what it does."""

    async def main() -> Lab:
        async with Lab(seed=8, carrier="memory") as lab:
            await lab.serve(handler)
            await client(lab)
        return lab

    return asyncio.run(main())


FIN = "FIN, end of stream"


def test_goodbye_in_order_and_the_server_ends_tcp_first() -> None:
    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        await ws.close(1000, "bye")

    lab = served(client)
    assert end_of(lab) == [(C, 'CLOSE 1000 "bye"'), (S, 'CLOSE 1000 "bye"'), (S, FIN), (C, FIN)]
    assert reported(lab) == (1000, 1000)
    assert [(step.endpoint, step.old.value, step.new.value, step.section) for step in lab.trace.transitions(0)] == [
        (S, "CONNECTING", "OPEN", "RFC 6455 4.2.2"),
        (C, "CONNECTING", "OPEN", "RFC 6455 4.1"),
        (C, "OPEN", "CLOSING", "RFC 6455 7.1.3"),
        (S, "OPEN", "CLOSING", "RFC 6455 7.1.3"),
        (C, "CLOSING", "CLOSED", "RFC 6455 7.1.4"),
        (S, "CLOSING", "CLOSED", "RFC 6455 7.1.4"),
    ]


ALLOWED = (1000, 1001, 1002, 1003, 1007, 1011, 3000, 4000, 4999)
FORBIDDEN = (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)


@pytest.mark.parametrize("code", ALLOWED)
def test_a_code_that_may_be_sent(code: int) -> None:
    """Misconception 17, the codes that are right."""

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        await ws.close(code)

    assert outcome(build_close(code, mask=KEY)) == BOTH_ACCEPT
    lab = served(client)
    assert end_of(lab)[0] == (C, f"CLOSE {code}")
    assert reported(lab) == (code, code)


@pytest.mark.parametrize("code", FORBIDDEN)
def test_a_code_that_may_not_be_sent(code: int) -> None:
    """Misconception 17: refused on the wire with 1002, and by the library before anything crosses."""

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        with pytest.raises(ProtocolError, match="invalid status code"):
            await ws.close(code)
        assert ws.state.name == "OPEN"
        await ws.close()

    assert outcome(build_close(code, mask=KEY)) == BOTH_1002
    assert end_of(served(client))[0] == (C, "CLOSE 1000")


def test_1014_splits_the_judges() -> None:
    assert outcome(build_close(1014, mask=KEY)) == ("accepted", "1002")


def test_1006_on_the_wire_is_a_protocol_error() -> None:
    """Misconception 1, first half."""

    async def client(lab: Lab) -> None:
        async with await lab.raw() as raw:
            await raw.handshake()
            await raw.send(bytes.fromhex("88 82 00 00 00 00 03 ee"))
            await raw.recv_to_end()

    lab = served(client)
    assert end_of(lab) == [(C, "CLOSE 1006"), (S, 'CLOSE 1002 "invalid status code"'), (S, FIN), (C, FIN)]
    assert "close-code-never-sent" in {broken.rule for _, broken in lab.trace.violations}
    assert "since the client's Close frame breaks a rule" in repr(lab.trace.closing(0))


def test_1006_appears_where_nothing_was_sent() -> None:
    """Misconception 1, second half."""

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        ws.transport.close()
        await ws.wait_closed()

    lab = served(client)
    assert end_of(lab) == [(C, FIN), (S, FIN)]
    assert reported(lab) == (1006, 1006)


def with_raw_server(during: Callable[[RawEndpoint, ClientConnection], Awaitable[Any]]) -> Any:
    """What ``during`` returns, given a raw server and a websockets client that is connected to it."""

    async def main() -> Any:
        async with Lab(seed=8, carrier="memory") as lab:
            raw = await lab.raw(listen=True)
            ws, _ = await asyncio.gather(lab.connect(raw.uri), raw.handshake())
            return await during(raw, ws)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "code"), [(build_close(4001), 4001), (build_close(4009), 4009), (build_close(), 1005)]
)
def test_a_program_reports_what_it_received(answer: bytes, code: int) -> None:
    """Misconception 8."""

    async def during(raw: RawEndpoint, ws: ClientConnection) -> int | None:
        closing = asyncio.create_task(ws.close(4001))
        assert (await raw.recv_frame()).status_code == 4001
        await raw.send(answer)
        await raw.close()
        await closing
        return ws.close_code

    assert with_raw_server(during) == code


def test_both_close_at_once_and_both_are_right() -> None:
    """Misconception 8 and RFC 6455 7.1.5."""
    now = asyncio.Event()

    async def close_when_told(connection: ServerConnection) -> None:
        await now.wait()
        await connection.close(4002, "the server goes")

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        now.set()
        await ws.close(4001, "the client goes")

    lab = served(client, close_when_told)
    closes = [(sender, said) for sender, said in end_of(lab) if said.startswith("CLOSE")]
    assert sorted(closes) == [(C, 'CLOSE 4001 "the client goes"'), (S, 'CLOSE 4002 "the server goes"')]
    assert reported(lab) == (4002, 4001)


async def say(raw: RawEndpoint, frame: bytes) -> None:
    await raw.send(frame)
    await raw.recv_frame()
    await raw.close()


WAYS: dict[str, tuple[Callable[[RawEndpoint], Awaitable[Any]], type[ConnectionClosed], int]] = {
    "a close frame": (lambda raw: say(raw, build_close(1000)), ConnectionClosedOK, 1000),
    "an empty close frame": (lambda raw: say(raw, build_close()), ConnectionClosedOK, 1005),
    "FIN": (lambda raw: raw.close(), ConnectionClosedError, 1006),
    "RST": (lambda raw: raw.reset(), ConnectionClosedError, 1006),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_vanish(way: str) -> None:
    vanish, exception, code = WAYS[way]

    async def during(raw: RawEndpoint, ws: ClientConnection) -> int | None:
        await vanish(raw)
        with pytest.raises(exception):
            await ws.recv()
        return ws.close_code

    assert with_raw_server(during) == code


def test_silence_tells_nothing() -> None:
    async def during(raw: RawEndpoint, ws: ClientConnection) -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ws.recv()
        state = ws.state.name
        await raw.close()
        return state

    assert with_raw_server(during) == "OPEN"


def test_a_handler_that_returns_closes_with_1000() -> None:
    """Misconception 24."""

    async def greet(connection: ServerConnection) -> None:
        await connection.send("Hello client!")

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        assert await ws.recv() == "Hello client!"
        await ws.wait_closed()

    lab = served(client, greet)
    assert end_of(lab) == [(S, "CLOSE 1000"), (C, "CLOSE 1000"), (S, FIN), (C, FIN)]


def test_a_handler_that_fails_closes_with_1011_and_keeps_its_error_here() -> None:
    async def fail(connection: ServerConnection) -> None:
        raise LookupError("no such room")

    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        await ws.wait_closed()

    lab = served(client, fail)
    assert end_of(lab)[0] == (S, "CLOSE 1011")
    errors: list[Record] = [each for each in lab.trace.records if each.kind is Kind.ERROR]
    (error,) = errors
    assert error.preview.startswith(b"LookupError: no such room")
    assert b"no such room" not in lab.trace.bytes_sent(0, S)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (build_close(mask=KEY), BOTH_ACCEPT),
        (build_frame(bytes([3]), opcode=8, mask=KEY), BOTH_1002),
        (build_close(1000, "a" * 123, mask=KEY), BOTH_ACCEPT),
        (build_close(1000, "a" * 124, mask=KEY), BOTH_1002),
        (build_close(1000, "ü" * 61, mask=KEY), BOTH_ACCEPT),
        (build_close(1000, "ü" * 62, mask=KEY), BOTH_1002),
        (build_close(1000, "ü".encode()[:1], mask=KEY), ("1007", "1007")),
    ],
)
def test_a_goodbye_has_limits(frame: bytes, expected: tuple[str, str]) -> None:
    assert outcome(frame) == expected


def test_the_library_keeps_the_limit_of_a_reason() -> None:
    async def client(lab: Lab) -> None:
        ws = await lab.connect()
        with pytest.raises(ProtocolError, match="control frame too long"):
            await ws.close(1000, "ü" * 62)
        await ws.close(1000, "ü" * 61)

    lab = served(client)
    assert next(each.payload_length for each in lab.trace.records if each.summary.startswith("CLOSE")) == 124


@pytest.mark.parametrize(
    ("length", "order", "expected"),
    [(10, "little", (1006, "")), (12, "little", (1006, "")), (12, "big", (4000, "good night"))],
)
def test_the_exercise_is_solved_by_its_solution_and_not_by_the_committed_attempt(
    length: int, order: Any, expected: tuple[int, str]
) -> None:
    async def client(lab: Lab) -> None:
        async with await lab.raw() as raw:
            await raw.handshake()
            await raw.send(bytes([0b10001000, 0b10000000 | length]) + KEY + (4000).to_bytes(2, order) + b"good night")
            await raw.recv_to_end()

    report = served(client).trace.closings(0)[S]
    assert (report.code, report.reason) == expected
