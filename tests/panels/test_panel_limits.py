"""Each limit of the panels is reached, and what docs/limits.md says of it happens."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
import traitlets
from fake_page import FakePage
from test_browser_panel_messages import shown
from test_closing_panel_messages import Talk, goodbye
from test_composer_messages import Page as ComposerPage
from test_composer_messages import run
from test_lab_panel_messages import Page, traffic
from waits import until

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind
from wslab.live.errors import LibraryRefuses
from wslab.live.lab import Lab
from wslab.panels.browser_panel.browser_panel import MOST_CODE
from wslab.panels.browser_panel.page_run import MESSAGES_KEPT, PageConnection
from wslab.panels.byte_inspector.byte_inspector import ByteInspector
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.panels.composer.composer import Composer
from wslab.panels.composer.composition import LONGEST_REASON, MOST_FRAGMENTS
from wslab.panels.frame_builder.frame_builder import MOST_HEX, FrameBuilder
from wslab.panels.handshake_workbench import handshake_workbench
from wslab.panels.kit.module import esm
from wslab.panels.lab_panel.lab_panel import LabPanel
from wslab.protocol import build_frame
from wslab.recording.trace import Trace

pytestmark = pytest.mark.lengthy  # all of them together

BYTES = """
const panel = await import("data:text/javascript;base64," + Buffer.from(process.argv[1]).toString("base64"));
const lengths = [10, 1024, 2000].map((length) => panel.bytesOf({ data: "ab".repeat(length) }).length);
process.stdout.write(JSON.stringify(lengths));
"""


@pytest.mark.oracle
def test_a_page_shows_the_first_bytes_of_a_record(node_path: str) -> None:
    command = [node_path, "--input-type=module", "-e", BYTES, esm("kit/places.js")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout) == [10, 1024, 1024]


def test_the_stored_text_stays_as_it_was_where_there_are_too_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.panels.kit.trace_panel.QUIET", 0.01)
    monkeypatch.setattr("wslab.panels.kit.trace_panel.MOST_KEPT", 6)
    trace = Trace()
    panel = LabPanel(trace)
    page = Page(panel)
    page.ask("records", **{"from": 0})
    traffic(trace, 3)
    page.wait(lambda: "5 records" in panel.snapshot)
    for _ in range(5):
        trace.note("one more")
    page.wait(lambda: page.numbers == list(range(10)))
    assert panel._keeper is not None
    panel._keeper.join(5)
    assert "5 records" in panel.snapshot
    panel.close()


def test_a_push_carries_the_earlier_states_of_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.panels.kit.trace_panel.MOST_STATES", 2)
    trace = Trace()
    for key in "abcd":
        Talk(trace, key)
    panel = LabPanel(trace)
    page = Page(panel)
    page.ask("records", **{"from": 7})
    page.wait(lambda: page.numbers == [7])
    assert [[*message["before"]] for message in page.all("records") if message["before"]] == [["2", "3"]]
    panel.close()


def test_the_composer_offers_the_newest_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.panels.composer.composition.MOST_ENDS", 3)

    async def test(lab: Lab, composer: Composer) -> None:
        clients = [await lab.connect() for _ in range(2)]
        await until(lambda: len(lab.ends) == 6)
        page = ComposerPage(composer)
        offered = page.last("ends")
        assert (len(offered["ends"]) in (3, 4), offered["more"]) == (True, 3)
        assert offered["ends"][-1]["connection"] == "2"
        for client in clients:
            await client.close()

    run(test)


def test_the_composer_takes_so_many_fragments() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = ComposerPage(composer)
        page.change("fragments", MOST_FRAGMENTS)
        assert (composer.problem, composer.fragments) == ("", 64)
        page.change("fragments", MOST_FRAGMENTS + 1)
        assert "fragments" in composer.problem
        assert composer.fragments == 64
        with pytest.raises(traitlets.TraitError, match="fragments"):
            composer.fragments = 65

    run(test)


def test_a_close_reason_that_is_too_long_is_refused() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = ComposerPage(composer)
        for name, value in {"opcode": 8, "payload_as": "close", "code": 1000, "reason": "x" * LONGEST_REASON}.items():
            page.change(name, value)
        assert (page.preview["reason_most"], page.preview["trouble"]) == (123, "")
        assert [frame["broken"] for frame in page.preview["frames"]] == [0]
        page.change("reason", "x" * (LONGEST_REASON + 1))
        assert [frame["broken"] for frame in page.preview["frames"]] == [1]
        assert composer.explain().violations[0].section == "RFC 6455 5.5"
        with pytest.raises(LibraryRefuses, match="control frame too long"):
            await composer.close_connection()

    run(test)


def test_the_composer_remembers_so_many_sendings() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        for number in range(25):
            composer.payload = str(number)
            await composer.send_message()
        assert len(composer._sent) == 20
        await until(lambda: lab.trace.total >= 52)

    run(test)


def test_of_many_answers_the_first_are_shown_and_the_rest_counted() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        assert lab.server is not None
        composer.payload = "x"
        await composer.send_message()
        await until(lambda: len(composer._answer()["records"]) == 1)
        for number in range(5):
            await lab.server.connections[0].send(str(number))
        await until(lambda: lab.trace.total == 9)
        answer = composer._answer()
        assert (len(answer["records"]), answer["more"]) == (4, 2)

    run(test)


def test_of_a_large_payload_the_builder_shows_the_first_hex_and_a_short_call() -> None:
    builder = FrameBuilder(bytes(range(256)) * (MOST_HEX // 256 + 1))
    assert bytes.fromhex(builder.built["hex"]) == builder.data[:MOST_HEX]
    assert builder.call.startswith("build_frame(payload, ")
    assert not FrameBuilder("ab").call.startswith("build_frame(payload")


def test_the_byte_inspector_offers_the_first_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslab.panels.byte_inspector.byte_inspector.MOST_PARTS", 3)
    panel = ByteInspector(build_frame("x") * 10, read_as="server stream")
    page = FakePage(panel)
    page.ask("hello")
    assert (len(page.last("reading")["parts"]), page.last("reading")["total"]) == (3, 10)


def test_a_long_body_of_a_response_is_cut_and_its_length_told() -> None:
    told = handshake_workbench._body_text(SimpleNamespace(body=b"x" * 2_001))  # type: ignore[arg-type]
    assert told == "x" * 2_000 + "… 2,001 bytes"
    assert handshake_workbench._body_text(SimpleNamespace(body=b"x" * 2_000)) == "x" * 2_000  # type: ignore[arg-type]


def test_the_closing_panel_offers_the_newest_connections_and_forgets_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wslab.panels.closing_panel.closing_panel.MOST_CHOICES", 3)
    monkeypatch.setattr("wslab.panels.closing_panel.closing_panel.MOST_KEPT", 4)
    trace = Trace()
    for key in range(6):
        goodbye(Talk(trace, str(key)))
    panel = ClosingPanel(trace)
    page = FakePage(panel)
    page.ask("hello")
    panel._push()
    assert page.last("closing")["connections"] == [3, 4, 5]
    assert [*panel._numbers] == [2, 3, 4, 5]
    panel.connection = 0
    panel._push()
    closing = page.last("closing")["closing"]
    assert closing is not None
    assert panel._now() is not None


def test_code_that_a_page_sends_is_cut() -> None:
    _, panel, page = shown()
    page.ask("run", code="x" * (MOST_CODE + 5))
    assert len(panel.code) == MOST_CODE


def test_a_timeout_names_so_many_events_and_counts_the_rest() -> None:
    _, panel, page = shown()
    page.ask("run", code="")
    page.happened(*({"what": "console", "level": "log", "text": ""} for _ in range(30)))
    with pytest.raises(TimeoutError, match="18 more") as caught:
        asyncio.run(panel.wait_for("message", timeout=0.01))
    assert len(re.findall("console", str(caught.value))) <= 12


def test_a_message_that_is_older_than_the_last_thousand_has_no_record() -> None:
    connection = PageConnection(0, 0, "/")
    for number in range(MESSAGES_KEPT + 5):
        connection.note(number, Kind.FRAME, Sender.SERVER, 0x81)

    def event(nth: int) -> Any:
        return SimpleNamespace(thrown=None, what="message", nth=nth, socket=0)

    assert connection.record_of(event(4)) is None
    assert connection.record_of(event(5)) == 5
    assert connection.record_of(event(MESSAGES_KEPT + 4)) == MESSAGES_KEPT + 4
