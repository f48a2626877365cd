"""Lesson 13: what four ways cost and how long they take, in both directions, and how its exercise judges."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
import time
from functools import cache
from typing import Any

import pytest
from usual import check_usual

from wslab.course import Trial, quiz
from wslab.course.experiments import bills, lesson13, ways
from wslab.course.experiments.bills import FOUR, INTERVALS, RATES, Costs, Curves, Stay, a_minute, bill
from wslab.course.experiments.lesson13 import choose, choosing, simplest, situations
from wslab.course.experiments.ways import (
    COMPRESSED,
    EVENTS,
    LONG_POLLING,
    POLLING,
    UPDATES,
    WAYS,
    WEBSOCKET,
    Delivered,
    Feed,
    serving,
    update,
)

BYTES = {
    "polling, every 0.2 s": "up to 2 times",
    "long polling": "over 10 times",
    "server-sent events": "up to 2 times",
    "WebSocket, compressed": "less",
}
DELAY = {"polling, every 0.2 s": "100 ms", "long polling": "0 ms"}
ONCE = {
    "WebSocket's bytes against one request's": "about the same",
    "the handshake's part of WebSocket's bytes": "over nine tenths",
}
BACK = {
    "a message of the page: a POST against a frame": "over 10 times",
    "an event and a POST against two frames": "2 to 10 times",
}


@cache
def made() -> dict[str, Delivered]:
    return asyncio.run(ways.deliveries())


@cache
def costs() -> Costs:
    return asyncio.run(bills.measure(made()))


# The predictions.


@pytest.mark.lengthy
def test_a_thousand_updates_cost_most_by_long_polling() -> None:
    outcome = lesson13.against_websocket(made())
    assert outcome == BYTES
    check_usual("13.bytes", outcome)
    assert all(len(one.delays) == one.updates == UPDATES for one in made().values())


@pytest.mark.lengthy
def test_the_ratios_are_those_that_the_lesson_tells() -> None:
    of = {way: one.bytes / made()[WEBSOCKET].bytes for way, one in made().items()}
    assert round(of[LONG_POLLING]) == 15
    assert round(of[EVENTS], 1) == 1.4
    assert round(of[POLLING], 1) == 1.1
    assert round(of[COMPRESSED], 1) == 0.2


@pytest.mark.lengthy
def test_polling_waits_half_of_its_interval_and_the_other_ways_are_alike() -> None:
    outcome = lesson13.waits(made())
    assert outcome == DELAY
    check_usual("13.delay", outcome)
    assert all(made()[way].delay < bills.SOON / 4 for way in (LONG_POLLING, EVENTS, WEBSOCKET))


@pytest.mark.lengthy
def test_one_update_costs_as_much_by_a_request_as_by_websocket() -> None:
    outcome = asyncio.run(lesson13.only_once())
    assert outcome == ONCE
    check_usual("13.once", outcome)
    assert (costs().opening[WEBSOCKET], costs().each[WEBSOCKET]) == (600, 45)  # a reason says so


@pytest.mark.lengthy
def test_a_page_that_talks_back_pays_for_a_request_each_time() -> None:
    outcome = lesson13.talking(costs())
    assert outcome == BACK
    check_usual("13.back", outcome)
    assert costs().say[WEBSOCKET] == 43 + 6
    assert round(costs().say[EVENTS] / costs().say[WEBSOCKET] / 5) * 5 == 15
    assert round(costs().say[EVENTS] - 43, -2) == 700


@pytest.mark.lengthy
def test_the_same_helpers_told_of_the_opposite_say_the_opposite() -> None:
    one = Delivered("", 10, 100, 90, (0.1, 0.1))
    many = one._replace(bytes=1000, delays=(0.0, 0.02))
    told = lesson13.against_websocket({**dict.fromkeys(WAYS, one), WEBSOCKET: many})
    assert set(told.values()) == {"less"}
    told = lesson13.against_websocket({**dict.fromkeys(WAYS, many._replace(bytes=1001)), WEBSOCKET: one})
    assert set(told.values()) == {"over 10 times"}
    assert [lesson13.times(size, 10) for size in (10, 11, 20, 21, 100, 101)] == [
        "less", "up to 2 times", "up to 2 times", "2 to 10 times", "2 to 10 times", "over 10 times",
    ]  # fmt: skip
    assert lesson13.waits({POLLING: one, LONG_POLLING: many}) == {
        "polling, every 0.2 s": "100 ms",
        "long polling": "0 ms",
    }
    assert [lesson13.nearest(seconds) for seconds in (0.04, 0.06, 0.19, 0.5)] == ["0 ms", "100 ms", "200 ms", "400 ms"]
    assert [lesson13.against_one(ratio) for ratio in (0.4, 1, 3)] == [
        "less than half", "about the same", "more than twice",
    ]  # fmt: skip
    assert [lesson13.part(share) for share in (0.1, 0.6, 0.95)] == [
        "under a half", "a half to nine tenths", "over nine tenths",
    ]  # fmt: skip
    dear = costs()._replace(say={**dict.fromkeys(FOUR, 1), WEBSOCKET: 100})
    assert lesson13.talking(dear)["a message of the page: a POST against a frame"] == "less"


def test_the_quiz_has_a_reason_for_each_usual_answer() -> None:
    asked = quiz("13").asked.cases
    assert len(asked) == 5
    for case in asked.values():
        assert case.why(case.usual)
        assert not case.kind.same(case.usual, case.was)


# The delivery.


@pytest.mark.parametrize("way", WAYS)
def test_each_way_brings_every_update_once_and_in_order(way: str) -> None:
    """The feed itself refuses any update that is not the next one."""
    one = asyncio.run(ways.deliver(way, 30))
    assert len(one.delays) == 30
    assert min(one.delays) > 0


@pytest.mark.lengthy
def test_bytes_are_the_same_in_each_run() -> None:
    for way in (LONG_POLLING, EVENTS, WEBSOCKET, COMPRESSED):
        first, second = (asyncio.run(ways.deliver(way, 20)) for _ in range(2))
        assert (first.bytes, first.opening) == (second.bytes, second.opening)
        if way != COMPRESSED:  # whose first update costs more than the others
            assert first.each == made()[way].each


def test_an_update_that_is_not_the_next_is_refused() -> None:
    async def main() -> None:
        feed = Feed()
        feed.publish()
        with pytest.raises(ValueError, match="was due"):
            feed.arrive(update(1))

    asyncio.run(main())
    assert {len(update(number)) for number in range(UPDATES)} == {43}


@pytest.mark.lengthy
@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO")
def test_with_the_headers_of_tcp_and_ip_the_differences_are_smaller_and_the_order_is_the_same() -> None:
    async def crossed(way: str) -> int:
        """Bytes and 40 for each segment that the client's kernel sent or received."""
        feed = Feed()
        async with serving(feed, way) as wire:
            receiving = asyncio.ensure_future(WAYS[way](wire, feed, 200))
            for _ in range(200):
                await feed.calm.wait()
                feed.publish()
            await receiving
            peer: socket.socket = wire.writer.get_extra_info("socket")
            told = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)
            return wire.bytes + 40 * sum(struct.unpack_from("II", told, 136))

    async def main() -> list[float]:
        sizes = {way: await crossed(way) for way in (LONG_POLLING, EVENTS, WEBSOCKET)}
        return [sizes[way] / sizes[WEBSOCKET] for way in (LONG_POLLING, EVENTS)]

    late, events = asyncio.run(main())
    assert 1 < events < made()[EVENTS].each / made()[WEBSOCKET].each
    assert 3 < late < made()[LONG_POLLING].each / made()[WEBSOCKET].each


