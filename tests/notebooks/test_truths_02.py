"""What lesson 02 tells its learners is so."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake
from wsproto import ConnectionType, WSConnection
from wsproto.events import RejectConnection
from wsproto.utilities import RemoteProtocolError

from wslab import Sender, judge
from wslab.course.experiments.lesson02 import BROKEN
from wslab.live import Lab
from wslab.protocol import build_response

MORE = Path(__file__).resolve().parents[2] / "notebooks" / "02b-more.ipynb"
SITE = "https://chat.example"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

GOOD = f"""\
GET / HTTP/1.1
Host: 127.0.0.1
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: {KEY}
Sec-WebSocket-Version: 13
Origin: {SITE}
"""
PROGRAM = GOOD.replace(f"Origin: {SITE}\n", "")

# The lab's server with an allow-list, websockets alone, wsproto alone.
CHANGES = {
    "nothing changed": (GOOD, 101, 101, 101),
    "no Upgrade": (GOOD.replace("Upgrade: websocket\n", ""), 426, 426, 400),
    "Connection: keep-alive": (GOOD.replace("Connection: Upgrade", "Connection: keep-alive"), 426, 426, 400),
    "version 12": (GOOD.replace("Version: 13", "Version: 12"), 400, 400, 426),
    "no key": (GOOD.replace(f"Sec-WebSocket-Key: {KEY}\n", ""), 400, 400, 400),
    "short key": (GOOD.replace(KEY, "c2hvcnQ="), 400, 400, 101),
    "POST": (GOOD.replace("GET", "POST"), 405, 405, 400),
    "HTTP/1.0": (GOOD.replace("HTTP/1.1", "HTTP/1.0"), 505, 505, 101),
    "another Origin": (GOOD.replace(SITE, "https://evil.example"), 403, 101, 101),
    "no Origin": (PROGRAM, 403, 101, 101),
    "order and case": (
        "GET / HTTP/1.1\n" + "".join(line.lower() + "\n" for line in reversed(GOOD.splitlines()[1:]) if KEY not in line)
        + f"SEC-WEBSOCKET-KEY: {KEY}\n", 101, 101, 101,
    ),
    "two tokens in Connection": (GOOD.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade"), 101, 101, 101),
    "no Host": (GOOD.replace("Host: 127.0.0.1\n", ""), 400, 101, 400),
    "two Hosts": (GOOD.replace("Host: 127.0.0.1\n", "Host: 127.0.0.1\nHost: evil.example\n"), 400, 101, 400),
    "another Host": (GOOD.replace("Host: 127.0.0.1", "Host: evil.example"), 403, 101, 101),
    "Host with a port": (GOOD.replace("Host: 127.0.0.1", "Host: localhost:8888"), 101, 101, 101),
}  # fmt: skip


def to_bytes(text: str) -> bytes:
    return (text + "\n").replace("\n", "\r\n").encode()


async def ask(lab: Lab, text: str) -> Any:
    """The response's head to this very request."""
    async with await lab.raw() as socket:
        await socket.send(to_bytes(text))
        return await socket.recv_head()


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_header_gets_the_status_that_the_lesson_tells(change: str) -> None:
    text, by_lab, by_websockets, by_wsproto = CHANGES[change]

    async def main() -> Any:
        async with Lab(carrier="memory") as lab:
            await lab.serve(origins=[SITE])
            return await ask(lab, text)

    assert asyncio.run(main()).status == by_lab
    assert [verdict.status for verdict in judge(to_bytes(text)).verdicts] == [by_websockets, by_wsproto]


def test_of_the_judges_only_wsproto_names_its_version_when_it_refuses_another() -> None:
    text = CHANGES["version 12"][0]

    async def main() -> Any:
        async with Lab(carrier="memory") as lab:
            await lab.serve(origins=[SITE])
            return await ask(lab, text), [broken.rule for _, broken in lab.trace.violations]

    head, broken = asyncio.run(main())
    assert head.get("Sec-WebSocket-Version") == []
    assert broken == ["version-not-13", "versions-not-listed"]

    with pytest.raises(RemoteProtocolError) as refused:
        WSConnection(ConnectionType.SERVER).receive_data(to_bytes(text))
    assert isinstance(refused.value.event_hint, RejectConnection)
    assert (b"Sec-WebSocket-Version", b"13") in refused.value.event_hint.headers


def test_accept_is_what_the_four_steps_make_of_the_key_as_it_is_written() -> None:
    digest = hashlib.sha1((KEY + GUID).encode()).digest()
    assert digest.hex(" ") == "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea"
    accept = base64.b64encode(digest).decode()
    assert accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    async def main() -> Any:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            return await ask(lab, PROGRAM)

    assert asyncio.run(main()).get("Sec-WebSocket-Accept") == [accept]


@pytest.mark.parametrize("seed", [None, 2])
def test_the_key_is_another_one_for_each_connection(seed: int | None) -> None:
    async def main() -> list[str]:
        async with Lab(seed=seed, carrier="memory") as lab:
            await lab.serve()
            for _ in range(3):
                async with lab.connect():
                    pass
        return [key for head in lab.trace.handshakes for key in head.get("Sec-WebSocket-Key")]

    keys = asyncio.run(main())
    assert len(keys) == len(set(keys)) == 3


