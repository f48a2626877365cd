"""What may be sent by the ends of live connections, from any loop, through the library and past it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from waits import until
from wsproto.connection import Connection as Peer
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from wslab.anatomy.field import Sender
from wslab.live.ends import End, masking_keys, open_client, open_raw
from wslab.live.errors import CannotSend, LibraryRefuses, NoServer
from wslab.live.lab import Lab
from wslab.live.tap import SAMPLE_MASK
from wslab.protocol import build_close, build_frame
from wslab.protocol.states import State

Run = Callable[[Any], Any]
C, S = Sender.CLIENT, Sender.SERVER
MASK = bytes.fromhex("01020304")


def end_of(lab: Lab, key: str) -> End:
    return next(end for end in lab.ends if end.key == key)


def sent(end: End) -> bytes:
    """What that end has sent behind its head."""
    return end.trace.bytes_sent(end.connection, end.end).partition(b"\r\n\r\n")[2]


def test_a_lab_tells_the_ends_of_its_live_connections(carrier: str, run: Run) -> None:
    async def main() -> None:
        lab = Lab(carrier=carrier)
        assert lab.ends == ()
        await lab.serve()
        client, _ = await lab.connect(), await lab.raw()
        await until(lambda: len(lab.ends) == 4)
        assert [(end.connection, end.end, end.kind) for end in lab.ends] == [
            (0, C, "client"), (0, S, "server"), (1, C, "raw"), (1, S, "server"),
        ]  # fmt: skip
        assert [end.label for end in lab.ends[1:3]] == ["■ server of connection 0", "● client of connection 1, raw"]
        assert all(end.open for end in lab.ends)
        assert [end.state for end in lab.ends] == [State.OPEN, State.OPEN, State.CONNECTING, State.CONNECTING]
        assert repr(lab.ends[0]) == "<End ● client of connection 0, OPEN>"
        gone = lab.ends[0]
        await client.close()
        await until(lambda: [end.connection for end in lab.ends] == [1, 1])
        assert not gone.open
        with pytest.raises(CannotSend, match="● client of connection 0"):
            await gone.write(b"x")
        await lab.close()
        assert lab.ends == ()

    run(main())


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("key", ["client 0", "server 0"])
def test_bytes_go_out_as_they_are(carrier: str, run: Run, key: str, seed: Any) -> None:
    async def main() -> None:
        async with Lab(seed, carrier=carrier) as lab:
            await lab.serve()
            await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            end = end_of(lab, key)
            data = build_frame("Hi", mask=MASK) + build_frame("x" * 300, opcode=3, rsv2=True)
            before = lab.trace.total
            assert await end.write(data) == before, "the number of its first frame's record"
            assert sent(end).startswith(data), "no seed puts them under another masking key"
            assert [v.rule for v in lab.trace.frame(before + 1).violations][:2] == ["rsv-not-agreed", "opcode-reserved"]

    run(main())


def test_the_peer_fails_the_connection_that_an_illegal_frame_came_by(carrier: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve()
            client = await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            await end_of(lab, "client 0").write(build_frame("not masked"))
            await client.wait_closed()
            assert client.close_code == 1002

    run(main())


@pytest.mark.parametrize("kind", ["client", "server", "raw"])
def test_what_the_ready_made_frames_say_to_another_library(carrier: str, run: Run, kind: str) -> None:
    """wsproto, which knows nothing of ours, reads what was sent."""

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            await lab.serve(ssl=None)
            if kind == "raw":
                await (await lab.raw()).handshake()
            else:
                await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            end = next(end for end in lab.ends if end.kind == kind)
            numbers = [await end.ping("p"), await end.pong(b"q"), await end.send("text"), await end.close(3001, "bye")]
            assert [lab.trace.frame(number).opcode for number in numbers if number is not None] == [9, 10, 1, 8]
            peer = Peer(ConnectionType.SERVER if end.end is C else ConnectionType.CLIENT)
            peer.receive_data(sent(end))
            events = [event for event in peer.events() if not (isinstance(event, Pong) and event.payload != b"q")]
            assert events[:4] == [
                Ping(payload=b"p"), Pong(payload=b"q"), TextMessage(data="text"),
                CloseConnection(code=3001, reason="bye"),
            ]  # fmt: skip
            if kind != "raw":
                assert end.state in (State.CLOSING, State.CLOSED), "the library's own state followed"

    run(main())


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda end: end.close(1006), "CLOSE 1006: invalid status code"),
        (lambda end: end.close(70000), "CLOSE 70000"),
        (lambda end: end.close(1000, "x" * 124), "CLOSE 1000: control frame too long"),
        (lambda end: end.ping("x" * 126), "this PING: control frame too long"),
    ],
)
def test_a_library_refuses_what_the_protocol_forbids_and_a_raw_end_does_not(run: Run, act: Any, said: str) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            await lab.connect()
            raw = await open_raw(lab)
            await until(lambda: len(lab.ends) == 4)
            end = end_of(lab, "client 0")
            with pytest.raises(LibraryRefuses, match=said) as refused:
                await act(end)
            assert "exact bytes" in str(refused.value)
            assert (end.open, end.state) == (True, State.OPEN)
            if "70000" not in said:  # it fits into no 16 bits
                assert await act(raw) is not None

    run(main())


def test_a_library_is_not_told_of_bytes_and_answers_in_its_own_way(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            end = end_of(lab, "client 0")
            await end.write(build_close(1000, mask=MASK))
            assert end.state is State.OPEN
            assert lab.trace.states(0)[C] is State.CLOSING
            await until(lambda: not end.open)
            closes = [frame for frame in lab.trace.frames if frame.sender is C and frame.opcode == 8]
            assert len(closes) == 2, "the peer's answer is the first close frame that the library hears of"

    run(main())


def test_after_its_close_frame_a_library_sends_no_more_and_bytes_still_go(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            waiting = await lab.raw(listen=True)
            joining = asyncio.ensure_future(lab.connect(waiting.uri).__aenter__())
            await waiting.handshake()
            await joining
            end = end_of(lab, "client 0")
            await end.close(1000, "done")
            assert (end.open, end.state) == (True, State.CLOSING), "the peer has not answered yet"
            for act in (end.send("x"), end.ping(), end.close()):
                with pytest.raises(CannotSend, match="CLOSING"):
                    await act
            number = await end.write(build_frame("late", mask=MASK))
            assert number is not None
            assert [v.rule for v in lab.trace.frame(number).violations] == ["data-after-close"]
            await waiting.close()

    run(main())


def test_ends_are_driven_from_another_thread_and_another_loop(run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            await lab.serve()
            client = await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            end = end_of(lab, "server 0")
            assert end.loop is not asyncio.get_running_loop()
            assert await end.send("from the server") is not None
            assert await client.recv() == "from the server"
            numbers: list[int | None] = []

            async def elsewhere() -> None:
                numbers.append(await end_of(lab, "client 0").ping("x"))

            thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
            thread.start()
            await until(lambda: not thread.is_alive())
            assert numbers[0] is not None
            assert lab.trace.frame(numbers[0]).data == b"x"

    run(main())


def test_ends_opened_on_the_servers_loop_live_until_the_lab_closes(run: Run) -> None:
    async def handler(connection: Any) -> None:
        for number in range(100):  # more than a library keeps for somebody who does not read
            await connection.send(str(number))
        await connection.wait_closed()

    async def main() -> None:
        lab = Lab()
        with pytest.raises(NoServer):
            await open_client(lab)
        await lab.serve(handler)
        assert lab.loop is not None
        for make, kind in ((open_client, "client"), (open_raw, "raw")):
            end = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(lab), lab.loop))
            assert (end.kind, end.state, end.loop) == (kind, State.OPEN, lab.loop)
            assert await end.ping("!") is not None
        await until(lambda: sum(frame.opcode == 10 for frame in lab.trace.frames) == 2)
        await lab.close()
        closes = [frame.status_code for frame in lab.trace.frames if frame.sender is C and frame.opcode == 8]
        assert closes == [1000]

    run(main())


def test_a_forgotten_lab_takes_the_ends_on_its_servers_loop_along(run: Run) -> None:
    async def main() -> list[End]:
        lab = Lab()
        await lab.serve()
        assert lab.loop is not None
        ends = [
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(lab), lab.loop))
            for make in (open_client, open_raw)
        ]
        del lab
        await until(lambda: not any(thread.name == "wslab server" for thread in threading.enumerate()))
        return ends

    assert [end.open for end in run(main())] == [False, False]


def test_masking_keys_are_random_or_the_seeds() -> None:
    def first(seed: Any, purpose: str = "x") -> list[bytes]:
        keys = masking_keys(seed, purpose)
        return [next(keys) for _ in range(3)]

    assert first(None) != first(None)
    assert first(1) == first(1)
    assert len({*first(1), *first(1, "y"), *first(2)}) == 9
    assert first("rfc") == [SAMPLE_MASK] * 3
    assert {len(key) for key in first(None) + first(1)} == {4}
