"""The panel's kernel side, without a browser: what it pushes, what it answers, and how it shows itself."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_page import FakePage
from ipywidgets import Widget
from traitlets import TraitError
from waits import soon

from wslab.anatomy.field import Sender
from wslab.anatomy.record import PACKED, packed_values
from wslab.panels.byte_inspector.byte_inspector import ByteInspector
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.panels.kit.panel import Panel
from wslab.panels.kit.trace_panel import BATCH, Pusher
from wslab.panels.lab_panel.lab_panel import LabPanel
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording.trace import Trace


def traffic(trace: Trace, frames: int = 3, payload: str = "Hello") -> None:
    """One connection with a handshake and some frames, as two taps note it."""
    client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
    request, response = build_request(), build_response()
    for writer, reader, data in (
        (client, server, bytes(request)),
        (server, client, bytes(response)),
        *((server, client, build_frame(f"{payload} {number}")) for number in range(frames)),
    ):
        writer.sent(data)
        reader.received(data)


class Page(FakePage):
    """A page that holds a recording's records."""

    def _of_records(self, buffer: int) -> list[bytes]:
        return [data[buffer] for data in list(self.buffers) if data]

    @property
    def numbers(self) -> list[int]:
        """Numbers of all records heard, in order."""
        return [number for data in self._of_records(0) for number, _ in packed_values(data, "number", "kind")]

    @property
    def late(self) -> bytes:
        """The receptions heard, in order."""
        return b"".join(self._of_records(1))


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def panel(trace: Trace) -> Iterator[LabPanel]:
    panel = LabPanel(trace)
    yield panel
    panel.close()


def test_a_new_view_is_sent_what_it_lacks_and_then_what_is_new(trace: Trace, panel: LabPanel) -> None:
    traffic(trace)
    page = Page(panel)
    page.ask("records", **{"from": 2})
    page.wait(lambda: page.numbers == [2, 3, 4])
    trace.note("something failed")
    page.wait(lambda: page.numbers == [2, 3, 4, 5])
    status = page.told[-1]["status"]
    assert (status["total"], status["first"], status["bytes_dropped"]) == (6, 0, 0)


def test_what_changed_a_state_is_pushed_with_its_record(trace: Trace, panel: LabPanel) -> None:
    traffic(trace)
    page = Page(panel)
    page.ask("records", **{"from": 0})
    page.wait(lambda: page.numbers == [0, 1, 2, 3, 4])
    content = page.told[-1]
    assert content["before"] == {}
    assert sorted(content["steps"]) == [
        [1, 0, "client", "OPEN", "received 101", "RFC 6455 4.1"],
        [1, 0, "server", "OPEN", "sent 101", "RFC 6455 4.2.2"],
    ]
    page.ask("records", **{"from": 3})
    page.wait(lambda: page.numbers[-2:] == [3, 4] and len(page.numbers) == 7)
    assert page.told[-1]["before"] == {"0": {"client": "OPEN", "server": "OPEN"}}


def test_a_reception_that_comes_after_its_record_was_pushed_is_pushed_too(trace: Trace, panel: LabPanel) -> None:
    client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
    page = Page(panel)
    page.ask("records", **{"from": 0})
    for data in (bytes(build_request()), build_frame("a", mask=b"1234"), build_frame("b", mask=b"1234")):
        client.sent(data)
    page.wait(lambda: page.numbers == [0, 1, 2])
    assert page.late == b""
    server.received(bytes(build_request()) + build_frame("a", mask=b"1234"))
    page.wait(lambda: len(page.late) == 16)
    told = dict(struct.iter_unpack("<II", page.late))
    assert told == {
        number: round((trace.record(number).received - trace.record(number).time) * 1e6) for number in (0, 1)
    }
    trace.note("later")
    page.wait(lambda: page.numbers == [0, 1, 2, 3])
    assert len(page.late) == 16, "each is told once"
    server.received(build_frame("b", mask=b"1234"))
    page.wait(lambda: len(page.late) == 24)


