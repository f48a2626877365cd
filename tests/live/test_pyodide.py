"""A lab in a browser's Python: Pyodide in Node, with no sockets, no threads and no widgets."""

from __future__ import annotations

import asyncio
import runpy
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYODIDE = HERE / "pyodide"
ROOT = HERE.parents[1]
RUNTIME = ("websockets", "wsproto", "h11")
TESTING = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
SUITES = ("test_live_lab.py", "test_raw.py", "test_tap.py", "test_guard.py")

pytestmark = [pytest.mark.pyodide, pytest.mark.slow, pytest.mark.timeout(300)]
Run = Callable[..., subprocess.CompletedProcess[str]]


def pack(archive: Path, distributions: tuple[str, ...], *own: Path) -> None:
    """Zip what is installed here, which is all pure Python, and some of our own files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in distributions:
            for path in distribution(name).files or ():
                if path.suffix in (".py", ".txt", ".json") and ".dist-info" not in str(path):
                    packed.write(str(path.locate()), str(path))
        for path in own:
            packed.write(path, path.relative_to(ROOT))


@pytest.fixture(scope="module")
def python(node_path: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program in Pyodide."""
    if not (PYODIDE / "node_modules" / "pyodide" / "package.json").exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=PYODIDE, check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("pyodide")

    def run(program: str, *arguments: str, testing: bool = False) -> subprocess.CompletedProcess[str]:
        archive = folder / ("testing.zip" if testing else "runtime.zip")
        if not archive.exists():
            own = [*(ROOT / "wslab").rglob("*.py"), *(HERE / name for name in (*SUITES, "conftest.py") if testing)]
            pack(archive, RUNTIME + TESTING if testing else RUNTIME, *own)
        return subprocess.run(
            [node_path, str(PYODIDE / "run.mjs"), str(archive), str(PYODIDE / program), *arguments],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


def test_a_conversation_is_the_same_to_the_byte(python: Run) -> None:
    """On the browser's own loop, and here: every byte of every stream, and every line that a learner reads."""
    there = python("conversation.py")
    assert there.returncode == 0, there.stdout + there.stderr
    here = asyncio.run(runpy.run_path(str(PYODIDE / "conversation.py"))["conversation"]())
    assert there.stdout.splitlines() == here.splitlines()
    assert "CLOSE 1000" in here


def test_the_labs_own_tests_over_the_memory_carrier(python: Run) -> None:
    names = [f"tests/live/{name}" for name in SUITES]
    done = python("suite.py", "-q", "--import-mode=importlib", "-k", "memory", *names, testing=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 40
