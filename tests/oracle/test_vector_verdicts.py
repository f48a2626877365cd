"""The page of disagreements is made of what the judges said, and they say it still."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import websockets
import wsproto
from disagreements import COMMAND, JUDGES, KINDS, PAGE, VERDICTS, as_json, differs, kind_of, page
from vector_judges import by_node, by_websockets, by_wsproto
from vector_wire import NOT_ASKED, REFUSES, TAKES, frames_in, said_by
from vectors import VECTORS, Vector

from wslab.live.node.package import pinned
from wslab.protocol import build_close, build_frame

STORED: dict[str, Any] = json.loads(VERDICTS.read_text(encoding="utf-8"))
ANEW = f"run `{COMMAND}`, and look at what has changed"
BY_NAME = {vector.name: vector for vector in VECTORS}


def test_the_page_is_what_was_stored() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(STORED), ANEW


def test_the_versions_are_those_that_are_installed() -> None:
    installed = {"websockets": websockets.__version__, "wsproto": wsproto.__version__, "ws": pinned()}
    assert {name: STORED["versions"][name] for name in installed} == installed, ANEW


@pytest.mark.parametrize(("judge", "ask"), [("websockets", by_websockets), ("wsproto", by_wsproto)])
def test_a_library_says_what_it_said(judge: str, ask: Callable[[Vector], str]) -> None:
    assert as_json({judge: [*map(ask, VECTORS)]})[judge] == STORED["verdicts"][judge], ANEW


@pytest.mark.oracle
def test_node_says_what_it_said() -> None:
    assert as_json({"ws": by_node(VECTORS)})["ws"] == STORED["verdicts"]["ws"], ANEW


def test_each_judge_is_asked_most_of_what_it_can_be_asked() -> None:
    asked = {judge: sum(said != NOT_ASKED for said in STORED["verdicts"][judge].values()) for judge in JUDGES}
    assert min(asked["websockets"], asked["wsproto"], asked["ws"]) > 250
    assert asked["Chromium"] > 90


def test_each_kind_explains_something_and_each_disagreement_has_one_kind() -> None:
    explained = {
        kind_of(BY_NAME[name], judge)
        for judge in JUDGES
        for name, said in STORED["verdicts"][judge].items()
        if differs(BY_NAME[name], said)
    }
    assert explained == set(KINDS)


def test_a_new_disagreement_is_not_passed_over() -> None:
    verdicts = {judge: dict(STORED["verdicts"][judge]) for judge in JUDGES}
    verdicts["wsproto"]["a masked text of a server"] = TAKES
    with pytest.raises(LookupError, match=r"wsproto and RFC 6455 5\.1, a masked text of a server: 0 kinds explain it"):
        page({**STORED, "verdicts": verdicts})


PONG, BAD = build_frame(b"are you still there?", opcode=10), build_close(1002)


@pytest.mark.parametrize(
    ("name", "received", "said"),
    [
        ("a text of a server", PONG, TAKES),
        ("a text of a server", build_frame("echo") + PONG + BAD, TAKES),
        ("a text of a server", build_frame(b"other", opcode=10), None),
        ("a text of a server", BAD, REFUSES),
        ("status code 1001", build_close(1001), TAKES),
        ("status code 1001", BAD, REFUSES),
        ("no body", build_close(), TAKES),
        ("no body", BAD, REFUSES),
        ("a text of a server", PONG[:-1], None),
    ],
)
def test_what_an_endpoint_makes_of_a_vector_is_told_by_what_it_sends(name: str, received: bytes, said: str) -> None:
    assert said_by(BY_NAME[name], received) == said


def test_frames_are_read_whatever_their_length() -> None:
    sizes = (0, 125, 126, 65535, 65536)
    data = b"".join(build_frame(bytes(size), opcode=2, mask=b"abcd") for size in sizes)
    assert [*frames_in(data + b"\x82")] == [(2, bytes(size)) for size in sizes]
