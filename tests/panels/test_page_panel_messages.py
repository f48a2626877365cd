"""The page panel's answers: which way its link leads, for which page, and that nothing of the run stays in its text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wslab import Lab
from wslab.live.jupyter import doors
from wslab.panels.page_panel.page_panel import PagePanel

HERE = {"ask": "address", "view": "wslab-1", "origin": "http://127.0.0.1:8888", "loopback": True, "jupyter": True}
HUB = {"ask": "address", "view": "wslab-2", "origin": "https://hub.example", "loopback": False, "jupyter": True}
OTHER = {"ask": "address", "view": "wslab-3", "origin": "https://other.example", "loopback": False, "jupyter": False}


def test_the_link_leads_where_the_page_that_shows_it_can_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    told: list[dict[str, Any]] = []

    async def main() -> None:
        async with Lab() as lab:
            server = await lab.serve()
            panel = PagePanel(server.page())
            monkeypatch.setattr(panel, "tell", lambda what, buffers=(), **facts: told.append({"tell": what, **facts}))
            for question in (HERE, OTHER):
                panel._heard(None, question, [])
                address = f"http://127.0.0.1:{server.port}/"
                assert told.pop() == {"tell": "address", "address": address, "view": question["view"]}
            assert not (tmp_path / "wslab").exists()
            panel._heard(None, HUB, [])
            assert told.pop() == {"tell": "address", "address": server.door().path, "view": "wslab-2"}
            assert doors.find(server.door().key) == server.port
            async with lab.connect(origin="https://hub.example") as client:  # type: ignore[arg-type]
                await client.send("Hello server!")
            panel._heard(None, {**HUB, "origin": "null"}, [])
            assert "origin='null'" in panel.problem
        panel._heard(None, HERE, [])
        assert panel.closed
        assert told == []

    asyncio.run(main())


def test_its_text_is_steady_and_harmless() -> None:
    async def main() -> list[str]:
        texts = []
        for _ in range(2):
            async with Lab() as lab:
                server = await lab.serve()
                panel = PagePanel(server.page("<script>\x1b[31m\u202enew WebSocket('ws://localhost:80')", 80))
                texts += [repr(panel), panel._repr_html_(), panel.picture().svg]
        return texts

    text, html, svg, *again = asyncio.run(main())
    assert again == [text, html, svg]
    assert text == (
        "1 line of HTML, served by the lab with its own port in place of 80\n\n"
        "<script>\\x1b[31m\\u202enew WebSocket('ws://localhost:80')"
    )
    assert "&lt;script&gt;" in html
    assert "<script" not in html + svg
