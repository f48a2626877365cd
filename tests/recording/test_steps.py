"""Which record changed a state, what is still on its way, and that neither piles up."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import conversation

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.protocol.states import State
from wslab.recording import Step
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender
CONNECTING, OPEN, CLOSING, CLOSED = State


@pytest.fixture
def trace() -> Trace:
    trace = Trace()
    conversation(trace)
    return trace


def told(steps: list[Step]) -> list[tuple[int, Sender, State]]:
    return [(step.record, step.transition.endpoint, step.transition.new) for step in steps]


def test_each_change_of_state_is_told_with_its_record(trace: Trace) -> None:
    kinds = [record.kind for record in trace]
    assert kinds == [Kind.REQUEST, Kind.RESPONSE, *[Kind.FRAME] * 5, Kind.FIN, Kind.FIN]
    assert told(trace.steps()) == [
        (1, SERVER, OPEN),
        (1, CLIENT, OPEN),
        (5, CLIENT, CLOSING),
        (5, SERVER, CLOSING),
        (8, CLIENT, CLOSED),
        (8, SERVER, CLOSED),
    ]
    assert told(trace.steps(2, 8)) == [(5, CLIENT, CLOSING), (5, SERVER, CLOSING)]
    assert trace.steps(2, 5) == []


def test_states_can_be_asked_for_at_every_record(trace: Trace) -> None:
    found = [trace.states_at(0, number)[SERVER] for number in range(9)]
    assert found == [CONNECTING, OPEN, OPEN, OPEN, OPEN, CLOSING, CLOSING, CLOSING, CLOSED]
    assert trace.states_at(0, 8) == trace.states(0)


def test_steps_are_told_connection_by_connection_and_survive_a_file(trace: Trace, tmp_path: Path) -> None:
    conversation(trace, "two")
    assert [step.connection for step in trace.steps()] == [0] * 6 + [1] * 6
    trace.save(tmp_path / "two.wslab")
    again = Trace.load(tmp_path / "two.wslab")
    assert again.steps() == trace.steps()
    assert again.states_at(1, 14) == trace.states_at(1, 14)


def test_states_are_right_when_the_records_that_led_to_them_were_dropped() -> None:
    trace = Trace(max_entries=16)
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    for writer, data in ((client, build_request()), (server, build_response())):
        writer.sent(bytes(data))
    for _ in range(100):
        server.sent(build_frame("Hello"))
        trace.update()
    assert trace.first > 1
    assert trace.steps() == []
    assert set(trace.states_at(0, trace.total - 1).values()) == {OPEN}


def test_what_is_on_its_way_is_told_and_can_be_waited_for() -> None:
    trace = Trace()
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    client.sent(b"abc")
    assert trace.on_its_way() == ["3 bytes from the client of connection 0"]
    server.received(b"ab")
    assert trace.on_its_way() == ["1 byte from the client of connection 0"]
    server.received(b"c")
    assert trace.on_its_way() == []
    client.fin_sent()
    assert trace.on_its_way() == ["the client's FIN on connection 0"]
    server.fin_received()
    client.closed()
    assert trace.on_its_way() == ["the server's end of connection 0, which is not closed yet"]
    server.closed()
    assert trace.on_its_way() == []


def test_a_connection_that_a_server_will_accept_is_on_its_way() -> None:
    trace = Trace()
    client = trace.join(CLIENT, "one")
    client.sent(b"abc")
    assert trace.on_its_way() == [], "nothing is known of the other end"
    expected = ["connection 0, which the server has not accepted yet"]
    assert trace.on_its_way(lambda key: key == "one") == expected
    woken: list[bool] = []
    trace.subscribe(lambda: woken.append(True))
    trace.join(SERVER, "one")
    assert woken, "who waits for that has to look again"
    assert trace.on_its_way(lambda key: True) == ["3 bytes from the client of connection 0"]


def test_a_client_that_was_refused_is_not_waited_for() -> None:
    trace = Trace()
    client = trace.join(CLIENT, "one")
    client.reset_received()
    client.closed()
    assert trace.on_its_way(lambda key: True) == []


def test_close_frames_without_end_leave_nothing_behind() -> None:
    trace = Trace(max_entries=16)
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    client.sent(bytes(build_request()))
    server.sent(bytes(build_response()))
    for _ in range(100):
        client.sent(build_close(1000, mask=bytes(4)))
        trace.update()
    assert trace.ledger.conversations[0].causes == {}
    assert len(trace.ledger.conversations[0].steps) == 4


def test_connections_that_are_over_are_forgotten_though_an_older_one_lives() -> None:
    trace = Trace(max_entries=16)
    trace.join(CLIENT, "old").sent(bytes(build_request()))
    for number in range(200):
        client = trace.join(CLIENT, number)
        client.sent(bytes(build_request()))
        client.closed()
        trace.update()
    assert 0 in trace.connections
    assert len(trace.connections) < 40
