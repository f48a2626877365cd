"""What lesson 03, The two bytes that rule, claims, held to websockets, wsproto and a conversation in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wslab import Lab, Sender, build_frame, explain, judge
from wslab.anatomy.record import Kind, Record

KEY = bytes(4)


def outcome(data: bytes, **how: Any) -> tuple[str, str]:
    """What each judge does: "accepted", or the status code with which it fails the connection."""
    websockets, wsproto = ("accepted" if each.accepted else str(each.code) for each in judge(data, **how).verdicts)
    return websockets, wsproto


BOTH_ACCEPT = ("accepted", "accepted")
BOTH_1002 = ("1002", "1002")


def sent_and_echoed(*messages: str | bytes) -> list[Record]:
    """The data frames' records of a conversation in which a server echoes each message."""

    async def main() -> list[Record]:
        async with Lab(seed=3, carrier="memory") as lab:
            await lab.serve()
            async with lab.connect() as ws:
                for message in messages:
                    await ws.send(message)
                    assert await ws.recv() == message
            return [each for each in lab.trace.records if each.kind is Kind.FRAME and each.first & 0b1111 in (1, 2)]

    return asyncio.run(main())


def test_client_and_server_say_the_same_word_and_differ_in_the_mask_bit() -> None:
    hello, echo = sent_and_echoed("Hello")
    assert (f"{hello.first:08b} {hello.second:08b}", f"{echo.first:08b} {echo.second:08b}") == (
        "10000001 10000101",
        "10000001 00000101",
    )
    assert hello.header_length == echo.header_length + 4


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("00000000 00000101", BOTH_1002),
        ("00000000 10000101", BOTH_1002),
        ("01000001 10000101", BOTH_1002),
        ("00000001 10000101", BOTH_ACCEPT),
        ("10000001 10000101", BOTH_ACCEPT),
    ],
)
def test_sixteen_bits_are_set_until_a_peer_accepts(bits: str, expected: tuple[str, str]) -> None:
    first, second = (int(byte, 2) for byte in bits.split())
    assert outcome(bytes([first, second]) + (KEY if second & 0b10000000 else b"") + b"Hello") == expected


def test_seven_of_256_first_bytes_open_a_conversation() -> None:
    verdicts = [outcome(bytes([first, 0b10000000]) + KEY) for first in range(256)]
    assert [first for first, said in enumerate(verdicts) if said == BOTH_ACCEPT] == [
        0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8A,
    ]  # fmt: skip
    assert all(said in (BOTH_ACCEPT, BOTH_1002) for said in verdicts)


@pytest.mark.parametrize(("length", "header"), [(0, 2), (124, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)], ids=str)
def test_the_header_is_2_or_4_or_10_bytes_and_4_more_when_masked(length: int, header: int) -> None:
    sent, returned = sent_and_echoed(b"a" * length)
    assert (sent.payload_length, returned.payload_length) == (length, length)
    assert (sent.header_length, returned.header_length) == (header + 4, header)


def test_length_counts_bytes() -> None:
    """Misconception 18."""
    texts = ("Hello", "şğü", "10 €")
    said = [each.second & 0b01111111 for each in sent_and_echoed(*texts) if each.sender is Sender.CLIENT]
    assert said == [5, 6, 6] == [len(text.encode()) for text in texts]
    assert [len(text) for text in texts] == [5, 3, 4]


def test_a_wrong_length_makes_payload_into_headers() -> None:
    judgement = judge(build_frame("Hello", mask=KEY, length=3))
    assert [verdict.events for verdict in judgement.verdicts] == [('text message "Hel"',)] * 2
    assert [verdict.code for verdict in judgement.verdicts] == [1002, 1002]
    assert outcome(build_frame("şğü", mask=KEY, length=3)) == ("1007", "1007")


@pytest.mark.parametrize(
    ("form", "expected"), [(7, BOTH_ACCEPT), (16, ("accepted", "1002")), (64, ("accepted", "1002"))], ids=str
)
def test_a_length_that_is_not_in_its_shortest_form_splits_the_judges(form: int, expected: tuple[str, str]) -> None:
    """Misconception 19."""
    frame = build_frame("Hello", mask=KEY, length_form=form)
    assert outcome(frame) == expected
    assert [broken.rule for broken in explain(frame).violations] == ([] if form == 7 else ["length-not-minimal"])


