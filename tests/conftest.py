"""What every test shares: where Chromium and the other programs are, and that nothing is skipped where all is required.

``WSLAB_REQUIRE_ALL=1``, which .ci/run sets, turns every skipped test into a failed one, and a whole run that has
no passed test under one of the marks below as well. ``--half`` splits a whole run into two that can go on side by side.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import hypothesis
import pytest

REQUIRED = ("browser", "oracle", "pyodide")
QUICK_LOOP = "not browser"
"""What one gives as ``-m`` while working: under a minute, so it also leaves these out:"""
THOROUGH = ("slow", "lengthy", "oracle", "pyodide")
REQUIRE_ALL = os.environ.get("WSLAB_REQUIRE_ALL") == "1"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

passed_marks: set[str] = set()

# A busy machine is no failure. Where everything is required the examples are the same in every run.
hypothesis.settings.register_profile("wslab", deadline=None, derandomize=REQUIRE_ALL, print_blob=True)
hypothesis.settings.load_profile("wslab")


def program(*names: str) -> str:
    """The path of the first of these programs that is on PATH; skips the test when none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The installed Chromium, for Playwright's ``executable_path``."""
    return program(*CHROMIUM)


@pytest.fixture(scope="session")
def node_path() -> str:
    """Node."""
    return program("node")


@pytest.fixture(scope="session")
def tshark_path() -> str:
    """The oracle that reads captures."""
    return program("tshark")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``run.py test`` run both halves at the same time."""
    parser.addoption("--half", choices=("browser", "others"), help="only what drives a browser, or only the others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes long out of the quick loop, and put what drives JupyterLab last.

    Playwright keeps the main thread's event loop busy for the rest of the run.
    """
    items.sort(key=lambda item: "browser" in item.path.parts)
    left_out: set[pytest.Item] = set()
    if config.option.markexpr == QUICK_LOOP:
        left_out = {item for item in items if any(map(item.get_closest_marker, THOROUGH))}
    elif half := config.option.half:
        left_out = {item for item in items if (item.get_closest_marker("browser") is None) == (half == "browser")}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A module that skips itself is a skipped test too."""
    report = yield
    if REQUIRE_ALL and report.outcome == "skipped":  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where everything is required a skip is a failure."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
        report.longrepr = f"skipped, but WSLAB_REQUIRE_ALL=1: {report.longrepr}"  # type: ignore[attr-defined]
    if report.when == "call" and report.passed:  # type: ignore[attr-defined]
        passed_marks.update(mark for mark in REQUIRED if item.get_closest_marker(mark))
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run of everything has run something under each required mark."""
    option = session.config.option
    whole = not (option.markexpr or option.keyword or option.collectonly) and session.config.args == ["tests"]
    required = [mark for mark in REQUIRED if not option.half or (mark == "browser") == (option.half == "browser")]
    missing = [mark for mark in required if mark not in passed_marks]
    if REQUIRE_ALL and whole and missing:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.write_line(f"WSLAB_REQUIRE_ALL=1, but no test passed marked {', '.join(missing)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
