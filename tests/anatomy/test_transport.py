"""Explanations as JSON: nothing lost on the way to a panel, and what is large is cut with its length told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from anatomy_samples import explanations, frame
from hypothesis import given, settings

from wslab.anatomy.explained import SENT as MOST
from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Field, Sender


@given(explanations())
@settings(max_examples=30)
def test_bytes_and_bits_come_through(one: Explanation) -> None:
    sent = json.loads(json.dumps(one.to_json(reveal=True)))
    assert bytes.fromhex(sent["data"]) == one.data
    assert sent["length"] == len(one.data)
    assert sent["sender"] == (None if one.sender is None else one.sender.label)
    assert [(field["start"], field["width"]) for field in sent["fields"]] == [(f.start, f.width) for f in one.fields]
    assert [bytes.fromhex(field["raw"]) for field in sent["fields"]] == [field.raw for field in one.fields]
    for was, field in zip(one.fields, sent["fields"], strict=True):
        assert field["plain"] == (None if was.plain is None else was.plain.hex())
        assert field["bits"] == (was.bits if was.width <= 64 else None)
    tiled = sum(field["width"] for field in sent["fields"])
    assert tiled == len(one.data) * 8


def test_a_frame_for_a_panel() -> None:
    sent = frame().to_json()
    whole = ["title", "sender", "offset", "length", "data", "fields", "violations", "facts"]
    assert list(sent) == [*whole, "inflated", "inflated_length"]
    assert sent["inflated"] is sent["inflated_length"] is None
    assert [field["name"] for field in sent["fields"] if field["is_number"]][-2:] == ["MASK", "Payload len"]
    assert sent["fields"][-1] == {
        "name": "Payload data",
        "start": 48,
        "width": 40,
        "raw": "7f9f4d5158",
        "value": '"Hello"',
        "is_number": False,
        "bits": "0111111110011111010011010101000101011000",
        "meaning": "what is said",
        "section": "RFC 6455 5.2",
        "plain": "48656c6c6f",
        "secret": False,
    }


def test_a_secret_byte_is_two_dots() -> None:
    one = Explanation(
        "t", b"abcd", (Field("a", 0, 8, b"a", b"a", "", ""), Field("b", 8, 24, b"bcd", "bcd", "", "", secret=True))
    )
    sent = one.to_json()
    assert sent["data"] == "61······"
    assert sent["fields"][1]["raw"] == "······"
    assert sent["fields"][1]["value"] == "(withheld)"
    assert sent["fields"][1]["bits"] is None


def test_a_large_payload_is_cut_and_its_length_told() -> None:
    data = bytes(1_000_000)
    one = Explanation("t", data, (Field("p", 0, len(data) * 8, data, data, "", "", plain=data),), Sender.SERVER)
    sent = one.to_json()
    assert sent["length"] == 1_000_000
    assert len(sent["data"]) == len(sent["fields"][0]["raw"]) == len(sent["fields"][0]["plain"]) == 2 * MOST
    assert len(json.dumps(sent)) < 7 * MOST


def test_what_a_payload_inflates_to_is_sent_beside_it() -> None:
    one = replace(frame(), inflated=b"Hello" * 1000)
    sent = one.to_json()
    assert sent["inflated_length"] == 5000
    assert bytes.fromhex(sent["inflated"]) == (b"Hello" * 1000)[:MOST]


_EVERYTHING = """
from anatomy_samples import *
from showing import *
one = head(("Host", "x"), ("Cookie", "secret"), secret="Cookie")
print(frame(), one, frame().to_json(), records_text(CONVERSATION), closing_text(CONVERSATION, REPORTS))
print(explanation_html(frame()), records_html(CONVERSATION), closing_html(CONVERSATION, REPORTS))
print(ladder_svg(CONVERSATION), frame().svg())
"""


@pytest.mark.slow
def test_everything_looks_the_same_under_any_hash_seed() -> None:
    seen = set()
    for seed in ("0", "1", "4242"):
        path = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2])))
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path, "PYTHONUTF8": "1"}
        run = subprocess.run([sys.executable, "-c", _EVERYTHING], env=environment, capture_output=True, check=True)
        seen.add(run.stdout)
    assert len(seen) == 1
