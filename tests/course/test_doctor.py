"""The doctor finds what is missing and names the remedy."""

import shutil
import socket
from typing import Any

import pytest
from terminal import wslab

from wslab.course import doctor
from wslab.course.doctor import Finding, examined


def lines() -> dict[str, Finding]:
    return {line.name: line for line in examined()}


def test_all_that_is_needed_is_fine_here():
    assert [line for line in examined() if line.needed and not line.fine] == []


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "NEEDED", ("no-such-package",))
    line = lines()["no-such-package"]
    assert not line.fine
    assert line.remedy.endswith("-m pip install no-such-package")


def test_a_missing_program_is_no_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for name in ("browser", "Node"):
        assert not lines()[name].fine
        assert not lines()[name].needed


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(doctor, "PORTS", (port,))
        assert f"end the program that listens on {port}" in lines()[f"port {port}"].remedy


@pytest.mark.parametrize(("spared", "fine"), [("", False), ("localhost,127.0.0.1", True), ("*", True)])
def test_a_proxy_for_local_traffic_is_told(spared: str, fine: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", spared)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert lines()["proxies"].fine is fine


def test_a_lab_that_cannot_talk_is_told(monkeypatch: pytest.MonkeyPatch):
    def broken(**_: Any) -> None:
        raise OSError("no sockets here")

    monkeypatch.setattr("wslab.live.Lab", broken)
    assert "no sockets here" in lines()["a recorded conversation"].found


def test_the_command_ends_with_the_state():
    done = wslab("doctor")
    assert done.returncode == 0
    assert b"ok    Python: 3" in done.stdout
