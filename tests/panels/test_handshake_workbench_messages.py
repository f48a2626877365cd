"""The handshake workbench's kernel side: what is sent, what is measured, what is told, and what is kept back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from fake_page import FakePage
from traitlets import TraitError
from vectors import VECTORS, Vector
from websockets.asyncio.server import ServerConnection

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live import Lab, LabClosed, NoServer
from wslab.live.judges.attempt import Attempt, request_head, written
from wslab.panels.handshake_workbench.experiments import EXPERIMENTS, STATUSES
from wslab.panels.handshake_workbench.handshake_workbench import HandshakeWorkbench
from wslab.protocol import Connection

T = TypeVar("T")
Work = Callable[[HandshakeWorkbench, Lab], Awaitable[T]]

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
REQUEST = f"""\
GET /chat HTTP/1.1
Host: 127.0.0.1
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: {KEY}
Sec-WebSocket-Version: 13"""


def at_work(work: Work[T], *, serve: dict[str, Any] | None = None, **given: Any) -> T:
    """Do something with a workbench whose lab serves."""

    async def main() -> T:
        async with asyncio.timeout(20):
            async with Lab(seed=1) as lab:
                await lab.serve(**(serve or {}))
                bench = HandshakeWorkbench(lab, **given)
                try:
                    return await work(bench, lab)
                finally:
                    bench.close()

    return asyncio.run(main())


def statuses(view: FakePage) -> list[int]:
    return [message["status"] for message in view.all("attempt")]


async def wait(view: FakePage, condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(view.wait, condition)


def test_what_is_typed_is_meant_as_a_handshake_though_no_header_says_so() -> None:
    broken = [one.rule for one in request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").violations]
    assert broken == ["request-upgrade", "request-connection", "key-missing", "version-not-13"]


# From text to bytes


@pytest.mark.parametrize(
    ("text", "exactly", "data"),
    [
        ("GET / HTTP/1.1\nHost: a", False, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\n\n\n", False, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("POST / HTTP/1.1\n\nbody", False, b"POST / HTTP/1.1\r\n\r\nbody"),
        ("GET / HTTP/1.1\\n", False, b"GET / HTTP/1.1\\n\r\n\r\n"),
        ("GET /\nHost: a", True, b"GET /\nHost: a"),
        (r"a\r\n\t\\\x00\xfF\q\x4", True, b"a\r\n\t\\\x00\xff\\q\\x4"),
        ("é\ud800", True, b"\xc3\xa9\xed\xa0\x80"),
        ("", True, b""),
    ],
)
def test_what_is_typed_becomes_these_bytes(text: str, exactly: bool, data: bytes) -> None:
    assert written(text, exactly=exactly) == data


# Sending


def test_the_rfcs_request_is_accepted_recorded_and_closed_well() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[Attempt, list[str], int | None, str]:
        assert lab.server is not None
        assert bench.request == REQUEST.replace("127.0.0.1", f"127.0.0.1:{lab.server.port}")
        found = await bench.send_request()
        return found, [f"{r.sender.label} {r.summary}" for r in lab.trace.records], bench.selected, bench.problem

    found, records, selected, problem = at_work(work)
    assert found.status == 101
    assert found.accepted
    assert found.meaning[1] == "RFC 6455 4.2.2"
    assert (selected, problem) == (1, "")
    assert records == [
        "client GET /chat",
        "server 101 Switching Protocols",
        "client CLOSE 1000",
        "server CLOSE 1000",
        "server FIN, end of stream",
        "client FIN, end of stream",
    ]


def test_a_request_without_upgrade_is_answered_426_and_the_client_stops_at_the_first_check() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[Attempt, list[str]]:
        bench.request = REQUEST.replace("Upgrade: websocket\n", "")
        found = await bench.send_request()
        return found, [violation.rule for violation in found.request.violations]

    found, broken = at_work(work)
    assert (found.status, found.reason, found.accepted) == (426, "missing Upgrade header.", False)
    assert found.meaning[1] == "RFC 9110 15.5.22"
    assert broken == ["request-upgrade"]
    assert [check.outcome for check in found.checks] == ["fails"] + ["not reached"] * 5


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("line", "fails"),
    [
        ("Upgrade: websocket", "Upgrade is websocket"),
        ("Connection: Upgrade", "Connection names Upgrade"),
        (f"Sec-WebSocket-Accept: {ACCEPT}", "Sec-WebSocket-Accept answers the key"),
        ("Sec-WebSocket-Accept: AAAA", "Sec-WebSocket-Accept answers the key"),
        ("Sec-WebSocket-Extensions: foo", "only extensions that were asked for"),
        ("Sec-WebSocket-Protocol: chat", "only a subprotocol that was asked for"),
    ],
)
def test_each_check_of_the_client_finds_its_fault_and_no_other(line: str, fails: str) -> None:
    """Against responses that a good server would not give, so it is a raw one that answers."""
    good = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {ACCEPT}",
    ]
    name = line.partition(":")[0]
    response = [each for each in good if not each.startswith(name)]
    if line not in good:
        response.append(line)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(("\r\n".join(response) + "\r\n\r\n").encode())
        writer.close()

    async def main() -> Attempt:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Lab(seed=1) as lab:
            await lab.serve()
            raw, elsewhere = lab.raw, f"ws://127.0.0.1:{port}/"
            lab.raw = lambda: raw(elsewhere)  # type: ignore[method-assign,assignment,return-value]
            found = await HandshakeWorkbench(lab, REQUEST).send_request()
        server.close()
        return found

    found = asyncio.run(main())
    assert [check.what for check in found.checks if check.outcome == "fails"] == [fails]
    assert not found.accepted


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.what == "response" and b" 101" in v.data[:12]], ids=str)
def test_a_client_may_take_what_breaks_no_rule_of_responses(vector: Vector) -> None:
    connection = Connection()
    connection.feed(Sender.CLIENT, vector.request)
    connection.feed(Sender.SERVER, vector.data)
    assert connection.response is not None
    found = Attempt(vector.request, 0, connection.response)
    # What is wrong with the request is no business of these checks, and a folded line may be taken (RFC 9112 5.2).
    taken = {"broken-request-accepted", "invalid-offer-accepted", "line-folded"}
    assert found.accepted is (taken.issuperset(vector.rules))


@pytest.mark.parametrize(
    ("request_text", "said"),
    [
        (r"GET /chat HTTP/1.1\r\nHost: a\r\n", "the server said nothing within 0.2 s"),
        (r"hello\r\n\r\n", "the server said nothing and ended the connection"),
    ],
)
def test_a_server_that_gives_no_response_is_an_answer_too(
    request_text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wslab.live.judges.attempt.attempt.__kwdefaults__", {"timeout": 0.2})

    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[Attempt, str, str]:
        bench.exactly = True
        bench.request = request_text
        found = await bench.send_request()
        return found, bench.problem, repr(bench)

    found, problem, text = at_work(work)
    assert (found.status, found.silence, problem) == (None, said, "")
    assert said in text


def test_with_no_server_it_says_what_to_run() -> None:
    async def main() -> None:
        lab = Lab()
        bench = HandshakeWorkbench(lab)
        view = FakePage(bench)
        with pytest.raises(NoServer, match=r"await lab\.serve\(\)"):
            bench.send_request()
        view.ask("send", request=bench.request)
        assert "await lab.serve()" in bench.problem
        await lab.serve()
        await bench.send_request()
        assert bench.problem == ""
        assert lab.server is not None
        await lab.server.close()
        with pytest.raises(NoServer):
            bench.send_request()
        await lab.close()
        with pytest.raises(LabClosed, match="run the cell with lab = Lab"):
            bench.send_request()

    asyncio.run(main())


def test_only_a_lab_is_taken() -> None:
    lab = Lab()
    with pytest.raises(TypeError, match="a Lab is wanted"):
        HandshakeWorkbench(lab.trace)


def test_the_default_request_follows_the_server_until_somebody_edits_it() -> None:
    async def main() -> None:
        async with Lab() as lab:
            bench = HandshakeWorkbench(lab)
            view = FakePage(bench)
            assert "Host: 127.0.0.1\n" in bench.request
            await lab.serve()
            assert lab.server is not None
            view.ask("hello")
            assert f"Host: 127.0.0.1:{lab.server.port}\n" in bench.request
            bench.request = "GET / HTTP/1.1"
            view.ask("hello")
            assert bench.request == "GET / HTTP/1.1"

    asyncio.run(main())


# Questions from views, on other threads


def test_send_asked_twice_on_subshell_threads_sends_twice() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> list[int]:
        view = FakePage(bench)
        wrong = bench.request.replace("GET", "POST")
        view.ask("send", request=wrong)
        await wait(view, lambda: statuses(view) == [405])
        assert view.last("attempt")["first_line"] == "HTTP/1.1 405 Method Not Allowed"
        view.ask("send", request=wrong.replace("POST", "GET"))
        await wait(view, lambda: statuses(view) == [405, 101])
        await wait(view, lambda: bench.underway == [])
        assert bench.problem == ""
        return [record.status for record in lab.trace.records if record.kind is Kind.RESPONSE]

    assert at_work(work) == [405, 101]


def test_a_view_hears_the_request_explained_as_it_changes() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> None:
        view = FakePage(bench)
        bench.request = REQUEST.replace("13", "12")
        told = view.last("request")
        (broken,) = told["explanation"]["violations"]
        assert broken["rule"] == "version-not-13"
        start, stop = broken["start"] // 8, (broken["start"] + broken["width"]) // 8
        data = bytes.fromhex(told["explanation"]["data"])
        assert data[start:stop] == b"Sec-WebSocket-Version: 12\r\n"
        bench.exactly = True
        named = [one["rule"] for one in view.last("request")["explanation"]["violations"]]
        assert named == ["version-not-13", "line-ends-in-bare-lf"]

    at_work(work)


def test_what_cannot_be_done_becomes_the_problem_line() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> None:
        view = FakePage(bench)
        for question, words in (
            ({"ask": "run", "name": "no-upgrade"}, "predict first"),
            ({"ask": "run", "name": "nonsense"}, "no-upgrade"),
            ({"ask": "run_all"}, "nothing is predicted yet"),
        ):
            view.ask(**question)
            assert words in bench.problem
        view.ask("send", request="", exactly=True)
        await wait(view, lambda: "there is nothing to send" in bench.problem)
        assert bench.underway == []

    at_work(work)


# Accept


@pytest.mark.parametrize("key", [KEY, "a2V5", "not base64!", ""])
def test_accept_is_computed_for_any_key(key: str) -> None:
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = hashlib.sha1((key + guid).encode()).digest()

    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
        view = FakePage(bench)
        bench.key = key
        own = view.last("request")["accept"]
        bench.key = None
        return own, view.last("request")["accept"]

    own, requests = at_work(work)
    assert (own["digest"], own["accept"]) == (digest.hex(" "), base64.b64encode(digest).decode())
    assert own["sound"] == (key == KEY)
    assert (requests["key"], requests["accept"]) == (KEY, ACCEPT)


def test_the_computed_accept_is_compared_with_the_answer() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> list[bool | None]:
        view = FakePage(bench)
        view.ask("hello")
        found = [view.last("request")["accept"]["equal"]]
        await bench.send_request()
        found.append(view.last("request")["accept"]["equal"])
        bench.key = "AQIDBAUGBwgJCgsMDQ4PEA=="
        told = view.last("request")["accept"]
        assert KEY in told["compared"], "it says which key was answered"
        return [*found, told["equal"]]

    assert at_work(work) == [None, True, False]


# Experiments


def test_the_table_holds_changes_and_nothing_that_comes_of_them() -> None:
    lines = REQUEST.split("\n")
    for experiment in EXPERIMENTS.values():
        changed = experiment.apply(REQUEST)
        assert (changed == REQUEST) == (experiment.name == "unchanged")
        gone, come = experiment.difference(REQUEST)
        assert [line for line in lines if line not in gone] == [
            line for line in changed.split("\n") if line not in come
        ], experiment.name


def test_every_experiment_is_measured_against_the_real_server() -> None:
    """What the lab's own server, which is `websockets` with a check of Host, answers today."""

    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[dict[str, int], str]:
        for name in EXPERIMENTS:
            bench.predict(name, 101)
        for one in bench.run_all():
            await one
        return {name: found["status"] for name, found in bench.results.items()}, bench.score

    statuses, score = at_work(work)
    assert statuses == {
        "unchanged": 101, "no-upgrade": 426, "keep-alive": 426, "version-12": 400, "no-key": 400, "short-key": 400,
        "two-keys": 400, "post": 405, "http-1.0": 505, "foreign-origin": 403, "no-host": 400, "lower-case": 101,
        "unknown-extension": 101,
    }  # fmt: skip
    assert score == "3 of 13 predicted"


