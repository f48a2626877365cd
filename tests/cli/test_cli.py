"""Tests the terminal commands, in processes of their own where that is what a person would see."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import wslab, wslab_echo
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wslab import Trace, build_close, build_frame, cli
from wslab.anatomy.field import Sender
from wslab.course.copies import source_folder
from wslab.protocol.handshake import build_request, build_response

KEY = bytes.fromhex("37fa213d")
CLIENT = build_request() + build_frame("Hello", mask=KEY) + build_close(1000, "bye", mask=KEY)
SERVER = build_response() + build_frame("Hello") + build_close(1000, "bye")


@pytest.fixture
def streams(tmp_path: Path) -> tuple[str, str]:
    """The two streams of one short conversation, in files."""
    (tmp_path / "client").write_bytes(CLIENT)
    (tmp_path / "server").write_bytes(SERVER)
    return str(tmp_path / "client"), str(tmp_path / "server")


def objects(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_help_names_the_commands() -> None:
    done = wslab("--help")
    assert done.returncode == 0
    for command in (b"lab", b"echo", b"node", b"dissect"):
        assert command in done.stdout


@pytest.mark.lengthy
@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["echo", "--port", "65536"], ["echo", "extra"]])
def test_a_mistake_is_explained(arguments: list[str]) -> None:
    done = wslab(*arguments)
    assert done.returncode == 2
    assert b"usage: wslab" in done.stderr


class TestDissect:
    def test_json(self, streams: tuple[str, str]) -> None:
        done = wslab("dissect", "--client", streams[0], "--server", streams[1], "--json")
        assert (done.returncode, done.stderr) == (0, b"")
        found = objects(done.stdout)
        assert [entry["kind"] for entry in found[:2]] == ["handshake", "handshake"]
        frames = [entry for entry in found if entry["kind"] == "frame"]
        assert frames[0] == {
            "kind": "frame",
            "connection": 0,
            "sender": "client",
            "index": 0,
            "offset": len(build_request()),
            "header_length": 6,
            "payload_length": 5,
            "fin": True,
            "rsv1": False,
            "rsv2": False,
            "rsv3": False,
            "opcode": 1,
            "mask": True,
            "masking_key": "37fa213d",
            "payload_sha256": hashlib.sha256(b"Hello").hexdigest(),
            "status_code": None,
            "close_reason": None,
            "violations": [],
        }
        assert [(frame["sender"], frame["index"]) for frame in frames] == [
            ("client", 0),
            ("client", 1),
            ("server", 0),
            ("server", 1),
        ]
        assert (frames[3]["status_code"], frames[3]["close_reason"]) == (1000, "bye")
        assert frames[3]["masking_key"] is None

    def test_broken_rules_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "client").write_bytes(build_request() + build_frame("Hello", length_form=16))
        done = wslab("dissect", "--client", str(tmp_path / "client"), "--json")
        frame = objects(done.stdout)[-1]
        assert len(frame["violations"]) == 2
        assert all(set(violation) == {"rule", "section"} for violation in frame["violations"])

    def test_text(self, streams: tuple[str, str]) -> None:
        done = wslab("dissect", "--client", streams[0], "--server", streams[1])
        assert done.returncode == 0
        text = done.stdout.decode()
        for shown in ("Opening handshake, request", "TEXT frame", "Masking-key", '"Hello"', "CLOSE frame", '"bye"'):
            assert shown in text

    def test_text_in_a_terminal_that_knows_few_characters(self, streams: tuple[str, str]) -> None:
        command = [sys.executable, "-m", "wslab.cli", "dissect", "--client", streams[0]]
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"TEXT frame" in done.stdout

    @pytest.mark.parametrize("side", ["--client", "--server"])
    def test_one_side_from_standard_input(self, side: str) -> None:
        data = CLIENT if side == "--client" else SERVER
        found = objects(wslab("dissect", side, "-", "--json", data=data).stdout)
        assert {entry["sender"] for entry in found} == {side.removeprefix("--")}
        assert [entry["kind"] for entry in found] == ["handshake", "frame", "frame"]

    @pytest.mark.lengthy
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], b"give --client FILE, --server FILE or both"),
            (["--client", "-", "--server", "-"], b"only one of the two"),
            (["--client", "not-there"], b"cannot read not-there: No such file"),
            (["--client", "."], b"cannot read .: Is a directory"),
        ],
    )
    def test_what_it_cannot_read(self, arguments: list[str], complaint: bytes) -> None:
        done = wslab("dissect", *arguments)
        assert done.returncode == 2
        assert complaint in done.stderr
        assert b"Traceback" not in done.stderr

    def test_no_bytes_at_all(self) -> None:
        done = wslab("dissect", "--client", "-", "--json")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class TestEcho:
    @pytest.mark.lengthy
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_says_goodbye(self, number: int, tmp_path: Path) -> None:
        saved = tmp_path / "trace.wslab"
        with wslab_echo("--save", str(saved)) as echo:

            async def client() -> ConnectionClosed:
                async with connect(f"ws://127.0.0.1:{echo.port}/", compression=None) as ws:
                    await ws.send("Hello server!")
                    assert await ws.recv() == "Hello server!"
                    echo.process.send_signal(number)
                    with pytest.raises(ConnectionClosed) as closed:
                        await ws.recv()
                    return closed.value

            closed = asyncio.run(client())
            out, err = echo.process.communicate(timeout=20)
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1001
        assert (echo.process.returncode, err) == (0, "")
        assert 'TEXT "Hello server!"' in out
        assert "CLOSE 1001" in out
        trace = Trace.load(saved)
        codes = {frame.sender: frame.status_code for frame in trace.frames if frame.opcode == 0x8}
        assert codes == {Sender.CLIENT: 1001, Sender.SERVER: 1001}

    @pytest.mark.lengthy
    def test_it_has_the_port_it_was_given_and_says_when_it_cannot(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            done = wslab("echo", "--port", str(port))
            assert done.returncode == 1
            assert f"port {port} is taken".encode() in done.stderr
            assert b"Traceback" not in done.stderr
        with wslab_echo("--port", str(port)) as echo:
            assert echo.port == port

    def test_pages_need_to_be_named(self) -> None:
        async def status(port: int, origin: str) -> int:
            try:
                async with connect(f"ws://127.0.0.1:{port}/", origin=origin):  # type: ignore[arg-type]
                    return 101
            except InvalidStatus as refused:
                return refused.response.status_code

        with wslab_echo("--origin", "http://localhost:8000") as echo:
            assert asyncio.run(status(echo.port, "http://localhost:8000")) == 101
            assert asyncio.run(status(echo.port, "http://evil.example")) == 403
            assert echo.interrupt()[0] == 0

    def test_a_recording_that_cannot_be_saved_is_still_summed_up(self, tmp_path: Path) -> None:
        with wslab_echo("--save", str(tmp_path / "not-there" / "trace")) as echo:
            status, out, err = echo.interrupt()
        assert status == 1
        assert "nothing recorded yet" in out
        assert "cannot write" in err


class TestLab:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
        """What would have been started."""
        calls: list[tuple[list[str], dict[str, str]]] = []

        def execve(program: str, command: list[str], environment: dict[str, str]) -> None:
            calls.append((command, environment))
            raise SystemExit  # a process that became another one does not come back

        monkeypatch.setattr(os, "execve", execve)
        return calls

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no exec")
    def test_it_becomes_jupyterlab_on_the_first_notebook(
        self, started: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(SystemExit):
            cli.main(["lab", "--no-browser", "--port", "9999"])
        ((command, environment),) = started
        assert command[:3] == [sys.executable, "-m", "jupyterlab"]
        assert "--LabApp.default_url=/lab/tree/00-start-here.ipynb" in command
        assert command[-3:] == ["--no-browser", "--port", "9999"]
        assert "--allow-root" not in command
        # A kernel's `!wslab ...` finds the same wslab.
        assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no root")
    def test_root_may(self, started: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        with pytest.raises(SystemExit):
            cli.main(["lab"])
        assert "--allow-root" in started[0][0]

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no exec")
    def test_it_opens_a_students_copy_and_authors_the_notebooks_themselves(
        self, started: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy = Path.cwd() / "wslab-notebooks"
        for argument, folder in (("--no-browser", copy), ("--author", source_folder())):
            with pytest.raises(SystemExit):
                cli.main(["lab", argument])
            assert f"--ServerApp.root_dir={folder}" in started.pop()[0]
        opened = json.loads((copy / cli.START).read_text(encoding="utf-8"))
        assert opened["metadata"]["wslab"] == {"edition": "student"}
        assert all(cell["outputs"] == [] for cell in opened["cells"] if cell["cell_type"] == "code")

    def test_it_names_the_lessons_that_can_be_fresh(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["lab", "--fresh", "77"]) == 2
        assert "lesson '77': there is none; expected one of 00, " in capsys.readouterr().err
