"""A notebook that nbconvert executes and makes a page of, as docs/installing.md says, opened without a network."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from driver import ROOT, write_notebook
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser
CELLS = (
    "from wslab import FrameBuilder, Lab\nlab = Lab(seed=1)\nawait lab.serve()\n"
    "async with lab.connect() as client:\n    await client.send('Hello')\n    await client.recv()\nlab",
    "FrameBuilder('Hi')",
)


def test_panels_are_there_without_a_network(tmp_path: Path, chromium: Browser) -> None:
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    told = next(line for line in text.split("\n") if line.startswith("    jupyter nbconvert"))
    _, *arguments = shlex.split(told.replace("lesson.ipynb", str(tmp_path / "lesson.ipynb")))
    write_notebook(tmp_path / "lesson.ipynb", CELLS)
    subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True, cwd=ROOT)
    context = chromium.new_context(offline=True)
    try:
        page = context.new_page()
        page.goto((tmp_path / "lesson.html").as_uri(), wait_until="domcontentloaded")
        expect(page.get_by_text("101 Switching Protocols").first).to_be_visible()
        shown = page.locator(".jp-OutputArea-output[data-mime-type='text/html']")
        expect(shown).to_have_count(2)
        expect(shown.last).to_contain_text("FIN")
    finally:
        context.close()