def test_control_frames_stay_small_and_whole() -> None:
    assert outcome(build_frame(b"?" * 125, opcode=9, mask=KEY)) == BOTH_ACCEPT
    assert outcome(build_frame(b"?" * 126, opcode=9, mask=KEY)) == BOTH_1002
    assert outcome(build_frame(b"?", opcode=9, fin=False, mask=KEY)) == BOTH_1002


def test_a_live_server_answers_125_bytes_with_a_pong_and_126_with_1002() -> None:
    async def main() -> None:
        async with Lab(seed=3, carrier="memory") as lab:
            await lab.serve()
            async with await lab.raw() as raw:
                await raw.handshake()
                await raw.send(build_frame(b"?" * 125, opcode=9, mask=KEY))
                pong = await raw.recv_frame()
                assert (pong.first, pong.data) == (0x8A, b"?" * 125)
                await raw.send(build_frame(b"?" * 126, opcode=9, mask=KEY))
                answer = await raw.recv_frame()
                assert (answer.first, answer.status_code, answer.close_reason) == (0x88, 1002, "control frame too long")
                assert await raw.recv_to_end() == b""

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [{"rsv1": True}, {"rsv2": True}, {"rsv3": True}, {"opcode": 3}, {"opcode": 11}, {"mask": None}],
    ids=str,
)
def test_reserved_is_not_ignored_and_clients_mask(options: dict[str, Any]) -> None:
    assert outcome(build_frame("Hello", **{"mask": KEY, **options})) == BOTH_1002


def test_servers_do_not_mask() -> None:
    assert outcome(build_frame("Hello", mask=KEY), as_client=False) == BOTH_1002
    assert outcome(build_frame("Hello"), as_client=False) == BOTH_ACCEPT


def test_rsv1_is_corruption_or_compression_as_the_handshake_says() -> None:
    """Misconception 12."""
    capture = bytes.fromhex("c1 87 00 00 00 00 f2 48 cd c9 c9 07 00")
    assert outcome(capture) == BOTH_1002
    agreed = judge(capture, extensions="permessage-deflate")
    assert [verdict.events for verdict in agreed.verdicts] == [('text message "Hello"',)] * 2


def test_a_pings_bytes_sent_as_a_message_are_payload() -> None:
    """Misconception 3, in part."""
    sent, returned = sent_and_echoed(bytes.fromhex("89 00"))
    assert (sent.first, sent.second, sent.preview) == (0x82, 0x82, bytes.fromhex("89 00"))
    assert (returned.first, returned.second) == (0x82, 0x02)


@pytest.mark.parametrize(
    ("bits", "expected"), [("10001001 00000101", (0x88, "incorrect masking")), ("10001001 10000101", (0x8A, "wslab"))]
)
def test_the_exercise_is_solved_by_its_solution_and_not_by_the_committed_attempt(
    bits: str, expected: tuple[int, str]
) -> None:
    async def main() -> tuple[int, str]:
        async with Lab(seed=3, carrier="memory") as lab:
            await lab.serve()
            async with await lab.raw() as raw:
                await raw.handshake()
                first, second = (int(byte, 2) for byte in bits.split())
                await raw.send(bytes([first, second]) + (KEY if second & 0b10000000 else b"") + b"wslab")
                answer = await raw.recv_frame()
                return answer.first, answer.preview.decode()

    assert asyncio.run(main()) == expected


def test_an_http_request_after_the_handshake_is_three_faults_in_two_bytes() -> None:
    """The third question."""
    rules = {broken.rule for broken in explain(b"GE", sender=Sender.CLIENT).violations}
    assert {"opcode-reserved", "client-frame-not-masked"} <= rules
    assert outcome(b"GET / HTTP/1.1\r\n\r\n", handshake=False) == BOTH_1002


def test_a_live_server_that_parses_ahead_stumbles_over_the_rest_first() -> None:
    async def main() -> int | None:
        async with Lab(seed=3, carrier="memory") as lab:
            await lab.serve()
            async with await lab.raw() as raw:
                await raw.handshake()
                await raw.send(build_frame("şğü", mask=KEY, length=3))
                return (await raw.recv_frame()).status_code

    assert asyncio.run(main()) == 1002
