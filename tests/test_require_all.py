"""Tests that nothing can be skipped where everything is required: what .ci/run relies on, see conftest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = Path(__file__).with_name("conftest.py")
SETTINGS = """
[pytest]
testpaths = tests
markers =
    browser: .
    oracle: .
    pyodide: .
"""
ALL_MARKS = "import pytest\n@pytest.mark.browser\n@pytest.mark.oracle\n@pytest.mark.pyodide\ndef test_it(): pass\n"
SKIPS = {
    "in a test": "import pytest\ndef test_skipped(): pytest.skip('no tshark')\n",
    "by a mark": "import pytest\n@pytest.mark.skip\ndef test_skipped(): pass\n",
    "in a fixture": "def test_skipped(tshark_path): pass\n",
    "a whole module": "import pytest\npytest.importorskip('no_such_module')\ndef test_skipped(): pass\n",
}


def outcome(folder: Path, required: bool, *arguments: str, **modules: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder of its own, with the conftest that is under test and without any programs on PATH."""
    (folder / "tests").mkdir()
    shutil.copy(CONFTEST, folder / "tests")
    (folder / "pytest.ini").write_text(SETTINGS)
    for name, source in modules.items():
        (folder / "tests" / f"test_{name}.py").write_text(source)
    environment = {
        **os.environ,
        "WSLAB_REQUIRE_ALL": str(int(required)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PATH": str(folder),
    }
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS)
def test_a_skipped_test(tmp_path: Path, source: str, required: bool) -> None:
    done = outcome(tmp_path, required, skipping=source, marked=ALL_MARKS)
    assert done.returncode == int(required), done.stdout
    assert ("skipped" in done.stdout.splitlines()[-1]) is not required


@pytest.mark.parametrize("required", [True, False])
def test_a_kind_of_test_that_did_not_run(tmp_path: Path, required: bool) -> None:
    marked = ALL_MARKS.replace("@pytest.mark.oracle\n", "")
    done = outcome(tmp_path, required, marked=marked)
    assert done.returncode == int(required), done.stdout
    assert ("no test passed marked oracle" in done.stdout) is required


def test_a_chosen_part_need_not_be_all(tmp_path: Path) -> None:
    assert outcome(tmp_path, True, "-m", "browser", marked=ALL_MARKS, other="def test_it(): pass\n").returncode == 0


@pytest.mark.parametrize(("half", "missing"), [("browser", "browser"), ("others", "oracle")])
def test_a_half_has_its_own_kinds(tmp_path: Path, half: str, missing: str) -> None:
    apart = "\n".join(f"@pytest.mark.{mark}\ndef test_{mark}(): pass\n" for mark in ("browser", "oracle", "pyodide"))
    others = "def test_it(): pass\n"
    (tmp_path / "all").mkdir()
    assert (
        outcome(tmp_path / "all", True, f"--half={half}", marked="import pytest\n" + apart, other=others).returncode
        == 0
    )
    marked = "import pytest\n" + apart.replace(f"@pytest.mark.{missing}\n", "")
    done = outcome(tmp_path, True, f"--half={half}", marked=marked, other=others)
    assert done.returncode != 0, done.stdout
    if half == "others":
        assert "no test passed marked oracle" in done.stdout