@pytest.mark.lengthy
def test_many_records_come_in_few_messages_in_order(panel: LabPanel, trace: Trace) -> None:
    page = Page(panel)
    page.ask("records", **{"from": 0})
    started = time.monotonic()
    for _ in range(2000):
        trace.note("x")
        time.sleep(0.0002)
    page.wait(lambda: len(page.numbers) == 2000)
    assert page.numbers == list(range(2000))
    assert len(page.told) <= 20 * (time.monotonic() - started) + 3


def test_more_than_one_batch_is_sent_without_being_asked_again(panel: LabPanel, trace: Trace, monkeypatch: Any) -> None:
    monkeypatch.setattr("wslab.panels.kit.trace_panel.BATCH", 10)
    assert BATCH > 10
    traffic(trace, 50)
    page = Page(panel)
    page.ask("records", **{"from": 0})
    page.wait(lambda: page.numbers == list(range(52)))
    assert max(len(data) for data, _ in page.buffers) == 10 * PACKED.size


def test_until_somebody_listens_a_push_repeats_what_went_before(trace: Trace, panel: LabPanel) -> None:
    traffic(trace)
    page = Page(panel)
    panel._repr_mimebundle_()
    page.wait(lambda: page.numbers.count(0) >= 2)
    page.ask("records", **{"from": 5})
    page.wait(lambda: panel._asked)
    heard = len(page.numbers)
    trace.note("new")
    page.wait(lambda: page.numbers[heard:][-1:] == [5])
    assert page.numbers[-1] == 5


def test_a_question_from_another_thread_is_answered(trace: Trace, panel: LabPanel) -> None:
    traffic(trace)
    page = Page(panel)
    asker = threading.Thread(target=lambda: page.ask("explanation", number=2))
    asker.start()
    asker.join(10)
    answer, *_ = page.told
    assert (answer["tell"], answer["number"], answer["problem"]) == ("explanation", 2, None)
    assert [field["name"] for field in answer["explanation"]["fields"]][:2] == ["FIN", "RSV1"]


def test_what_cannot_be_answered_is_said_in_words(panel: LabPanel) -> None:
    page = Page(panel)
    page.ask("explanation", number=7)
    assert "no record 7" in page.told[0]["problem"]
    for question in ({"ask": "nonsense"}, {"nothing": 1}, {"ask": "records"}):
        panel.problem = ""
        panel._handle_custom_msg(question, [])
        assert panel.problem
    page.ask("nonsense")
    assert "nonsense" in panel.problem
    assert "explanation" in panel.problem, "it says what can be asked"
    page.ask("explanation", number=7)
    assert panel.problem == "", "what succeeds clears it"


