"""12b, more about the middle: its predictions, and what it tells its learners is so."""

from __future__ import annotations

import asyncio

import pytest
from usual import check_usual

from wslab import Sender
from wslab.course.experiments import lesson12b
from wslab.course.experiments.lesson12b import (
    CONNECT,
    GET,
    WAYS,
    Bending,
    BothVersions,
    ChunkCounts,
    again,
    byte_by_byte,
    converse,
    count_ports,
    crowd,
    ends_of,
    keys,
    late,
    over_http2,
    ports,
    timed,
    tried,
)
from wslab.live import Lab
from wslab.live.relay.bends import Coalesced, Delay, StripHeader

ONE_MORE = "one more, from a port that is in use, and from 127.0.0.2"


@pytest.mark.lengthy
def test_a_delay_is_waited_for_there_and_back() -> None:
    outcome = asyncio.run(timed(Delay(0.1)))
    assert [*outcome.values()] == ["yes", "yes", "no"]
    check_usual("12.slow", outcome)
    assert [*late(0.01, 0.19, changed=True).values()] == ["no", "no", "yes"]


@pytest.mark.lengthy
def test_a_byte_at_a_time_no_edge_of_a_write_is_left() -> None:
    """Misconception 5: what one read gives has nothing to do with frames."""
    talk = asyncio.run(byte_by_byte())
    assert [*talk.outcome.values()] == ["succeeds", 3, "yes"]
    check_usual("12.pieces", talk.outcome)
    assert talk.chunks == 47
    frame = next(record for record in talk.trace if record.summary == 'TEXT "one"')
    chunks = talk.trace.lanes(frame.number, around=0).chunks
    assert sum(chunk.seen_by is Sender.CLIENT for chunk in chunks) == 1
    assert sum(chunk.seen_by is Sender.SERVER for chunk in chunks) == 9


def test_joined_frames_leave_in_one_chunk() -> None:
    talk = asyncio.run(converse(Coalesced(0.1, at="frames", direction="client")))
    assert talk.chunks == 1
    assert ChunkCounts({"joined": talk}).rows == [("joined", "3", "1", "one, two, three and a little more")]


def test_other_conversations_give_other_words() -> None:
    async def refused() -> Bending:
        async with Lab(seed=12) as lab:
            await lab.serve()
            relay = await lab.relay(bends=[StripHeader("Upgrade")])
            async with await lab.raw(relay.uri) as raw:
                await raw.send(
                    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                )
                await raw.recv_to_end()
            return Bending(["one"], [], relay.trace)

    assert [*asyncio.run(refused()).outcome.values()] == ["fails", 0, "no"]


@pytest.mark.lengthy
@pytest.mark.slow
def test_one_port_serves_200_clients_and_one_more_from_a_port_that_is_in_use() -> None:
    """Misconception 22."""
    outcome = asyncio.run(count_ports(200))
    assert [*outcome.values()] == [1, 200, "it connects"]
    check_usual("12.clients", outcome)


def test_the_same_four_numbers_are_refused() -> None:
    async def main() -> str:
        async with Lab() as lab:
            await lab.serve(lambda connection: connection.wait_closed())
            async with crowd(lab, 1) as clients:
                return await again(lab, [ends_of(clients[0])], "127.0.0.1")

    assert asyncio.run(main()).startswith("an error: ")
    assert [*ports([("a", 1, "s", 1), ("a", 1, "s", 2), ("b", 1, "s", 2)]).values()] == [2, 2]


def test_over_http2_a_websocket_begins_with_connect() -> None:
    """Misconception 28: the head is built and read by h2."""
    pytest.importorskip("h2")
    outcome = tried(WAYS)
    assert [*outcome.values()] == ["refused", "accepted with 200", 0]
    check_usual("12.http2", outcome)
    accepted = over_http2(CONNECT)
    assert dict(accepted.request)[":method"] == "CONNECT"
    assert dict(accepted.request)[":protocol"] == "websocket"
    assert accepted.echo == bytes.fromhex("81 85 00 00 00 00") + b"Hello"
    assert "Connection-specific header" in over_http2(GET).refused
    assert [*keys(GET).values()] == [1]


def test_a_get_without_its_upgrade_is_an_ordinary_request() -> None:
    pytest.importorskip("h2")
    plain = [pair for pair in GET if pair[0] not in ("connection", "upgrade")]
    assert over_http2(plain).word == "accepted with 200"


def test_both_handshakes_stand_side_by_side() -> None:
    pytest.importorskip("h2")
    shown = repr(BothVersions())
    for pair in (("Upgrade: websocket", ":protocol: websocket"), ("HTTP/1.1 101 Switching Protocols", ":status: 200")):
        assert any(all(part in line for part in pair) for line in shown.splitlines())
    assert '"Hello"' in shown


def test_without_h2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(lesson12b, "import_module", missing)
    with pytest.raises(ImportError, match="pip install h2"):
        over_http2(CONNECT)
