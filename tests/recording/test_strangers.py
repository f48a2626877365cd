"""No guess as a fact: another protocol is no WebSocket, and WebSocket without a handshake is found, as a guess."""

from __future__ import annotations

import random

import pytest
from packets import ACK, SYN, Talk, pcap
from strangers import STRANGERS, captured, midstream, stranger

from wslab.recording.files.capture_in import read_capture
from wslab.recording.trace import Trace

SEEDS = 40
"""Of each protocol; ``wrongly_told`` and ``missed`` of more say how often wslab errs."""
GUESS = "that they are WebSocket is a guess"


def read(talk: Talk) -> Trace:
    return read_capture(pcap(talk.packets), Trace)


def wrongly_told(name: str, seeds: range) -> list[int]:
    """The seeds whose stream of that protocol is told as WebSocket; each is at least said to be a guess."""
    wrong = []
    for seed in seeds:
        rng = random.Random(f"{name}{seed}")
        trace = read(captured(stranger(name, rng), rng))
        if trace.connections:
            assert any(GUESS in note for note in trace.notes)
            wrong.append(seed)
    return wrong


def missed(ends: str, seeds: range) -> list[int]:
    """The seeds whose frames of those ends are not all found."""
    found = []
    for seed in seeds:
        rng = random.Random(f"{ends}{seed}")
        lines = midstream(rng, ends)
        trace = read(captured(lines, rng))
        if len(trace.frames) != len(lines):
            found.append(seed)
        else:
            assert any(GUESS in note for note in trace.notes)
    return found


@pytest.mark.lengthy
@pytest.mark.parametrize("name", STRANGERS)
def test_another_protocol_is_no_websocket(name: str):
    assert wrongly_told(name, range(SEEDS)) == []


@pytest.mark.parametrize("ends", ["c", "s", "cs"])
def test_websocket_without_its_handshake_is_found(ends: str):
    assert missed(ends, range(SEEDS)) == []


@pytest.mark.parametrize("ends", ["c", "s", "cs"])
@pytest.mark.parametrize("seed", range(5))
def test_what_begins_with_frames_behind_its_syn_is_no_websocket(ends: str, seed: int):
    """Nothing was lost, so there was no handshake."""
    rng = random.Random(seed)
    talk = Talk().open().say(midstream(rng, ends))
    assert read(talk).notes == ("1 TCP connection left out: not WebSocket",)


@pytest.mark.parametrize("seed", range(5))
def test_frames_behind_a_syn_and_a_gap_are_a_guess(seed: int):
    rng = random.Random(seed)
    talk = Talk()
    talk.put("c", flags=SYN)
    talk.put("s", flags=SYN | ACK)
    talk.next = {who: number + 150 for who, number in talk.next.items()}  # what was not captured
    lines = midstream(rng, "cs")
    trace = read(talk.say(lines))
    assert len(trace.frames) == len(lines)
    assert (
        f"connection 0: its first frames follow a gap; {GUESS}, since no opening handshake was captured" in trace.notes
    )
