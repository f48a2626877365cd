"""Fixtures for what drives a browser: one JupyterLab server and one Chromium for all tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
from driver import PATIENCE, THEMES, VIEWPORT, LabPages, NotebookPage, jupyter_server, launch
from jupyter_process import JupyterServer
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

__all__ = ["PATIENCE", "THEMES", "LabPages", "NotebookPage", "Run"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells what the panels show and what the kernel said, and not all of JupyterLab's buttons."""
    pages = getattr(item, "funcargs", {}).get("lab_page")
    if call.when == "call" and call.excinfo is not None and isinstance(pages, LabPages):
        pages.spoilt = True
        error = call.excinfo.value
        if isinstance(error, AssertionError):
            error.args = (str(error).partition("Aria snapshot:")[0],)
        for opened in pages.opened:
            try:
                error.add_note(opened.told())
            except Exception as silence:  # a page that has crashed is no reason to lose the failure
                error.add_note(f"{opened.path}: {silence}")
    return (yield)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A private JupyterLab server on a copy of the course's notebooks."""
    with jupyter_server(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="session")
def playwright_api() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright_api: Playwright, chromium_path: str) -> Iterator[Browser]:
    """One Chromium for all tests."""
    browser = launch(playwright_api, chromium_path)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser profile for all tests, so that JupyterLab's own scripts are fetched and compiled once."""
    context = chromium.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="session")
def lab_pages(profile: BrowserContext, jupyter: JupyterServer) -> Iterator[LabPages]:
    """Pages in which JupyterLab runs, for one test after another."""
    pages = LabPages(profile, jupyter)
    yield pages
    pages.close()


@pytest.fixture
def lab_page(lab_pages: LabPages) -> Iterator[LabPages]:
    """Opens notebooks, each in a page of its own, and afterwards shuts their kernels down."""
    yield lab_pages
    lab_pages.finish()


@pytest.fixture
def elsewhere() -> Iterator[Run]:
    """Run a coroutine on a loop in another thread: Playwright has this one's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