@pytest.mark.lengthy
def test_a_long_poll_is_mostly_header_lines() -> None:
    said = asyncio.run(lesson13.exchange())
    assert said.startswith("GET /wait?after=000 HTTP/1.1\nHost: 127.0.0.1:PORT\n")
    assert said.endswith(f"\n\n[{update(0)}]")
    assert "Date: DATE\n" in said
    heads = costs().each[LONG_POLLING] - len(f"[{update(0)}]")
    assert heads > 600
    assert heads / costs().each[LONG_POLLING] > 0.9


def test_the_picture_shows_the_update_in_an_event_and_in_a_frame() -> None:
    said = repr(lesson13.pieces())
    assert "server-sent events (65 bytes)" in said
    assert "WebSocket (45 bytes)" in said
    assert said.count("the update: bytes") == 2
    assert (costs().each[EVENTS], costs().each[WEBSOCKET]) == (65, 45)


def test_a_byte_of_an_event_is_drawn_as_wide_as_a_byte_of_a_frame() -> None:
    drawn = lesson13.pieces().picture().svg
    boxes = re.findall(r'<rect [^>]* width="([\d.]+)" height="26" [^>]*stroke-width="0.5"', drawn)
    assert len(boxes) == 65 + 45
    assert max(map(float, boxes)) - min(map(float, boxes)) < 0.02  # they are rounded
    assert min(map(float, re.findall(r'font-size="([\d.]+)"', drawn))) >= 11
    assert int(re.findall(r'viewBox="0 0 (\d+) ', drawn)[0]) <= 680