def test_results_follow_the_server_and_not_a_table() -> None:
    async def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(403, "closed today\n")

    async def work(bench: HandshakeWorkbench, lab: Lab) -> Any:
        bench.predict("unchanged", 101)
        await bench.run("unchanged")
        return bench.results["unchanged"]

    found = at_work(work, serve={"process_request": refuse})
    assert (found["status"], found["reason"]) == (403, "closed today")


def test_a_row_keeps_its_outcome_until_it_is_predicted() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> None:
        with pytest.raises(ValueError, match="predict first"):
            bench.run("no-upgrade")
        with pytest.raises(KeyError, match="lower-case"):
            bench.predict("nonsense", 101)
        with pytest.raises(ValueError, match="426"):
            bench.predict("no-upgrade", 200)
        assert lab.trace.total == 0, "nothing was sent"
        assert bench.score == "13 to predict"
        bench.predict("no-upgrade", 426)
        assert bench.score == "1 to run; 12 to predict"
        await bench.run("no-upgrade")
        assert bench.score == "1 of 1 predicted; 12 to predict"
        assert "as predicted" in repr(bench)
        bench.predict("no-upgrade", 400)
        assert bench.results == {}, "another prediction has to be run again"
        await bench.run("no-upgrade")
        assert bench.score == "0 of 1 predicted; 12 to predict"
        assert "surprise" in repr(bench)
        bench.start_again()
        assert (bench.predictions, bench.results) == ({}, {})

    at_work(work)


