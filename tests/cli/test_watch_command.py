"""``wslab watch`` as a person uses it in a terminal."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest
from terminal import watch, wslab_echo
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from wslab import Trace
from wslab.cli import main


@pytest.mark.slow
def test_each_record_is_told_as_it_passes_and_ctrl_c_sums_up(tmp_path: Path) -> None:
    saved = tmp_path / "talk.wslab"
    with wslab_echo() as echo, watch(f"http://localhost:{echo.port}/chat", "--save", str(saved)) as relay:
        assert relay.address.startswith("http://127.0.0.1:")
        assert relay.address.endswith("/chat")
        with connect("ws" + relay.address.removeprefix("http"), proxy=None) as client:
            client.send("Hello \x1b[31m")
            assert re.match(r" +\d+\.\d{4}  c0  ● client  GET /chat$", relay.line("GET"))
            assert r'c0  ● client  TEXT "Hello \x1b[31m"' in relay.line("TEXT")
            assert "■ server" in relay.line("TEXT")
        relay.line("FIN")
        relay.line("FIN")
        status, out, err = relay.interrupt()
    assert (status, err) == (0, "")
    assert out.startswith("what happened: ")
    assert "├─ CLOSE 1000" in out
    assert len(Trace.load(saved).frames) == 4


@pytest.mark.slow
def test_bends_in_the_order_given_and_enter_releases() -> None:
    bends = ["--bend", "strip-header Upgrade", "--bend", "hold direction=server"]
    with wslab_echo() as echo, watch(f"ws://127.0.0.1:{echo.port}/", *bends) as relay:
        relay.line("Enter lets one chunk go")
        assert relay.process.stdin is not None

        async def refused() -> None:
            answer = asyncio.create_task(asyncio.to_thread(connect, relay.address, proxy=None))
            await asyncio.to_thread(relay.line, "bend: strip header Upgrade")
            await asyncio.to_thread(relay.line, "bend: hold: chunks wait here")
            relay.process.stdin.write("\n" * 9)  # type: ignore[union-attr]
            relay.process.stdin.flush()  # type: ignore[union-attr]
            with pytest.raises(InvalidStatus, match="426"):
                await answer

        asyncio.run(refused())
        status, out, err = relay.interrupt()
    assert (status, err) == (0, "")
    assert "bend: release 1 chunk" in out


@pytest.mark.slow
def test_the_reason_why_a_target_cannot_be_reached_is_told_in_full() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with watch(f"ws://127.0.0.1:{port}/") as relay:
        with socket.create_connection(("127.0.0.1", int(relay.address.rsplit(":", 1)[1].strip("/")))) as client:
            assert f"error: the relay cannot reach 127.0.0.1:{port}: ConnectionRefusedError" in relay.line("error")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert relay.interrupt()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: URL"),
        (["127.0.0.1:1234"], "expected a URI such as ws://127.0.0.1:1234/"),
        (["ws://example.com/"], "--remote"),
        (["ws://127.0.0.1:1/", "--bend", "delay"], "delay takes seconds"),
        (["ws://127.0.0.1:1/", "--bend", "lag 1"], "there is delay, jitter"),
        (["ws://127.0.0.1:1/", "--port", "x"], "is no port"),
    ],
)
def test_a_mistake_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*arguments) == 2
    assert said in capsys.readouterr().err


def test_the_bends_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ws://127.0.0.1:1/", "--bend", "help") == 0
    assert "rewrite-header  header, value, direction=client" in capsys.readouterr().out


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command("ws://127.0.0.1:1/", "--port", str(taken.getsockname()[1])) == 1
    assert "wslab watch: port" in capsys.readouterr().err


def command(*arguments: str) -> int:
    """Run ``wslab watch`` here, for what ends at once; its exit status."""
    try:
        return main(["watch", *arguments])
    except SystemExit as done:
        return int(done.code or 0)