def test_a_page_that_does_not_say_what_it_has_loses_what_comes_in_the_gap() -> None:
    for _ in range(3):
        assert asyncio.run(lesson13.bursts(remembers=False)) == "10 updates, 5 arrive"
        assert asyncio.run(lesson13.bursts(remembers=True)) == "10 updates, 10 arrive"


# The bill and the curves.


def test_the_bill_is_what_a_delivery_costs() -> None:
    """A visit of a quarter of a minute with 20 updates, against 20 updates that were delivered."""
    told = bill(costs()._replace(alive=dict.fromkeys(FOUR, 0)), Stay(80, False, 1, 0.25))
    for way in (LONG_POLLING, EVENTS, WEBSOCKET):
        assert told[way] == pytest.approx(asyncio.run(ways.deliver(way, 20)).bytes)


def test_the_curves_have_the_shapes_that_the_lesson_tells() -> None:
    listening = {rate: a_minute(costs(), rate, talks=False, every=1) for rate in RATES}
    for sizes in listening.values():
        assert min(sizes, key=lambda way: sizes[way]) == WEBSOCKET
        assert 1 < sizes[EVENTS] / sizes[WEBSOCKET] < 1.5
    assert listening[10][POLLING] > listening[10][LONG_POLLING]
    assert listening[100][POLLING] < listening[100][LONG_POLLING]
    assert listening[1000][POLLING] < 3 * listening[0.1][POLLING]  # nearly flat
    for rate in RATES[1:]:
        sizes = a_minute(costs(), rate, talks=True, every=1)
        assert sizes[EVENTS] / sizes[WEBSOCKET] > 4
    for every in INTERVALS:
        assert Curves(costs(), every=every).delay(POLLING) == pytest.approx(every / 2, rel=0.3)


def test_the_table_has_no_figure_that_varies() -> None:
    slow = costs()._replace(delay={**costs().delay, WEBSOCKET: 0.3, POLLING: 0.56})
    rows = {way: (size, ratio, delay) for way, size, ratio, delay in Curves(slow).rows()}
    assert rows[POLLING] == ("39,000", "81 ×", "0.5 s")
    assert rows[LONG_POLLING] == ("6,900", "14 ×", "under 0.05 s")
    assert rows[WEBSOCKET] == ("480", "1 ×", "0.3 s")
    assert "the client talks back as often" in repr(Curves(costs(), talks=True))