def test_what_a_view_predicts_is_held_to_the_same() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> dict[str, int]:
        bench.predictions = {"post": 405}
        with pytest.raises(Exception, match="cannot be predicted"):
            bench.predictions = {"post": 1}
        return dict(bench.predictions)

    assert at_work(work) == {"post": 405}
    assert set(STATUSES) == {101, 400, 403, 405, 426, 505}


# Text


def test_text_and_html_are_steady_and_agree() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> tuple[str, str, str]:
        assert lab.server is not None
        await bench.send_request()
        for name, status in (("no-upgrade", 426), ("no-host", 101)):
            bench.predict(name, status)
            await bench.run(name)
        return repr(bench), bench._repr_html_(), str(lab.server.port)

    text, html, port = at_work(work)
    assert (text, html) == at_work(work)[:2]
    assert port not in text + html
    assert max(map(len, text.split("\n"))) <= 80
    for words in (ACCEPT, "426", "surprise", "1 of 2 predicted; 11 to predict"):
        assert words in text
        assert words in html


def test_credentials_are_withheld_everywhere() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> str:
        view = FakePage(bench)
        bench.request = f"{REQUEST}\nCookie: session=open-sesame\nAuthorization: Basic open-sesame"
        before = repr(bench) + bench._repr_html_()
        await bench.send_request()
        view.ask("hello")
        return before + repr(bench) + bench._repr_html_() + str(bench.picture()) + repr(view.told)

    shown = at_work(work)
    assert "withheld" in shown
    assert "open-sesame" not in shown


def test_the_picture_holds_the_handshake_and_the_steps() -> None:
    async def work(bench: HandshakeWorkbench, lab: Lab) -> str:
        await bench.send_request()
        return str(bench.picture())

    svg = at_work(work)
    for words in ("Sec-WebSocket-Accept", ACCEPT, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", "b3 7a 4f 2c"):
        assert words in svg
    assert svg == at_work(work)


@pytest.mark.parametrize(
    ("part", "there"),
    [
        ("request", "GET /chat HTTP/1.1"),
        ("accept", "Accept, step by step"),
        ("experiments", "One change, which status?"),
    ],
)
def test_a_part_alone_shows_that_part(part: str, there: str) -> None:
    lab = Lab(seed=1)
    whole, alone = repr(HandshakeWorkbench(lab)), repr(HandshakeWorkbench(lab, part=part))
    titles = ("GET /chat HTTP/1.1", "Accept, step by step", "One change, which status?")
    assert [title for title in titles if title in whole] == [*titles]
    assert [title for title in titles if title in alone] == [there]
    with pytest.raises(TraitError):
        HandshakeWorkbench(lab, part="answer")
