"""Progress: only where somebody waits, only after a moment, gone at the end; and files that are whole or not there."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import IPython.display
import pytest
from packets import greeting, pcap
from test_har import entry, message

from wslab import cli
from wslab.anatomy.field import Sender
from wslab.protocol import build_frame
from wslab.recording import work as works
from wslab.recording.trace import Trace
from wslab.recording.work import watched, work, written


class Screen(io.StringIO):
    """A terminal's standard error."""

    def isatty(self) -> bool:
        return True


class Cell:
    """The outputs of a cell, each with all that it ever showed."""

    def __init__(self) -> None:
        self.outputs: list[list[dict[str, str]]] = []

    def __call__(self) -> Cell:
        self.outputs.append([])
        return self

    def display(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.outputs[-1].append(data)

    update = display


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(works, "DELAY", 0)
    monkeypatch.setattr(works, "EVERY", 0)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    monkeypatch.setattr(works, "running_cell", lambda: ("cell", "execution"))
    monkeypatch.setattr(IPython.display, "DisplayHandle", made)
    return made


def texts(cell: Cell) -> list[str]:
    (output,) = cell.outputs
    return [data["text/plain"] for data in output]


@pytest.mark.usefixtures("at_once")
def test_in_a_cell_it_is_one_output_that_is_empty_in_the_end(cell: Cell) -> None:
    with work("opening", "folder/file.har"):
        assert [*watched(range(4), "reading")] == [0, 1, 2, 3]
    assert texts(cell) == ["", *(f"opening file.har: reading {part}%" for part in (0, 25, 50, 75)), ""]
    assert '<progress max="1" value="0.750"></progress></label>' in cell.outputs[0][4]["text/html"]
    assert cell.outputs[0][-1] == {"text/plain": "", "text/html": ""}


@pytest.mark.usefixtures("at_once")
def test_without_a_total_nothing_is_made_up(cell: Cell) -> None:
    with work("opening", "a"):
        [*watched(iter([1, 2]), "reading")]
        [*watched(iter(["ab", "c"]), "weighing", 3, len)]
        [*watched((n for n in (1, 2)), "counting")]
    told = texts(cell)
    assert told[1:3] == ["opening a: reading 0%", "opening a: reading 50%"]  # a list's iterator knows how many are left
    assert told[3:5] == ["opening a: weighing 0%", "opening a: weighing 67%"]
    assert told[5:] == ["opening a: counting", "opening a: counting", ""]
    assert "value" not in cell.outputs[0][6]["text/html"]


@pytest.mark.usefixtures("at_once")
def test_a_name_acts_nowhere(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    with work("opening", "<img src=x onerror=alert(1)>\x1b[2J\u202e"):
        [*watched([1], "reading")]
    shown = cell.outputs[0][1]
    assert "<img" not in shown["text/html"]
    assert "\x1b" not in shown["text/plain"] + shown["text/html"]
    assert "\u202e" not in shown["text/plain"]


@pytest.mark.usefixtures("at_once")
def test_in_a_terminal_it_is_one_line_that_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", screen := Screen())
    with work("opening", "a"):
        [*watched(range(2), "reading")]
    shown = "opening a: reading 0%", "opening a: reading 50%"
    assert screen.getvalue() == f"\r{shown[0]}\r{shown[1]}\r{' ' * len(shown[1])}\r"


@pytest.mark.usefixtures("at_once")
def test_where_nobody_waits_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with work("opening", "a"):
        [*watched(range(2), "reading")]
    assert capsys.readouterr() == ("", "")


def test_what_is_done_within_a_moment_is_not_shown(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", screen := Screen())
    assert 0.5 <= works.DELAY <= 1
    with work("opening", "a"):
        [*watched(range(1000), "reading")]
    assert cell.outputs == []
    assert screen.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_work_within_work_and_on_another_thread(cell: Cell) -> None:
    def elsewhere() -> None:
        with work("saving", "elsewhere"):
            [*watched(range(3), "there")]

    with work("opening", "a"):
        with work("saving", "b"):
            [*watched([1], "reading")]
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        [*watched([1], "reading on")]
    assert texts(cell) == ["", "opening a: reading 0%", "opening a: reading on 0%", ""]


@pytest.mark.usefixtures("at_once")
def test_it_is_gone_after_an_error_and_an_interrupt(cell: Cell) -> None:
    for error in (ValueError, KeyboardInterrupt):

        def failing(error: type[BaseException] = error) -> Iterator[int]:
            yield 1
            raise error

        with pytest.raises(error), work("opening", "a"):
            [*watched(failing(), "reading")]
        assert cell.outputs.pop()[-1]["text/html"] == ""


def full() -> Trace:
    trace = Trace()
    trace.join(Sender.CLIENT, 1).sent(build_frame("one", mask=bytes(4)) * 50)
    return trace


@pytest.mark.usefixtures("at_once")
def test_all_that_may_take_a_second_shows_itself(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "capture").write_bytes(pcap(greeting().packets))
    (tmp_path / "har").write_text(json.dumps({"log": {"entries": [entry([message()])]}}))
    trace = full()
    things: dict[str, Callable[[], Any]] = {
        "saving saved: packing bytes.bin": lambda: trace.save(tmp_path / "saved"),
        "opening saved: reading records": lambda: Trace.load(tmp_path / "saved"),
        "opening capture: reading packets": lambda: Trace.open(tmp_path / "capture"),
        "opening capture: reading frames": lambda: Trace.open(tmp_path / "capture"),
        "opening har: reading messages": lambda: Trace.open(tmp_path / "har"),
        "writing out.har: joining messages": lambda: trace.to_har(tmp_path / "out.har"),
        "writing out.pcapng: writing packets": lambda: trace.to_pcapng(tmp_path / "out.pcapng"),
        "making a data frame: reading frames": trace.to_dataframe,
    }
    for told, do in things.items():
        cell.outputs.clear()
        do()
        assert any(text.startswith(told) for text in texts(cell)), (told, texts(cell))
        assert texts(cell)[-1] == ""


@pytest.mark.usefixtures("at_once")
def test_the_command_line_shows_it_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stderr", screen := Screen())
    (tmp_path / "capture").write_bytes(pcap(greeting().packets))
    assert cli.main(["dissect", str(tmp_path / "capture"), "--json"]) == 0
    assert "\ropening capture: reading packets 0%" in screen.getvalue()
    assert screen.getvalue().endswith("\r")
    assert "opening" not in capsys.readouterr().out


def interrupted(file: IO[bytes]) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for before in (None, b"before"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(KeyboardInterrupt), written(path) as file:
            interrupted(file)
        assert (path.read_bytes() if path.exists() else None) == before
        assert [*tmp_path.iterdir()] == [path] * (before is not None)
    path.chmod(0o640)
    with written(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    link = tmp_path / "link"
    link.symlink_to(path)
    with written(link) as file:
        file.write(b"through the link")
    assert link.is_symlink()
    assert path.read_bytes() == b"through the link"


def test_what_cannot_be_written_is_named_as_it_was_given(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "file"
    for path in (missing, tmp_path):
        with pytest.raises(OSError, match=str(path)) as caught, written(path):
            pass
        assert caught.value.filename == str(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_is_told_with_the_file_that_was_given() -> None:
    for write in (full().save, full().to_pcapng, full().to_har):
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            write("/dev/full")


def test_a_name_may_be_as_long_as_a_name_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    for content in (b"new", b"newer"):
        with written(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert [*tmp_path.iterdir()] == [path]


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    """The last one that is done gives it its content, whole; the other one is not disturbed."""
    path, both = tmp_path / "there", threading.Barrier(2, timeout=10)
    failed: list[BaseException] = []

    def write(content: bytes) -> None:
        try:
            with written(path) as file:
                both.wait()
                file.write(content)
                file.flush()
                both.wait()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert path.read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    full().to_pcapng(pipe)
    reader.join(10)
    assert heard[0].startswith(b"\x0a\x0d\x0d\x0a")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
