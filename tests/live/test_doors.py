"""The registry of ports: what a door says, whom it is believed from, and that none outlives its server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from wslab.live.errors import NoServer
from wslab.live.jupyter import doors
from wslab.live.lab import Lab

Run = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Doors in a folder of the test's own."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "wslab"


def written(runtime: Path, key: str, **told: Any) -> Path:
    """A door that somebody else wrote."""
    runtime.mkdir(exist_ok=True)
    path = runtime / key
    path.touch(mode=0o600)
    path.write_text(json.dumps({"port": 1234, "pid": os.getpid(), "started": doors._started(os.getpid()), **told}))
    return path


def test_a_door_is_found_by_its_key_until_it_is_closed(runtime: Path) -> None:
    first, second = doors.open(1234), doors.open(1234)
    assert first.path == f"wslab/{first.key}/"
    assert first.key != second.key
    assert [doors.find(first.key), doors.find(second.key)] == [1234, 1234]
    for _ in range(2):
        first.close()
        assert [doors.find(first.key), doors.find(second.key)] == [None, 1234]
    assert [path.name for path in runtime.iterdir()] == [second.key]


def test_only_its_user_can_read_it(runtime: Path) -> None:
    door = doors.open(1234)
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE((runtime / door.key).stat().st_mode) == 0o600
    assert repr(door) == "<Door>"  # neither the key nor the port may stay in a notebook


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=rf"port={port}: a port is a number from 1 to 65535"):
        doors.open(port)


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../jpserver-1.json", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 32 + "\n", "٠" * 32]
)
def test_what_is_no_key_opens_no_file(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors.os, "open", lambda *_: pytest.fail("a file was opened"))
    assert doors.find(key) is None


@pytest.mark.parametrize(
    "told",
    [
        {"port": 0},
        {"port": 65536},
        {"port": "x"},
        {"port": None},
        {"pid": 0},
        {"pid": -1},
        {"pid": 2**22 + 1},  # beyond Linux' largest
        {"pid": 2**64},
        {"pid": 1},  # it runs, but began at another time
        {"started": "1"},  # the number of a process that is gone went to this one
    ],
)
def test_a_door_that_tells_nonsense_is_not_believed(runtime: Path, told: dict[str, Any]) -> None:
    key = "0" * 32
    written(runtime, key)
    assert doors.find(key) == 1234
    written(runtime, key, **told)
    assert doors.find(key) is None


@pytest.mark.parametrize("text", ["", "[]", "1", "{", "{}", '{"port": 1234}', "\xff"])
def test_a_door_that_is_no_door_is_not_believed(runtime: Path, text: str) -> None:
    path = written(runtime, "0" * 32)
    path.write_bytes(text.encode("latin-1"))
    assert doors.find("0" * 32) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_door_that_others_could_have_written_or_read_is_not_believed(runtime: Path, mode: int) -> None:
    written(runtime, "0" * 32).chmod(mode)
    assert doors.find("0" * 32) is None


def test_another_users_door_is_not_believed(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(runtime, "0" * 32)
    monkeypatch.setattr(doors.os, "getuid", lambda: os.geteuid() + 1)
    assert doors.find("0" * 32) is None


def test_a_link_is_no_door(runtime: Path) -> None:
    written(runtime, "0" * 32)
    (runtime / ("1" * 32)).symlink_to(runtime / ("0" * 32))
    assert doors.find("1" * 32) is None


def test_doors_of_a_process_that_is_gone_are_removed(runtime: Path) -> None:
    program = "from wslab.live.jupyter.doors import open; print(open(1234).key, open(1235).key, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        first, second = child.stdout.readline().decode().split()
        assert [doors.find(first), doors.find(second)] == [1234, 1235]
        child.send_signal(signal.SIGKILL)
    assert doors.find(first) is None
    assert not (runtime / first).exists()
    door = doors.open(1236)  # whoever opens one sweeps
    assert [path.name for path in runtime.iterdir()] == [door.key]
    assert not (runtime / second).exists()


def test_a_server_has_one_door_which_ends_with_it(runtime: Path, run: Run) -> None:
    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            door = server.door()
            assert await asyncio.to_thread(server.door) is door
            assert lab.server is not None
            assert lab.server.door() is door
            assert doors.find(door.key) == server.port
            again = await lab.serve()
            assert doors.find(door.key) is None
            assert doors.find(again.door().key) == again.port
            with pytest.raises(NoServer, match="this server was closed"):
                server.door()
        assert os.listdir(runtime) == []
        with pytest.raises(NoServer, match="this server was closed"):
            again.door()

    run(main())


def test_a_lab_in_memory_has_no_door(run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            server = await lab.serve()
            with pytest.raises(NoServer, match="in memory"):
                server.door()

    run(main())


def test_a_server_with_tls_has_no_door(run: Run) -> None:
    """The page's TLS ends at the Jupyter server, and the bytes that go on from there are none."""

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve(tls=True)
            with pytest.raises(NoServer, match="serve without tls=True"):
                server.door()

    run(main())


def test_a_page_is_let_in_once_its_origin_is_admitted(carrier: str, run: Run) -> None:
    page, other = "http://localhost:8888", "http://localhost:8889"

    async def greets(lab: Lab, origin: str | None) -> bool:
        try:
            async with lab.connect(origin=origin) as client:
                await client.send("Hello server!")
                return await client.recv() == "Hello server!"
        except InvalidStatus:
            return False

    async def admitted(lab: Lab) -> list[bool]:
        return [await greets(lab, origin) for origin in (page, other, None)]

    async def main() -> None:
        async with Lab(carrier=carrier) as lab:
            server = await lab.serve()
            assert await admitted(lab) == [False, False, True]
            server.admit(page)
            server.admit(page)
            assert await admitted(lab) == [True, False, True]
            await lab.serve()
            assert await admitted(lab) == [False, False, True]
            given = [other]
            server = await lab.serve(origins=given)
            server.admit(page)
            assert await admitted(lab) == [True, True, False]
            assert given == [other]
            server = await lab.serve(origins=None)
            server.admit(page)
            assert await admitted(lab) == [True, True, True]

    run(main())


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "*", "localhost", "localhost:8888", "http://", "http://localhost/", "http://localhost:8888/lab",
        "http://LOCALHOST", "http://user@localhost", "http://a b", "http://localhost:", "http://localhost\r\n",
        "http://localhost\n",
    ],
)  # fmt: skip
def test_what_names_nobody_is_not_admitted(origin: str, run: Run) -> None:
    async def main() -> None:
        async with Lab(carrier="memory") as lab:
            server = await lab.serve()
            with pytest.raises(ValueError, match=r"location\.origin"):
                server.admit(origin)

    run(main())
