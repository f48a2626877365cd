"""Who talks in the captures: Node's ``ws`` at either end, and the origin of a page for Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wslab.live.node.package import COMMAND, home, installed

NODE_SCRIPTS = Path(__file__).parent / "node"
PATIENCE = 20.0


def node_environment() -> dict[str, str]:
    """The environment in which a script finds ``ws``."""
    return {**os.environ, "NODE_PATH": str(home() / "node_modules")}


def node(script: str, *arguments: str) -> list[str]:
    """The command that runs one of the Node scripts; skips the test where that cannot be."""
    program = shutil.which("node") or pytest.skip("node is not installed")
    if not installed():
        pytest.skip(f"Node's ws is not installed: {COMMAND}")
    return [program, str(NODE_SCRIPTS / script), *arguments]


@contextmanager
def node_server(deflate: bool | Mapping[str, Any] = False) -> Iterator[int]:
    """The article's server under Node, echoing too; yields its port."""
    command = node("server.js", json.dumps(deflate))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=node_environment()) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def node_client(port: int, actions: Sequence[Sequence[Any]], **plan: Any) -> list[dict[str, Any]]:
    """Run the Node client through ``actions``; what it reported, one dictionary a message, then its close."""
    command = node("client.js", f"ws://127.0.0.1:{port}/chat?room=1")
    done = subprocess.run(
        command,
        input=json.dumps({"actions": actions, **plan}),
        capture_output=True,
        text=True,
        env=node_environment(),
        timeout=PATIENCE,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Say nothing: what a page asked for is not a test's output."""


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on another port; yields the origin of its pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