def test_it_shows_the_recordings_text_and_html_beside_the_live_view(trace: Trace, panel: LabPanel) -> None:
    traffic(trace)
    bundle = panel._repr_mimebundle_()
    assert bundle is not None
    assert bundle[0]["text/plain"] == repr(panel) == repr(trace)
    assert bundle[0]["text/html"] == trace._repr_html_()
    assert bundle[0]["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert panel.snapshot == repr(trace)


def test_the_snapshot_is_bounded_and_says_where_it_was_cut(trace: Trace, panel: LabPanel) -> None:
    traffic(trace, 500, "a payload of some length")
    panel._repr_mimebundle_()
    assert len(panel.snapshot) < 8_100
    text = repr(trace)
    assert panel.snapshot == text or panel.snapshot.endswith("cut here")


def test_nothing_that_grows_is_a_trait(trace: Trace, panel: LabPanel) -> None:
    traffic(trace, 3)
    before = {name: len(repr(value)) for name, value in panel.get_state().items()}
    traffic(trace, 300)
    panel.refresh()
    assert {name: len(repr(value)) for name, value in panel.get_state().items()} == before


def test_an_idle_panel_holds_no_thread(trace: Trace, panel: LabPanel) -> None:
    page = Page(panel)
    page.ask("records", **{"from": 0})
    traffic(trace)
    page.wait(lambda: len(page.numbers) == 5)
    soon(lambda: all(thread.name != "wslab-panel" for thread in threading.enumerate()))


def test_a_closed_panel_is_pushed_nothing_and_the_trace_forgets_it(trace: Trace) -> None:
    panel = LabPanel(trace)
    page = Page(panel)
    page.ask("records", **{"from": 0})
    page.wait(lambda: len(page.told) == 1)
    panel.close()
    traffic(trace)
    assert trace.tape._subscribers == ()
    assert page.numbers == []


@pytest.mark.parametrize(
    ("trait", "value", "allowed"),
    [
        ("direction", "up", "'both', 'client', 'server'"),
        ("kinds", ["data", "pings"], "'handshake', 'data', 'control', 'tcp', 'error', 'bend'"),
        ("opcode", 16, "15"),
        ("connection", -1, "0"),
        ("position", 5, "records 0 to 4"),
        ("text", 7, "string"),
    ],
)
def test_a_filter_that_cannot_be_says_what_can(
    trace: Trace, panel: LabPanel, trait: str, value: object, allowed: str
) -> None:
    traffic(trace)
    before = getattr(panel, trait)
    with pytest.raises(TraitError, match=trait) as error:
        setattr(panel, trait, value)
    assert allowed in str(error.value)
    assert getattr(panel, trait) == before


def test_a_position_pauses_and_what_is_live_has_none(trace: Trace, panel: LabPanel) -> None:
    panel.paused = True
    assert panel.position == -1, "before the first record"
    panel.paused = False
    assert panel.position is None
    traffic(trace)
    panel.position = 2
    assert panel.paused
    panel.position = None
    assert not panel.paused
    panel.paused = True
    assert panel.position == 4


def test_kinds_are_kept_in_order_and_once(panel: LabPanel) -> None:
    panel.kinds = ["tcp", "data", "tcp"]
    assert panel.kinds == ["data", "tcp"]


def test_the_picture_shows_what_passes_the_filter_and_the_selected_bytes(trace: Trace, panel: LabPanel) -> None:
    traffic(trace, 100)
    assert "Hello 99" in str(panel.picture())
    assert "Hello 30" not in str(panel.picture())
    panel.selected = 40
    assert "Hello 38" in str(panel.picture())
    assert "RFC 6455 5.2" in str(panel.picture()), "the selected frame's fields"
    panel.direction = "client"
    assert "Hello 39" not in str(panel.picture()).partition("Payload")[0]
    panel.selected = None
    panel.direction = "both"
    panel.position = 1
    assert "Hello 0" not in str(panel.picture()), "it has not happened yet"


def test_only_a_trace_or_what_has_one_is_taken() -> None:
    with pytest.raises(TypeError, match="a Trace or a Lab is wanted"):
        LabPanel([1, 2, 3])


def test_a_push_that_is_woken_while_it_runs_runs_again() -> None:
    ran, inside, go_on = [], threading.Event(), threading.Event()

    def push() -> bool:
        ran.append(1)
        inside.set()
        assert go_on.wait(5)
        return False

    pusher = Pusher(push, name="test")
    pusher.wake()
    assert inside.wait(5)
    pusher.wake()
    go_on.set()
    soon(lambda: len(ran) == 2)


@pytest.mark.lengthy
def test_a_lab_outside_a_kernel_shows_text_and_loads_no_widget() -> None:
    program = """
import sys, wslab
lab = wslab.Lab()
print(sorted(lab._repr_mimebundle_()))
print([name for name in ("anywidget", "ipywidgets", "IPython") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "['text/html', 'text/plain']\n[]\n", run.stderr


def test_a_push_that_fails_is_told_and_the_next_one_goes_on(
    trace: Trace, panel: LabPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(panel)
    page.ask("records", **{"from": 0})
    with monkeypatch.context() as broken:
        broken.setattr(trace, "packed", lambda *_: 1 / 0)
        traffic(trace)
        soon(lambda: "ZeroDivisionError" in panel.problem)
    trace.note("after it")
    page.wait(lambda: page.numbers == [0, 1, 2, 3, 4, 5])


@pytest.mark.slow
def test_the_text_for_a_notebook_without_a_kernel_follows_the_recording(trace: Trace, panel: LabPanel) -> None:
    page = Page(panel)
    page.ask("records", **{"from": 0})
    assert panel.snapshot == "nothing recorded yet", "shown inside a layout, too"
    traffic(trace)
    soon(lambda: panel.snapshot == repr(trace), lambda: panel.snapshot)


def test_what_is_shown_and_selected_is_a_table_or_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace()
    client = trace.join(Sender.CLIENT, 1)
    client.sent(build_frame("ours", mask=b"1234") + build_frame(b"", opcode=9, mask=b"1234"))
    panel = LabPanel(trace)
    assert panel.selected is None
    assert len(panel.selection) == 0
    panel.kinds, panel.selected = ["control"], 0
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert [record.number for record in panel.shown] == [1]
    assert [record.summary for record in panel.selection] == ['TEXT "ours"']
    monkeypatch.undo()
    pandas = pytest.importorskip("pandas")
    for table, number, summary in ((panel.shown, 1, "PING"), (panel.selection, 0, 'TEXT "ours"')):
        assert isinstance(table, pandas.DataFrame)
        assert table[["number", "sender", "kind", "summary"]].to_numpy().tolist() == [
            [number, "client", "frame", summary]
        ]


def test_notes_stand_on_the_arrows_of_the_picture_and_in_the_text() -> None:
    trace = Trace()
    trace.join(Sender.CLIENT, 1).sent(build_frame("ours", mask=b"1234"))
    panel = LabPanel(trace)
    before = repr(panel)
    panel.notes = {0: "the <first>\x1b message"}
    assert repr(panel) == f"{before}\n\nNo. 0  the <first>\\x1b message"
    assert "(the &lt;first&gt;\\x1b message)" in panel.picture().svg
    with pytest.raises(TraitError):
        panel.notes = {"two": "no number"}
    panel.close()


def test_a_page_is_given_the_picture_and_the_recording_as_files(tmp_path: Path) -> None:
    trace = Trace()
    traffic(trace)
    page = FakePage(LabPanel(trace))
    for what in ("picture", "recording"):
        page.ask("file", what=what, view="mine")
    picture, recording = page.all("file")
    assert (picture["name"], picture["view"], recording["name"]) == ("recording.svg", "mine", "recording.pcapng")
    files = [buffers[0] for message, buffers in zip(page.told, page.buffers, strict=True) if message["tell"] == "file"]
    assert files[0].startswith(b"<svg")
    (tmp_path / "recording").write_bytes(files[1])
    assert [one.summary for one in Trace.open(tmp_path / "recording").records] == [one.summary for one in trace.records]


@pytest.mark.lengthy
@pytest.mark.parametrize("kind", [LabPanel, ClosingPanel, ByteInspector])
def test_a_closed_panel_leaves_no_widget(trace: Trace, kind: type[Panel]) -> None:
    def widgets() -> set[str]:
        return set(Widget.get_manager_state()["state"])

    before = widgets()
    panel = kind(b"\x81\x00" if kind is ByteInspector else trace)
    assert widgets() > before
    panel.close()
    assert widgets() == before
    panel.close()


def test_a_panel_that_tells_while_another_one_sends_holds_nothing_up(trace: Trace) -> None:
    """A collection may end a forgotten panel at any moment, and what ends says so."""
    panel, forgotten = LabPanel(trace), LabPanel(trace)
    heard = FakePage(forgotten)
    panel.send = lambda content, buffers=None: forgotten.tell("ended")  # type: ignore[method-assign]
    telling = threading.Thread(target=panel.tell, args=("anything",), daemon=True)
    telling.start()
    telling.join(10)
    assert not telling.is_alive()
    assert heard.all("ended")
