"""The npm package ``ws``, and Node itself: what is installed, and how to install what is not.

``ws`` is no Python package, and importing wslab installs nothing. ``wslab node`` in a terminal installs the pinned
version: beside this module in a checkout, else into a folder of Jupyter's for this user's data.
"""

import json
import shutil
import subprocess
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ...drawing.visible import harmless
from ...recording.work import watched, work
from ..errors import NodeMissing

SOURCE: Final = Path(__file__).parent  # the folder of package.json, package-lock.json and the leash
COMMAND: Final = "wslab node"
LONGEST = 2000  # characters of npm's complaint that are shown


def home() -> Path:
    """The folder for ``ws``: this checkout's own, or one in this user's data of Jupyter."""
    if (SOURCE.parents[2] / "pyproject.toml").exists():
        return SOURCE
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "wslab" / "node"


def pinned() -> str:
    """The version of ``ws`` that package.json names."""
    return str(json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))["dependencies"]["ws"])


def installed() -> bool:
    """Whether exactly that version is installed."""
    try:
        package = json.loads((home() / "node_modules" / "ws" / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(package, dict) and package.get("version") == pinned()


def install() -> Path:
    """Install the pinned ``ws``, as package-lock.json has it, into ``home()``, and return that folder.

    It needs npm and its registry, and blocks until it is done. Raises NodeMissing, which says what to do. What was
    installed before stays until the new one is whole.
    """
    npm, folder = _on_path("npm"), home()
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    with work("installing", f"ws {pinned()}"), TemporaryDirectory(prefix=".npm-", dir=folder) as beside:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(SOURCE / name, Path(beside) / name)
            if folder != SOURCE:
                shutil.copyfile(SOURCE / name, folder / name)
        status, said = _run(command, beside)
        if status == 0:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            (Path(beside) / "node_modules").replace(folder / "node_modules")
    if status or not installed():
        said = harmless(" ".join(said.split())[:LONGEST]) or "npm did not say why"
        raise NodeMissing(f"npm could not install ws {pinned()} into {folder}: {said}")
    return folder


def _run(command: list[str], folder: str) -> tuple[int, str]:
    """The status of a program, and what it said; an interrupt ends it."""
    pipe, ticks = subprocess.PIPE, watched(repeat(None), "npm is at work")
    process = subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace")
    with process:
        try:
            while True:
                next(ticks)
                with suppress(subprocess.TimeoutExpired):
                    said, _ = process.communicate(timeout=0.2)
                    return process.returncode, said
        finally:
            process.kill()


def _on_path(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NodeMissing(
            f"{name} is not on PATH. Install Node 18 or newer, which brings {name}: `conda install -c conda-forge "
            "nodejs`, `sudo apt-get install nodejs npm`, `brew install node`, or https://nodejs.org"
        )
    return path


def program() -> str:
    """The path of Node. Raises NodeMissing if Node or the pinned ``ws`` is not installed."""
    node = _on_path("node")
    if not installed():
        raise NodeMissing(
            f"Node's package ws {pinned()} is not installed for wslab. Run `{COMMAND}` in a terminal, "
            f"or `!{COMMAND}` in a cell, once"
        )
    return node
