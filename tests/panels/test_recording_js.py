"""What the page works out for itself of pushed records: which pass the filter, where arrows arrive, both states."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from wslab.anatomy.field import Sender
from wslab.anatomy.record import Kind, Record
from wslab.panels.kit.module import esm
from wslab.panels.kit.record_filter import KINDS, RecordFilter

DRIVER = """
import { readFileSync } from "node:fs";
const load = (text) => import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const input = JSON.parse(readFileSync(0, "utf8"));
const { Sieve, recordTest } = await load(input.sieve);
const { Recording } = await load(input.recording);
const buffer = (text) => {
  const bytes = Buffer.from(text, "base64");
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};
const asked = [];
const recording = new Recording((question) => asked.push(question));
for (const { buffers, ...message } of input.messages) {
  recording.hear({ tell: "records", ...message }, buffers.map(buffer));
}
const numbers = (sieve) => Array.from({ length: sieve.count }, (_, row) => sieve.number(row));
const sift = async (test) => {
  let finished;
  const over = new Promise((resolve) => { finished = resolve; });
  const sieve = new Sieve(recording, () => sieve.done && finished());
  sieve.use(JSON.stringify(test), recordTest(test));
  sieve.work();
  if (!sieve.done) await over;
  sieve.close();
  return sieve;
};
const answer = { first: recording.first, next: recording.next, asked };
answer.sifted = [];
for (const filter of input.filters ?? []) answer.sifted.push(numbers(await sift(filter)));
answer.arrivals = (input.arrivals ?? []).map((number) => recording.arrival(number));
answer.states = (input.states ?? []).map(([connection, number]) => recording.states(connection, number));
let due = null;
globalThis.setTimeout = (work) => (due = work);
const looks = {
  look: (number) => recording.detail(number)?.explanation.title ?? null,
  again: () => recording.askAgain(),
  answer: (number) => recording.hear({ tell: "explanation", number, explanation: { title: `No. ${number}` } }),
  wait: () => due(),
};
answer.looks = (input.looks ?? []).map(([what, number]) => looks[what](number) ?? null);
process.stdout.write(JSON.stringify(answer));
"""


@pytest.fixture
def page(node_path: str, tmp_path: Path) -> Any:
    """Has the page's modules hear messages and answer: ``page(messages=[...], filters=[...], ...)``."""

    def ask(**question: Any) -> Any:
        modules = {"sieve": esm("kit/sieve.js"), "recording": esm("kit/recording.js")}
        run = subprocess.run(
            [node_path, "--input-type=module", "-e", DRIVER],
            input=json.dumps({**question, **modules}), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    return ask


def message(records: list[Record], *, first: int = 0, late: bytes = b"", **facts: Any) -> dict[str, Any]:
    """A push of these records, as the page gets it."""
    packed = b"".join(record.pack() for record in records)
    start = records[0].number if records else facts.pop("start")
    status = {"total": start + len(records), "first": first, "bytes_dropped": 0}
    buffers = [base64.b64encode(data).decode() for data in (packed, late)]
    return {"start": start, "status": status, "buffers": buffers, **facts}


def some_records(count: int) -> list[Record]:
    """Records of every kind, their times in order; most were received a little later."""
    chance = random.Random(6455)
    made, time = [], 0.0
    for number in range(count):
        time += chance.choice((0.0, 0.001, 0.004))
        text = chance.choice((b"Ping me", b"HELLO", "ÉTÉ".encode(), b"\xff\x00"))
        kind = chance.choice([*Kind, Kind.FRAME, Kind.FRAME, Kind.FRAME])
        received = None if chance.random() < 0.2 else time + chance.choice((0.0, 0.002, 0.02))
        made.append(
            Record(
                number, chance.randrange(3), time, 0, len(text), 2, 0, Sender(chance.randrange(2)), kind,
                chance.randrange(256), 0, chance.choice((0, 0, 1)), text, received,
            )
        )  # fmt: skip
    return made


FILTERS = [
    RecordFilter(),
    RecordFilter(direction="server"),
    RecordFilter(kinds=("control",)),
    RecordFilter(kinds=("handshake", "tcp", "error"), direction="client"),
    RecordFilter(opcode=9),
    RecordFilter(connection=2),
    RecordFilter(text="hello"),
    RecordFilter(text="été"),
    RecordFilter(broken=True, kinds=("data",)),
    RecordFilter(kinds=()),
]


@pytest.mark.slow
def test_the_page_shows_the_records_that_python_would(page: Any) -> None:
    records = some_records(20_000)
    batches = [records[at : at + 7_000] for at in range(0, len(records), 7_000)]
    answer = page(messages=[message(batch) for batch in batches], filters=[one._asdict() for one in FILTERS])
    assert answer["next"] == len(records)
    for wanted, got in zip(FILTERS, answer["sifted"], strict=True):
        assert got == [record.number for record in records if wanted.takes(record)], wanted


def test_what_is_no_longer_kept_is_neither_held_nor_shown(page: Any) -> None:
    records = some_records(3_000)
    messages = [message(records[:2_000]), message(records[2_000:], first=500)]
    answer = page(messages=messages, filters=[{"direction": "client"}])
    assert answer["first"] == 500
    assert answer["sifted"] == [[r.number for r in records[500:] if r.sender is Sender.CLIENT]]


def test_an_arrow_arrives_before_the_next_record_that_was_sent(page: Any) -> None:
    records = some_records(2_000)
    answer = page(messages=[message(records)], arrivals=list(range(2_000)))
    for record, arrival in zip(records, answer["arrivals"], strict=True):
        if record.received is None:
            assert arrival is None
            continue
        packed = Record.unpack(record.pack()).received  # to the microsecond
        assert packed is not None
        later = [other.number for other in records[record.number + 1 :] if other.time < packed]
        assert arrival == max(later, default=record.number), record


def test_a_reception_that_becomes_known_later_is_put_to_its_record(page: Any) -> None:
    records = [one._replace(received=None) for one in some_records(50)]
    late = (10).to_bytes(4, "little") + (10**7).to_bytes(4, "little")
    answer = page(messages=[message(records), message([], start=50, late=late)], arrivals=[9, 10])
    assert answer["arrivals"] == [None, 49]


def test_states_follow_the_position_back_and_forth(page: Any) -> None:
    records = some_records(20)
    steps = [
        [3, 0, "server", "OPEN", "sent 101", "RFC 6455 4.2.2"],
        [3, 0, "client", "OPEN", "received 101", "RFC 6455 4.1"],
        [9, 0, "client", "CLOSING", "sent a close frame", "RFC 6455 7.1.3"],
        [9, 0, "server", "CLOSING", "received a close frame", "RFC 6455 7.1.3"],
    ]
    messages = [message(records[:5], steps=steps[:2]), message(records[5:], steps=steps)]
    answer = page(messages=messages, states=[[0, 2], [0, 3], [0, 8], [0, 9], [0, 19], [1, 19]])
    found = [[one and one["state"] for one in (both["client"], both["server"])] for both in answer["states"]]
    assert found == [[None, None], ["OPEN"] * 2, ["OPEN"] * 2, ["CLOSING"] * 2, ["CLOSING"] * 2, [None, None]]


def test_a_page_that_comes_late_is_told_the_states_before_its_first_record(page: Any) -> None:
    records = some_records(20)
    before = {"0": {"client": "OPEN", "server": "CLOSING"}}
    answer = page(messages=[message(records[10:], first=10, before=before)], states=[[0, 12]])
    assert [answer["states"][0][end]["state"] for end in ("client", "server")] == ["OPEN", "CLOSING"]


def test_a_lost_message_is_asked_for_again(page: Any) -> None:
    records = some_records(30)
    answer = page(messages=[message(records[:10]), message(records[20:])])
    assert answer["asked"] == [{"ask": "records", "from": 10}]
    assert answer["next"] == 10


def test_what_was_answered_while_it_was_to_be_asked_again_stays(page: Any) -> None:
    looks = [
        ["look", 3], ["look", 2], ["wait"],  # No. 2 is asked for,
        ["again"], ["look", 1], ["again"], ["look", 2],  # left, and looked at again
        ["answer", 2], ["look", 2], ["wait"], ["look", 2],
    ]  # fmt: skip
    answer = page(messages=[message(some_records(5))], looks=looks)
    assert answer["looks"][-3:] == ["No. 2", None, "No. 2"]
    assert [one["number"] for one in answer["asked"]] == [3, 2]


def test_the_kinds_are_what_a_filter_may_name() -> None:
    assert RecordFilter().kinds == KINDS
    assert all(RecordFilter().takes(record) for record in some_records(200))
