"""A HAR as Playwright writes it: messages in it, beside it, in one archive with it, or left out.

The shapes are those of Playwright 1.65: ``response.content._file`` names a file of JSON lines, times are milliseconds,
and in an archive the HAR is ``har.har``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from test_har import entry, message

from wslab import cli
from wslab.recording.archive import TraceFileError
from wslab.recording.trace import Trace

LINES = [message("send", 1767323046000.5, 1, "Hello"), message("receive", 1767323046100.5, 2, "AP+A")]
JSONL = "".join(json.dumps(line) + "\n" for line in LINES).encode()
NAME = "08bacbd0341880c5939c23f9eaf99976.jsonl"
FORMS = ["embed", "attach", "embed.zip", "attach.zip"]


def har(entries: list[Any]) -> bytes:
    return json.dumps({"log": {"creator": {"name": "Playwright"}, "entries": entries}}).encode()


def attached(name: Any = NAME) -> dict[str, Any]:
    """An entry that names a file of messages."""
    told = entry()
    del told["_webSocketMessages"]
    told["response"]["content"] = {"size": -1, "mimeType": "x-unknown", "_file": name}
    return told


def zipped(path: Path, **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def written(folder: Path, form: str) -> Path:
    """A recording as Playwright writes it with this ``content``."""
    content, _, suffix = form.partition(".")
    parts = {"har.har": har([attached() if content == "attach" else entry(LINES)])}
    if content == "attach":
        parts[NAME] = JSONL
    if suffix:
        return zipped(folder / "out.zip", **parts)
    for name, data in parts.items():
        (folder / name).write_bytes(data)
    return folder / "har.har"


@pytest.mark.parametrize("form", FORMS)
def test_messages_wherever_playwright_puts_them(form: str, tmp_path: Path):
    path = written(tmp_path, form)
    for trace in (Trace.open(path), Trace.from_har(path)):
        assert [message.data for message in trace.messages] == [b"Hello", b"\x00\xff\x80"]
        assert [round(record.time, 4) for record in trace.records] == [0, 0, 0.3225, 0.4225]
        assert [head.status for head in trace.handshakes] == [None, 101]
        assert trace.notes[1:] == ("Playwright wrote the file, which leaves out messages without data",)


@pytest.mark.parametrize("form", FORMS)
def test_the_command_line_reads_them_too(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["dissect", str(written(tmp_path, form)), "--json"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["kind"] for line in said.out.splitlines()] == [
        *["note"] * 2,
        *["handshake"] * 2,
        *["frame"] * 2,
    ]
    assert "rebuilt from a HAR" in said.err


@pytest.mark.parametrize(
    "name",
    ["../secret.jsonl", "/etc/passwd", "inside/../../secret.jsonl", "link.jsonl", "", ".", "gone", "a\0b", "x" * 999],
)
def test_a_name_that_leads_elsewhere_is_not_followed(name: str, tmp_path: Path):
    (tmp_path / "secret.jsonl").write_bytes(JSONL)
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "a.har").write_bytes(har([attached(name)]))
    for path in (folder / "a.har", zipped(tmp_path / "a.zip", **{"har.har": har([attached(name)])})):
        trace = Trace.open(path)
        assert trace.messages == []
        assert any(note.startswith("messages are left out: the file") for note in trace.notes), trace.notes


@pytest.mark.parametrize("status", [200, 302, 401, 403, 426, 503])
def test_the_body_of_a_refusal_is_no_file_of_messages(status: int, tmp_path: Path):
    refused = attached("body.html")
    refused["response"] |= {"status": status, "statusText": "no"}
    (tmp_path / "body.html").write_text("<html>\nno\n</html>")
    (tmp_path / "a.har").write_bytes(har([refused]))
    trace = Trace.open(tmp_path / "a.har")
    assert [head.status for head in trace.handshakes] == [None, status]
    assert not any("message is left out" in note or "messages are left out" in note for note in trace.notes)


@pytest.mark.parametrize("name", [1, None, [], {}, True], ids=str)
def test_a_name_that_is_no_text(name: Any, tmp_path: Path):
    (tmp_path / "a.har").write_bytes(har([attached(name)]))
    assert any("left them out" in note for note in Trace.open(tmp_path / "a.har").notes)


def test_lines_that_are_no_messages(tmp_path: Path):
    (tmp_path / NAME).write_bytes(b"\xff\n{\n[]\n" + b"[" * 100_000 + b"\n" + JSONL + b"\n1")
    (tmp_path / "a.har").write_bytes(har([attached()]))
    trace = Trace.open(tmp_path / "a.har")
    assert [message.data for message in trace.messages] == [b"Hello", b"\x00\xff\x80"]
    assert "a message is left out: it is no object (6 times)" in trace.notes


def test_what_is_beside_a_har_counts_against_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.recording.files.har_files.LARGEST", 1_000)
    (tmp_path / NAME).write_bytes(b" " * (200 - len(JSONL)) + JSONL)
    entries = [{"_resourceType": "websocket", "response": {"content": {"_file": NAME}}}] * 7
    (tmp_path / "a.har").write_bytes(json.dumps({"log": {"entries": entries}}).encode())
    trace = Trace.open(tmp_path / "a.har")
    assert len(trace.messages) == 2 * 5
    assert any("makes more than" in note and note.endswith("(2 times)") for note in trace.notes), trace.notes


def test_a_small_archive_of_much_is_read_no_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.recording.files.har_files.LARGEST", 10_000)
    bomb = zipped(tmp_path / "a.zip", **{"har.har": b"[" * 1_000_000})
    with pytest.raises(TraceFileError, match="longer than 10,000 bytes"):
        Trace.open(bomb)
    zipped(bomb, **{"har.har": har([attached()]), NAME: JSONL + b" " * 1_000_000})
    assert any("makes more than 10,000 bytes" in note for note in Trace.open(bomb).notes)


def test_messages_beyond_the_limit_are_counted_beside_a_har_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wslab.recording.files.har.MESSAGES", 3)
    path = zipped(tmp_path / "a.zip", **{"har.har": har([attached(), attached()]), NAME: JSONL})
    trace = Trace.open(path)
    assert len(trace.messages) == 3
    assert "only the first 3 messages are read" in trace.notes


@pytest.mark.parametrize("form", ["embed", "attach"])
@pytest.mark.parametrize(
    ("folder", "name", "beside"),
    [
        ("", "bug.har", {"__MACOSX/._bug.har": b"\0\5\x16\7"}),
        ("out/", "har.har", {}),
        ("a/b/", "A.HAR", {"__MACOSX/a/b/._A.HAR": b""}),
    ],
    ids=["as macOS packs", "a folder packed", "both, in capitals"],
)
def test_an_archive_that_a_person_packed_again(
    form: str, folder: str, name: str, beside: dict[str, bytes], tmp_path: Path
):
    whole = har([attached() if form == "attach" else entry(LINES)])
    path = zipped(tmp_path / "again.zip", **{folder + name: whole, folder + NAME: JSONL}, **beside)
    for read in (Trace.open, Trace.from_har):
        assert [message.data for message in read(path).messages] == [b"Hello", b"\x00\xff\x80"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_zipfile_unpacks_without_a_bound_is_not_unpacked(method: int, tmp_path: Path):
    """A kilobyte of bzip2 can hold a gigabyte, all of which would be in memory before it is counted."""
    recording = tmp_path / "a.wslab"
    Trace().save(recording)
    with zipfile.ZipFile(recording) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in {"a.wslab": parts, "a.zip": {"har.har": har([entry(LINES)])}}.items():
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            for inside, data in content.items():
                archive.writestr(inside, data)
        with pytest.raises(TraceFileError, match=f"is packed by method {method}"):
            Trace.open(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("har.har", har([attached()]))
        archive.writestr(NAME, JSONL, method)
    assert any(f'"{NAME}" that an entry names is missing or damaged' in n for n in Trace.open(tmp_path / "a.zip").notes)


@pytest.mark.parametrize(
    "parts",
    [{"a.har": b"{}", "b.har": b"{}"}, {"a.har": b"no json"}, {"a.har": b""}, {"a.har": b"\xff"}, {"a.txt": b"x"}],
    ids=lambda parts: " ".join(parts),
)
def test_an_archive_that_holds_no_har(parts: dict[str, bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", **parts)
    for read in (Trace.open, Trace.from_har):
        with pytest.raises(TraceFileError, match=str(path)):
            read(path)


@pytest.mark.lengthy
def test_any_byte_of_an_archive_may_be_anything(tmp_path: Path):
    whole = written(tmp_path, "attach.zip").read_bytes()
    path = tmp_path / "damaged.zip"
    for at in range(0, len(whole), 3):
        for value in (0x00, whole[at] ^ 0x41):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                trace = Trace.open(path)
            except TraceFileError:
                continue
            assert trace.rebuilt
            assert repr(trace)
