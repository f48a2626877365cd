"""The panel's JavaScript reads the packed records and words them as Python does."""

from __future__ import annotations

import json
import random
import subprocess

import pytest

from wslab.anatomy.field import Sender
from wslab.anatomy.record import PACKED, PREVIEW, Kind, Record
from wslab.panels.kit.module import FOLDER, esm

READ_ALL = """
import { readFileSync } from "node:fs";
const panel = await import("data:text/javascript;base64," + Buffer.from(process.argv[1]).toString("base64"));
const packed = readFileSync(0);
const size = Number(process.argv[2]);
const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
const read = [];
for (let at = 0; at < packed.byteLength; at += size) {
  const record = panel.readRecord(view, at);
  read.push({ ...record, preview: Buffer.from(record.preview).toString("hex"), summary: panel.recordSummary(record) });
}
process.stdout.write(JSON.stringify(read));
"""

TEXTS = (
    "Hello",
    "<b>",
    "é",
    "ş",
    "漢",
    "🙂",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\ue000",
    "\U000e0041",
    "\xa0",
    "\u0301",
)
PIECES = [
    *(bytes([byte]) for byte in (0, 9, 10, 13, 27, 34, 60, 92, 127, 128, 0xC0, 0xC1, 0xE2, 0xED, 0xF0, 0xF5, 0xFF)),
    *(text.encode() for text in TEXTS),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x9f\x99"),  # no UTF-8
]


def preview(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(PREVIEW + 1))
    return b"".join(chance.choices(PIECES, k=chance.randrange(20)))[
        : chance.choice((PREVIEW, chance.randrange(PREVIEW)))
    ]


def records(count: int) -> list[Record]:
    chance = random.Random(6455)
    made = []
    for number in range(count):
        start = preview(chance)
        length = chance.choice((len(start), len(start) + 2, 0, 1, 2, PREVIEW, PREVIEW + 2, 300, 2**33))
        made.append(
            Record(
                number, chance.randrange(3), chance.random() * 1e4, chance.randrange(2**40), length,
                chance.randrange(15), chance.choice((0, 1000, 1002, 4999, 101)), Sender(chance.randrange(2)),
                chance.choice([*Kind, Kind.FRAME, Kind.FRAME]), chance.randrange(256), chance.randrange(256),
                chance.randrange(256), start,
            )
        )  # fmt: skip
    return made


@pytest.mark.lengthy
def test_javascript_reads_and_words_records_as_python_does(node_path: str) -> None:
    expected = records(5000)
    packed = b"".join(record.pack() for record in expected)
    run = subprocess.run(
        [node_path, "--input-type=module", "-e", READ_ALL, esm("kit/words.js"), str(PACKED.size)],
        input=packed,
        capture_output=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr.decode()
    read = json.loads(run.stdout)
    assert len(read) == len(expected)
    for got, record in zip(read, expected, strict=True):
        assert got["summary"] == record.summary, record
        assert (got["number"], got["connection"], got["time"]) == (record.number, record.connection, record.time)
        assert (got["offset"], got["payloadLength"]) == (record.offset, record.payload_length)
        assert (got["headerLength"], got["status"]) == (record.header_length, record.status)
        assert (got["first"], got["second"], got["violations"]) == (record.first, record.second, record.violations)
        assert (got["sender"], got["kind"]) == (record.sender.label, record.kind.name.lower())
        assert bytes.fromhex(got["preview"]) == record.preview


def test_panel_scripts_never_make_elements_from_text() -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment", "eval(")
    for script in FOLDER.glob("*/*.js"):
        source = script.read_text(encoding="utf-8")
        assert [word for word in forbidden if word in source] == [], script.name


def test_panel_files_ask_for_nothing_from_elsewhere() -> None:
    for file in [*FOLDER.glob("*/*.js"), *FOLDER.glob("*/*.css")]:
        source = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "a name, not an address")
        source = source.replace("get url() {", "a property of WebSocket")
        assert [word for word in ("http:", "https:", "import(", "@import", "url(") if word in source] == [], file.name
