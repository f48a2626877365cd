"""The three lanes as JSON, over traffic whose every edge is known."""

from __future__ import annotations

import json

import pytest
from fake_page import FakePage

from wslab.anatomy.field import Sender
from wslab.panels.lab_panel import lab_panel
from wslab.panels.lab_panel.lab_panel import LabPanel, lanes_json
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording.trace import Trace

REQUEST, RESPONSE = bytes(build_request()), bytes(build_response())
PIECES = [build_frame("one", fin=False), build_frame("<p>\u202e", opcode=9), build_frame("two", opcode=0)]


@pytest.fixture
def trace() -> Trace:
    """A fragmented message with a ping in it: written at once, read byte by byte."""
    trace = Trace()
    client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
    client.sent(REQUEST)
    server.received(REQUEST)
    server.sent(RESPONSE)
    client.received(RESPONSE)
    data = b"".join(PIECES)
    server.sent(data)
    for place in range(len(data)):
        client.received(data[place : place + 1])
    return trace


def test_one_write_many_reads_three_frames_one_message(trace: Trace) -> None:
    base, sizes = len(RESPONSE), [len(piece) for piece in PIECES]
    told = json.loads(json.dumps(lanes_json(trace, 3)))
    assert (told["sender"], told["connection"]) == ("server", 0)
    assert (told["start"], told["stop"]) == (0, base + sum(sizes))

    spans = [(one["offset"], one["header"] + one["payload"]) for one in told["records"]]
    assert spans == [(0, base), (base, sizes[0]), (base + sizes[0], sizes[1]), (base + sum(sizes[:2]), sizes[2])]
    assert [one["control"] for one in told["records"]] == [False, False, True, False]
    assert "\u202e" not in told["records"][2]["words"]

    by = {end: [(one["offset"], one["length"]) for one in told["chunks"] if one["by"] == end] for end in told_ends()}
    assert by["server"] == [(0, base), (base, sum(sizes))]
    assert by["client"] == [(0, base), *((base + place, 1) for place in range(sum(sizes)))]
    assert [(one["first"], one["last"], one["start"], one["stop"], one["words"]) for one in told["messages"]] == [
        (2, 4, base, base + sum(sizes), "TEXT, 6 bytes")
    ]


def told_ends() -> list[str]:
    return [sender.label for sender in Sender]


def test_of_many_chunks_the_first_are_sent_and_the_rest_counted(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_panel, "MOST_CHUNKS", 5)
    told = lanes_json(trace, 3)
    assert len(told["chunks"]) == 5
    assert told["chunks_left_out"] == 2 + 1 + sum(map(len, PIECES)) - 5


def test_the_panel_answers_and_says_in_words_what_it_cannot(trace: Trace) -> None:
    panel = LabPanel(trace)
    page = FakePage(panel)
    for number in (3, 99):
        page.ask("lanes", number=number)
    assert page.told[0] == {"tell": "lanes", "number": 3, "lanes": lanes_json(trace, 3), "problem": None}
    assert page.told[1]["lanes"] is None
    assert "no record 99" in page.told[1]["problem"]
    panel.close()
