"""The doctor: what a teacher runs the day before, each line with its remedy."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .copies import source_folder

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox", "firefox-esr")
NEEDED = (
    "jupyterlab",
    "ipywidgets",
    "anywidget",
    "websockets",
    "wsproto",
    "nest_asyncio2",
    "trustme",
    "matplotlib",
)
PORTS = (1234, 8080)  # those that the article and its Node server name


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    fine: bool
    found: str
    remedy: str = ""
    needed: bool = True  # whether the course fails without it


def examined(*, deep: bool = False) -> Iterator[Finding]:
    """Look at what the course needs, one thing after another.

    Args:
        deep: whether to run every exercise's reference and one lesson too, which takes a minute.
    """
    for look in LOOKS:
        yield from look()
    if deep:
        yield from _references()
        yield _lesson()


def _python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")
    for name in NEEDED:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "missing", f"{sys.executable} -m pip install {name}")


def _programs() -> Iterator[Finding]:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    remedy = "install Chromium or Firefox, or open the printed address in the browser that you have"
    yield Finding("browser", bool(browser), browser or "none on PATH", remedy, needed=False)
    node = shutil.which("node")
    remedy = "install Node 18 or newer for the lessons on Node, and run `wslab node`"
    yield Finding("Node", bool(node), node or "none on PATH", remedy, needed=False)


def _network() -> Iterator[Finding]:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield Finding("a server on 127.0.0.1", True, f"port {server.getsockname()[1]} was free")
    except OSError as error:
        yield Finding("a server on 127.0.0.1", False, str(error), "let programs of this machine listen on 127.0.0.1")
    for port in PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
            yield Finding(f"port {port}", True, "free", needed=False)
        except OSError as error:
            remedy = f"end the program that listens on {port}, or give the lessons another port"
            yield Finding(f"port {port}", False, str(error), remedy, needed=False)
    try:
        from .hands import own_address

        yield Finding("a show of hands", True, f"a class finds this machine at {own_address()}", needed=False)
    except (ImportError, OSError) as error:
        yield Finding("a show of hands", False, str(error), "join the network of your class", needed=False)
    proxies = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    spared = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    fine = not proxies or "127.0.0.1" in spared or spared == "*"
    found = f"set: {', '.join(proxies)}" if proxies else "none"
    yield Finding("proxies", fine, found, "set no_proxy=127.0.0.1,localhost, so that local traffic does not leave")


def _conversation() -> Iterator[Finding]:
    from ..live import Lab

    async def talk() -> int:
        async with Lab(carrier="tcp") as lab:
            await lab.serve()
            async with lab.connect() as client:
                await client.send("Hello")
                await client.recv()
        return len(lab.trace.frames)

    try:
        frames = asyncio.run(asyncio.wait_for(talk(), 10))
        yield Finding("a recorded conversation", frames >= 4, f"{frames} frames")
    except Exception as error:
        yield Finding("a recorded conversation", False, f"{type(error).__name__}: {error}", "look at the lines above")


def _references() -> Iterator[Finding]:
    from .grading import tasks

    for task in tasks():
        verdict = asyncio.run(task.exercise.check(task.exercise.answer, seed_of="doctor", kept=False))
        yield Finding(f"exercise {task.name}", verdict.solved, verdict.heading, " ".join(verdict.lines))


def _lesson() -> Finding:
    """Whether a lesson runs from top to bottom in a kernel, as the author's edition does."""
    import nbformat
    from nbclient import NotebookClient

    (path,) = source_folder().glob("01-*.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        try:
            NotebookClient(notebook, timeout=60, resources={"metadata": {"path": folder}}).execute()
        except Exception as error:
            return Finding("lesson 01", False, str(error)[:200], "run it by hand: wslab lab --author")
    return Finding("lesson 01", True, f"{len(notebook.cells)} cells ran")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _programs, _network, _conversation)
