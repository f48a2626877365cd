"""Random and mutated streams by the thousand: no exception, no lost byte, and the same however they are cut."""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from test_connection import accounted
from wire_streams import CLIENT, SERVER, Thing, random_stream

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Transition

MANY = 200_000
FEW = 5_000
WORKERS = 2


def take_apart(
    cut: random.Random | None, client: bytes, server: bytes, first: Sender
) -> tuple[list[Thing], list[Thing], list[Transition]]:
    """Feed one direction, then the other, each whole or in random chunks."""
    connection = Connection(payloads=200)
    found: tuple[list[Thing], list[Thing]] = ([], [])
    for sender in (first, first.peer):
        data = (client, server)[sender]
        place = 0
        while place < len(data):
            step = len(data) if cut is None else cut.choice((1, 1, 2, 3, 7, 20, 200))
            found[sender].extend(connection.feed(sender, data[place : place + step]))
            place += step
    for sender in Sender:
        found[sender].extend(connection.end(sender))
    return *found, connection.transitions


def fuzz(streams: int, seed: int) -> int:
    """Take apart this many streams, two to a connection; return how many things were found in them."""
    source, cut = random.Random(seed), random.Random(seed + 1)
    number = 0
    for _ in range(streams // 2):
        client, server = random_stream(source, CLIENT), random_stream(source, SERVER)
        first = CLIENT if source.random() < 0.5 else SERVER
        whole = take_apart(None, client, server, first)
        assert (accounted(whole[0]), accounted(whole[1])) == (len(client), len(server)), (client, server, first)
        assert take_apart(cut, client, server, first) == whole, (client, server, first)
        number += len(whole[0]) + len(whole[1])
    return number


@pytest.mark.slow
def test_thousands_of_streams() -> None:
    assert fuzz(FEW, 6455) > FEW


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_thousand_streams() -> None:
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        shares = pool.map(fuzz, [MANY // WORKERS] * WORKERS, range(7692, 7692 + 2 * WORKERS, 2))
        assert sum(shares) > MANY