async def deceive(lab: Lab, answer: Callable[[str], bytes]) -> str:
    """What a real client says when a raw server answers its key so."""
    socket = await lab.raw(listen=True)
    dialing = asyncio.ensure_future(lab.connect(socket.uri))
    request = await socket.recv_head()
    await socket.send(answer(request.get("Sec-WebSocket-Key")[0]))
    try:
        await dialing
        return "open"
    except InvalidHandshake as error:
        return str(error)
    finally:
        await socket.close()


def test_a_replayed_101_is_refused_and_anybody_can_compute_a_fresh_one() -> None:
    async def main() -> tuple[str, str]:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            async with lab.connect():
                pass
            recorded = lab.trace.handshakes[1].data
            return await deceive(lab, lambda key: recorded), await deceive(lab, build_response)

    replayed, computed = asyncio.run(main())
    assert "Sec-WebSocket-Accept" in replayed
    assert computed == "open"
    assert not any(
        verdict.accepted for verdict in judge(build_response(KEY), as_client=False, key="A" * 22 + "==").verdicts
    )


def test_http_after_the_101_is_a_frame_with_rsv1_and_opcode_7() -> None:
    page = b"GET /index HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html, text/plain\r\n\r\n"

    async def main() -> Any:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            async with await lab.raw() as socket:
                await socket.send(to_bytes(PROGRAM))
                assert (await socket.recv_head()).status == 101
                await socket.send(page)
                return await socket.recv_frame(), lab.trace.frames[0]

    reply, frame = asyncio.run(main())
    assert (reply.opcode_name, reply.status_code) == ("CLOSE", 1002)
    assert (frame.sender, frame.raw) == (Sender.CLIENT, page)
    assert (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3, frame.opcode) == (False, True, False, False, 7)
    assert (frame.mask, frame.payload_length) == (False, ord("E"))
    assert [broken.rule for broken in frame.violations] == [
        "rsv-not-agreed",
        "opcode-reserved",
        "client-frame-not-masked",
    ]
    for verdict in judge(page, handshake=False).verdicts:
        assert not verdict.accepted
        assert verdict.code == 1002


def test_the_labs_own_server_lets_in_programs_and_no_page() -> None:
    async def main() -> list[int]:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            return [(await ask(lab, text)).status for text in (PROGRAM, GOOD)]

    assert asyncio.run(main()) == [101, 403]


def test_an_allow_list_does_not_stop_a_program_that_lies() -> None:
    async def main() -> int:
        async with Lab(carrier="memory") as lab:
            await lab.serve(origins=[SITE])
            async with lab.connect(origin=SITE) as client:
                assert client.response is not None
                return client.response.status_code

    assert asyncio.run(main()) == 101


@pytest.mark.parametrize("name", ["Cookie", "Authorization"])
def test_a_credential_crosses_and_is_shown_in_no_view(name: str) -> None:
    async def main() -> Lab:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            async with lab.connect(additional_headers={name: "session=open-sesame"}):
                pass
        return lab

    trace = asyncio.run(main()).trace
    assert b"open-sesame" in trace.bytes_sent(0, Sender.CLIENT)
    handshake = trace.handshake()
    assert handshake.request is not None
    views = [
        repr(handshake),
        handshake._repr_html_(),
        repr(trace),
        trace._repr_html_(),
        json.dumps(handshake.request.to_json()),
    ]
    assert all("open-sesame" not in view for view in views)
    assert name in views[0]
    assert b"open-sesame".hex() not in json.dumps(handshake.request.to_json())


SOLUTION = GOOD.replace("GET /", "GET /chat").replace(f"Origin: {SITE}\n", "")


def test_both_judges_refuse_the_exercise_and_accept_its_solution() -> None:
    assert not any(verdict.accepted for verdict in judge(to_bytes(BROKEN + "\n")).verdicts)
    solutions = [in_notebook(), SOLUTION]
    for solution in solutions:
        assert [verdict.status for verdict in judge(to_bytes(solution)).verdicts] == [101, 101]

    async def main() -> Any:
        async with Lab(carrier="memory") as lab:
            await lab.serve()
            return [(await ask(lab, solution)).status for solution in solutions]

    assert asyncio.run(main()) == [101, 101]


def in_notebook() -> str:
    """The solution in the author's notebook."""
    cells = json.loads(MORE.read_text(encoding="utf-8"))["cells"]
    source = "".join(next(found["source"] for found in cells if found["id"] == "exercise-stub"))
    names: dict[str, Any] = {}
    exec(source, names)
    return str(names["repaired"]())


def test_each_of_the_exercises_six_faults_has_to_be_repaired_for_both_judges_to_accept() -> None:
    good = SOLUTION.replace("\n", " \n").split(" ")
    bad = f"{BROKEN}\n".replace("\n", " \n").split(" ")
    faults = [at for at, (one, other) in enumerate(zip(good, bad, strict=True)) if one != other]
    assert len(faults) == 6
    for at in faults:
        text = " ".join([*good[:at], bad[at], *good[at + 1 :]]).replace(" \n", "\n")
        assert not all(verdict.accepted for verdict in judge(to_bytes(text)).verdicts), text