@pytest.mark.slow
def test_the_drawing_is_the_same_for_the_same_numbers_and_takes_the_colours_of_the_page() -> None:
    drawn = Curves(costs()).svg()
    assert drawn == Curves(costs()).svg()
    assert "var(--wsv-client," in drawn
    assert drawn.count("<style>") == 1
    assert "*{" not in drawn
    for way in FOUR:
        assert way in drawn
    assert Curves(costs()).png()[:8] == b"\x89PNG\r\n\x1a\n"
    assert set(Curves(costs())._repr_mimebundle_()) == {"image/png", "text/plain"}


def test_each_curve_lies_on_its_axes_even_where_the_delay_is_tiny() -> None:
    tiny = costs()._replace(delay={POLLING: 0.5, LONG_POLLING: 3e-4, EVENTS: 3.7e-5, WEBSOCKET: 5.2e-5})
    for axes in Curves(tiny).plot().axes:
        low, high = axes.get_ylim()
        drawn = [line for line in axes.lines if line.get_label() in FOUR]
        assert len(drawn) == 4
        assert all(low < min(line.get_ydata()) <= max(line.get_ydata()) < high for line in drawn)
        assert sorted(drawn, key=lambda line: line.get_zorder()) == drawn[::-1]  # the solid one hides none
    assert [bills._plain(value) for value in (1e-5, 0.1, 10, 1000)] == ["0.00001", "0.1", "10", "1,000"]


@pytest.mark.slow
def test_the_sliders_and_the_switch_move_the_curves() -> None:
    curves = Curves(costs())
    rate, every, talks, page, table, *_ = bills.curves_form(curves).children
    before = page.value
    rate.value, every.value, talks.value = 100, 5, True
    assert (curves.rate, curves.every, curves.talks) == (100, 5, True)
    assert page.value != before
    assert "100 updates a minute; the client talks back as often; a poll every 5 s" in table.value


# The exercise.


def check(answer: Any, **options: Any) -> Any:
    return asyncio.run(choosing.check(answer, **options))


def wrong(**where: str) -> Any:
    """An answer that is right but for some kinds of pages."""

    def answer(updates: float, talks: bool, delay: float, minutes: float) -> str:
        right = choose(updates, talks, delay, minutes)
        return where.get(right.replace(" ", "_").replace("-", "_"), right)

    return answer


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda *visit: WEBSOCKET, "You take WebSocket for a page that only listens"),
        (wrong(WebSocket=EVENTS), "A page that talks back sends a request for each of its messages"),
        (wrong(server_sent_events=LONG_POLLING), "A page with many updates pays for a request with each"),
        (wrong(polling=EVENTS), "A page that may wait longer than its visit lasts"),
        (wrong(long_polling=POLLING), "A page that may not wait has to poll all the time"),
        (wrong(long_polling=EVENTS), "For a single update one request is enough"),
        (lambda *visit: "SSE", "You return something else than one of these texts"),
        (lambda *visit: None, "You return something else than one of these texts"),
        (lambda *visit: visit[9], "IndexError"),
    ],
)
def test_a_wrong_choice_gets_its_own_sentence(answer: Any, says: str) -> None:
    verdict = check(answer)
    assert not verdict.solved
    assert says in " ".join(repr(verdict).split())


def test_the_reference_is_right_for_the_author() -> None:
    verdict = check(choosing.answer)
    verdict.assert_solved()
    assert verdict.points() == 3


def test_two_hundred_seeds_are_solvable_with_room_to_spare() -> None:
    for seed in range(200):
        for _, visit in situations(Trial(str(seed))):
            sizes = bill(costs(), visit)
            assert simplest(sizes) == choose(*visit)
            ratios = [size / min(sizes.values()) for size in sizes.values()]
            assert not any(1.6 < ratio < 2.5 for ratio in ratios)


@pytest.mark.lengthy
def test_fifty_seeds_are_judged() -> None:
    for seed in range(50):
        check(choosing.answer, seed_of=str(seed)).assert_solved()


@pytest.mark.slow
def test_an_endless_loop_is_ended() -> None:
    def endless(*visit: Any) -> None:
        while True:
            pass

    started = time.perf_counter()
    assert "had not returned after 1 s" in repr(check(endless))
    assert time.perf_counter() - started < 6
