"""Chromium as a client that a bare server answers: what it makes of the vectors is what the docs' page says."""

from __future__ import annotations

import json

import pytest
from disagreements import COMMAND, VERDICTS, as_json
from playwright.sync_api import Browser
from vector_judges import by_chromium
from vectors import VECTORS

pytestmark = pytest.mark.browser


def test_chromium_says_what_it_said(chromium: Browser) -> None:
    stored = json.loads(VERDICTS.read_text(encoding="utf-8"))
    said = as_json({"Chromium": by_chromium(VECTORS, chromium)})["Chromium"]
    assert said == stored["verdicts"]["Chromium"], f"Chromium {chromium.version}: run `{COMMAND}`"
