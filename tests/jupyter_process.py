"""A real Jupyter server in a process of its own, which sees no one's settings and leaves none."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

STARTUP = 60  # seconds
ALONE = "--ServerApp.jpserver_extensions=" + repr(
    dict.fromkeys(("jupyterlab", "jupyter_lsp", "notebook_shim", "jupyter_server_terminals"), False)
)
"""An argument for a test that needs no JupyterLab: the server starts sooner. wslab's own extension stays."""
FOLDERS = {
    "HOME": "home",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "IPYTHONDIR": "ipython",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
}


@dataclass(frozen=True)
class JupyterServer:
    """A running server that serves ``folder``; ``url`` ends in a slash."""

    url: str
    token: str
    folder: Path


@contextmanager
def jupyter_process(application: str, home: Path, *arguments: str) -> Iterator[JupyterServer]:
    """Run ``python -m application`` on the folder ``home/work``; everything that it stores lies below ``home``.

    ``wslab.cli lab`` serves the copy of the course that it lays out there.
    """
    folder = home / "work"
    wslab = application.startswith("wslab")
    token = secrets.token_hex(16)
    for path in (folder, *(home / name for name in FOLDERS.values())):
        path.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", *application.split(), "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0", *([] if wslab else [f"--ServerApp.root_dir={folder}"]),
        f"--IdentityProvider.token={token}", *arguments,
    ]  # fmt: skip
    environment = {
        **os.environ,
        **{variable: str(home / name) for variable, name in FOLDERS.items()},
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)
    try:
        yield JupyterServer(_url(process, home / FOLDERS["JUPYTER_RUNTIME_DIR"], log), token, folder)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Where the server answers. It writes its address to a file before it listens there, so it is also asked."""
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline and process.poll() is None:
        try:
            url = str(json.loads((runtime / f"jpserver-{process.pid}.json").read_text())["url"])
            if _answers(url):
                return url
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            pass  # no file yet, half a file, or nobody listens yet
        time.sleep(0.05)
    raise RuntimeError(f"the Jupyter server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    # It is only asked whether it answers, so whose certificate it has does not matter.
    secure = partial(http.client.HTTPSConnection, context=ssl._create_unverified_context())
    make = secure if parts.scheme == "https" else http.client.HTTPConnection
    with closing(make(parts.hostname or "", parts.port, timeout=STARTUP)) as connection:
        connection.request("GET", parts.path + "api")
        return connection.getresponse().status == 200
