"""Pictures stand alone, hold nothing that acts, keep everything on the paper, and put nothing on top of anything."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from anatomy_samples import CLIENT, CONVERSATION, HOSTILE, SERVER, explanations, frame, head, record, records, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from showing import (
    Picture,
    dump_figure,
    dump_text,
    explanation_picture,
    ladder_figure,
    ladder_text,
    ruler_figure,
    ruler_text,
    sheet,
    state_figure,
    state_layout,
    table_figure,
    words_figure,
)

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Sender, Violation
from wslab.anatomy.record import Kind, Record
from wslab.drawing.pen import MONO, text_width
from wslab.drawing.table import Column, table_text
from wslab.protocol.states import TRANSITIONS, Event, State

SVG = "{http://www.w3.org/2000/svg}"
WIDTH = 960
BROKEN = Violation("mask-missing", "RFC 6455 5.1", "a client MUST mask", "it is not masked", 8, 1)


class Box(NamedTuple):
    """Where something is on the sheet."""

    left: float
    top: float
    right: float
    bottom: float
    what: str

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def boxes(picture: Picture | str) -> Iterator[Box]:
    """Every text, rectangle, circle and path of a drawing; a text as wide as it can become."""
    yield from _boxes(ElementTree.fromstring(str(picture)), 0, 0)


def _boxes(element: ElementTree.Element, x: float, y: float) -> Iterator[Box]:
    if moved := re.fullmatch(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
        x, y = x + float(moved[1]), y + float(moved[2])

    def at(name: str) -> float:
        return float(element.get(name, "0"))

    match element.tag.removeprefix(SVG):
        case "text":
            yield _text_box(element, x + at("x"), y + at("y"))
        case "rect":
            yield Box(x + at("x"), y + at("y"), x + at("x") + at("width"), y + at("y") + at("height"), "rect")
        case "circle":
            yield Box(
                x + at("cx") - at("r"), y + at("cy") - at("r"), x + at("cx") + at("r"), y + at("cy") + at("r"), "circle"
            )
        case "path":
            for one, other in pairwise(points(element.get("d", ""))):
                yield span((x + one[0], y + one[1]), (x + other[0], y + other[1]), "path")
        case "svg" | "g":
            for child in element:
                yield from _boxes(child, x, y)
        case "title" | "desc":
            pass
        case other:
            raise AssertionError(f"<{other}> in a picture")


def _text_box(element: ElementTree.Element, x: float, y: float) -> Box:
    size = float(element.get("font-size", "0"))
    width = 0.0
    for part, owner in [(element.text, element), *((child.text, child) for child in element)]:
        own = float(owner.get("font-size", size))
        bold = (owner.get("font-weight") or element.get("font-weight") or "400") != "400"
        code = MONO in (owner.get("font-family"), element.get("font-family"))
        width += text_width(part or "", own, code=code, bold=bold) + float(owner.get("dx", "0"))
    width += sum(text_width(child.tail or "", size, code=element.get("font-family") == MONO) for child in element)
    said = "".join(element.itertext())
    if element.get("transform"):  # turned by a right angle: it runs down
        return Box(x - size * 0.25, y, x + size * 0.75, y + width, said)
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")]
    return Box(left, y - size * 0.75, left + width, y + size * 0.22, said)


def span(one: tuple[float, float], other: tuple[float, float], what: str) -> Box:
    """The box of a line that is level or upright, or of one that goes from corner to corner."""
    (left, right), (top, bottom) = (sorted(ends) for ends in zip(one, other, strict=True))
    return Box(left, top, right, bottom, what)


def points(path: str) -> list[tuple[float, float]]:
    """The points of a path, its curves' too."""
    x = y = 0.0
    found = []
    for command, numbers in re.findall(r"([MLQlHVhvz])([^MLQlHVhvz]*)", path):
        values = [float(number) for number in numbers.split()]
        match command:
            case "M" | "L" | "Q":
                for x, y in zip(values[::2], values[1::2], strict=True):
                    found.append((x, y))
            case "l":
                x, y = x + values[0], y + values[1]
            case "H" | "V" | "h" | "v":
                change = {"H": (values[:1], []), "V": ([], values[:1])}.get(command)
                if change is None:
                    x, y = (x + values[0], y) if command == "h" else (x, y + values[0])
                else:
                    x, y = (change[0] or [x])[0], (change[1] or [y])[0]
        found.append((x, y))
    return found


def assert_on_paper(picture: Picture) -> None:
    root = ElementTree.fromstring(str(picture))
    height = float(root.get("height", "0"))
    assert float(root.get("width", "0")) == WIDTH
    for box in boxes(picture):
        assert box.left >= 0, box
        assert box.right <= WIDTH, box
        assert box.top >= 0, box
        assert box.bottom <= height, box


def assert_harmless(picture: Picture) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", str(picture))
    root = ElementTree.fromstring(str(picture))
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    for element in root.iter():
        assert not {"id", "class", "style", "onload", "href"} & set(element.attrib)
        for value in element.attrib.values():
            assert "var(" not in value
            assert "url(" not in value
            assert "currentColor" not in value


def everything() -> Picture:
    return sheet(
        "Everything",
        words_figure("some words\n    indented"),
        table_figure(["a", Column("b", code=True)], [("● client", "81 05")], "A table"),
        ruler_figure(frame()),
        dump_figure(frame(violations=(BROKEN,))),
        ladder_figure(CONVERSATION),
        state_figure(STATES, MOVES, TAKEN),
    )


STATES = [state.value for state in State]
WORDS = {Event.SENT_ACCEPTANCE: SERVER, Event.SENT_REFUSAL: SERVER}
WORDS |= {Event.RECEIVED_ACCEPTANCE: CLIENT, Event.RECEIVED_REFUSAL: CLIENT}
ALL = [(rule.old.value, rule.event.value, rule.new.value, rule.section) for rule in TRANSITIONS]
MOVES = {
    sender: [move for move, rule in zip(ALL, TRANSITIONS, strict=True) if WORDS.get(rule.event, sender) is sender]
    for sender in Sender
}
TAKEN = [
    (SERVER, "CONNECTING", "sent 101", "OPEN"),
    (CLIENT, "CONNECTING", "received 101", "OPEN"),
    (CLIENT, "OPEN", "sent a close frame", "CLOSING"),
    (SERVER, "OPEN", "received a close frame", "CLOSING"),
    (SERVER, "CLOSING", "TCP connection closed", "CLOSED"),
]


# Picture and sheet


def test_a_picture_stands_alone_and_is_the_same_every_time() -> None:
    picture = everything()
    assert_harmless(picture)
    assert_on_paper(picture)
    assert str(everything()) == str(picture)


def test_a_picture_carries_its_text() -> None:
    root = ElementTree.fromstring(str(sheet("Two", ruler_figure(frame()), ladder_figure(CONVERSATION))))
    assert root[0].text == "Two"
    assert root[1].text is not None
    assert ruler_text(frame()) in root[1].text
    assert ladder_text(CONVERSATION) in root[1].text


def test_a_picture_shows_itself_and_says_steadily_what_it_is() -> None:
    picture = sheet("Frame builder: a frame", words_figure("x"))
    bundle = picture._repr_mimebundle_()
    assert bundle["image/svg+xml"] == str(picture) == picture.svg
    assert bundle["text/plain"] == repr(picture)
    assert picture.name == "frame-builder-a-frame"
    assert "frame-builder-a-frame.svg" in repr(picture)
    assert sheet("", name="closing").name == "closing"


def test_a_picture_is_saved_as_svg(tmp_path: Path) -> None:
    picture = everything()
    path = picture.save(tmp_path / "one.SVG")
    assert path.read_text(encoding="utf-8") == str(picture)


def test_a_png_is_left_to_cairosvg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = everything()
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install cairosvg.*a \.svg needs neither"):
        picture.save(tmp_path / "one.png")
    assert not (tmp_path / "one.png").exists()
    painter = SimpleNamespace(svg2png=lambda bytestring, scale: b"PNG of " + bytestring)
    monkeypatch.setitem(sys.modules, "cairosvg", painter)
    assert picture.save(str(tmp_path / "one.png")).read_bytes() == b"PNG of " + picture.svg.encode()


@pytest.mark.parametrize("name", ["one.jpg", "one", ".svg"])
def test_another_suffix_names_the_two_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as \.svg or \.png") as caught:
        everything().save(tmp_path / name)
    assert repr(name) in str(caught.value)


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_any_title_fits(title: str) -> None:
    picture = sheet(title)
    assert_harmless(picture)
    assert_on_paper(picture)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", picture.name)


# Words, tables, bytes


@given(st.lists(st.one_of(texts, st.text(max_size=300)), max_size=5))
@settings(max_examples=50)
def test_any_words_fit(lines: list[str]) -> None:
    picture = sheet("", words_figure("\n".join(lines)))
    assert_harmless(picture)
    assert_on_paper(picture)


def test_words_keep_their_spaces() -> None:
    shown = str(sheet("", words_figure("    a  b\n\n" + "    " + "word " * 40)))
    assert 'xml:space="preserve">    a  b<' in shown
    assert len(re.findall(r">    word", shown)) == 2


columns = st.builds(Column, texts, st.booleans(), st.integers(1, 60), st.booleans(), st.booleans())


@pytest.mark.lengthy
@given(st.data(), st.lists(columns, min_size=1, max_size=8))
@settings(max_examples=50)
def test_any_table_fits(data: st.DataObject, heads: list[Column]) -> None:
    cells = st.one_of(texts, st.text(max_size=200))
    rows = data.draw(st.lists(st.tuples(*[cells] * len(heads)), max_size=4))
    picture = sheet("", table_figure(heads, rows, data.draw(texts)))
    assert_harmless(picture)
    assert_on_paper(picture)


def test_a_table_says_all_that_the_text_says_in_cells_apart() -> None:
    heads = [Column("name", wraps=True), Column("number", right=True), Column("code", code=True)]
    rows = [("a long name " * 12, "12", "81 05"), ("● client", "7", "<b>")]
    figure = table_figure(heads, rows, "Numbers")
    assert figure.text == table_text(heads, rows, caption="Numbers")
    shown = [box for box in boxes(sheet("", figure)) if box.what not in ("rect", "path")]
    words = " ".join(box.what for box in shown).split()
    assert sorted(words) == sorted(" ".join(["Numbers name number code", *(" ".join(row) for row in rows)]).split())
    assert not [pair for pair in combinations(shown, 2) if pair[0].meets(pair[1])]


@given(explanations())
@settings(max_examples=40)
@pytest.mark.lengthy
def test_anything_explained_fits(one: Explanation) -> None:
    picture = explanation_picture(one)
    assert_harmless(picture)
    assert_on_paper(picture)


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(said: str) -> None:
    one = head(("X-Evil", said), ("X-Long", said * 30))
    shown = [explanation_picture(one), sheet(said, words_figure(said), table_figure([said], [(said,)], said))]
    shown.append(sheet("", ladder_figure([record(Kind.FRAME, preview=said.encode()[:28], length=2000)])))
    shown.append(sheet("", state_figure([said, "b"], {CLIENT: [(said, said, "b", said)]}, [(CLIENT, said, said, "b")])))
    for picture in shown:
        assert_harmless(picture)
        assert_on_paper(picture)


@pytest.mark.parametrize(
    "one", [frame(), frame(bytes(100)), head(("Host", "x"), ("Cookie", "secret-cookie"), secret="Cookie")]
)
def test_the_dump_lies_apart_and_shows_each_byte_and_each_field(one: Explanation) -> None:
    figure = dump_figure(one)
    shown = [box for box in boxes(sheet("", figure)) if box.what not in ("rect", "path")]
    assert not [pair for pair in combinations(shown, 2) if pair[0].meets(pair[1])]
    lines = [line[7:56] for line in dump_text(one).splitlines() if "not shown" not in line]
    pairs = re.findall(r"\b[0-9a-f]{2}\b|··", " ".join(lines))
    for_bytes = [box.what for box in shown if re.fullmatch(r"[0-9a-f]{2}|··", box.what) and box.left > 60]
    assert for_bytes[: len(pairs)] == pairs
    for place, field in enumerate(one.fields, 1):
        assert f"{place}. {field.name}" in figure.text
        assert any(box.what.startswith(field.name) for box in shown)
    assert "secret-cookie" not in figure.body


def test_bits_that_break_a_rule_have_a_bar_and_their_field_a_mark() -> None:
    one = frame(violations=(BROKEN,))
    assert str(sheet("", ruler_figure(one))).count('fill="#b3001b"') == 1
    assert "#b3001b" not in str(sheet("", ruler_figure(frame()), dump_figure(frame())))
    assert "! MASK" in dump_figure(one).body
    assert BROKEN.sentence in str(explanation_picture(one))


# The ladder


class Arrow(NamedTuple):
    """An arrow as it is drawn: where it leaves and where its tip is."""

    start: float
    end: float


def arrows(*sent: tuple[Sender, float, float | None]) -> list[Arrow]:
    """The arrows of text frames sent then and read then."""
    picture = sheet("", ladder_figure([
        record(sender=sender, preview=b"x" * 20, number=number)._replace(time=time, received=received)
        for number, (sender, time, received) in enumerate(sent)
    ]))  # fmt: skip
    root = ElementTree.fromstring(str(picture))
    tips = [element.get("d", "") for element in root.iter(f"{SVG}path") if element.get("fill") != "none"]
    numbers = [
        element for element in root.iter(f"{SVG}text") if element.get("font-size") == "10" and element.get("x") == "48"
    ]
    assert [element.text for element in numbers] == [str(number) for number in range(len(sent))]
    rows = [float(element.get("y", "0")) - 4 for element in numbers]
    labels = [box for box in boxes(picture) if "xxx" in box.what]
    for label, tip in ((label, points(tip)[0]) for label in labels for tip in tips):
        assert not label.meets(Box(tip[0] + 23, tip[1] + 49, tip[0] + 25, tip[1] + 51, "")), "a tip lies on words"
    return [Arrow(row, round(points(tip)[0][1], 1)) for row, tip in zip(rows, tips, strict=True)]


def test_an_arrow_falls_to_where_it_was_read() -> None:
    first, second, third, fourth = arrows((CLIENT, 0, 0.9), (SERVER, 1, 4), (CLIENT, 2, 3.5), (CLIENT, 3, None))
    assert first.start < first.end < second.start
    assert fourth.start < second.end
    assert fourth.start < third.end
    assert abs(fourth.end - fourth.start) < 0.2


def test_two_arrows_cross_where_neither_had_heard_the_other() -> None:
    client, server, after = arrows((CLIENT, 0, 2), (SERVER, 1, 3), (CLIENT, 4, 5))
    assert client.start < server.start < client.end < after.start
    assert server.start < server.end < after.start


times = st.floats(0, 10, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(Sender), times, times), min_size=1, max_size=8))
@settings(max_examples=60)
def test_arrows_end_between_the_rows_that_they_ended_between(sent: list[tuple[Sender, float, float]]) -> None:
    """Whatever the clocks say, a stream is read in order, and nothing is read before it is sent."""
    sent = sorted(sent, key=lambda one: one[1])
    drawn = arrows(*((sender, time, time + delay) for sender, time, delay in sent))
    starts = [arrow.start for arrow in drawn]
    assert starts == sorted(starts)
    for sender in Sender:
        own = [arrow.end for arrow, one in zip(drawn, sent, strict=True) if one[0] is sender]
        assert all(one < other for one, other in pairwise(own))
        read = 0.0
        for arrow, (whose, time, delay) in zip(drawn, sent, strict=True):
            if whose is sender:
                read = max(read, time + delay)
                before = [start for start, one in zip(starts, sent, strict=True) if one[1] <= read]
                later = [start for start, one in zip(starts, sent, strict=True) if one[1] > read]
                assert max([arrow.start, *before]) < arrow.end < min([*later, 1e9])


def test_the_kinds_differ_in_shape() -> None:
    def drawn(one: Record) -> tuple[object, ...]:
        shaft, *_ = re.findall(
            r'<path d="(M[^"]+)" fill="none"[^>]*?(dasharray="[^"]+")?/>', ladder_figure([one]).body
        )[2:]
        return shaft[0].count("M"), shaft[1]

    shapes = [
        drawn(record(Kind.REQUEST)),
        drawn(record(Kind.FRAME, first=0x81)),
        drawn(record(Kind.FRAME, first=0x89)),
        drawn(record(Kind.FIN)),
    ]
    assert shapes[0][0] == 2
    assert [shape[0] for shape in shapes[1:]] == [1, 1, 1]
    assert len(set(shapes)) == 4
    assert drawn(record(Kind.RESET)) == drawn(record(Kind.FIN))
    assert ladder_figure([record(Kind.RESET)]).body != ladder_figure([record(Kind.FIN)]).body


@given(st.lists(st.tuples(records, st.none() | st.floats(0, 2e9)), max_size=80))
@settings(max_examples=30)
@pytest.mark.lengthy
def test_any_ladder_fits(some: list[tuple[Record, float | None]]) -> None:
    picture = sheet("", ladder_figure([one._replace(received=received) for one, received in some]))
    assert_harmless(picture)
    assert_on_paper(picture)


def test_a_long_ladder_says_what_is_left_out() -> None:
    some = [record(number=number, preview=b"x")._replace(time=number, received=number + 1.5) for number in range(100)]
    figure = ladder_figure(some)
    assert "40 records not shown" in figure.body
    assert figure.text == ladder_text(some)
    assert_on_paper(sheet("", figure))


# States


def test_the_states_are_laid_out_as_plain_data() -> None:
    layout = state_layout(STATES, MOVES, TAKEN)
    assert json.loads(json.dumps(layout)) == layout
    client, server = layout["lanes"]
    assert (client["sender"], client["label"], client["mark"], client["now"]) == (0, "client", "●", "CLOSING")
    assert (server["sender"], server["label"], server["mark"], server["now"]) == (1, "server", "■", "CLOSED")
    for lane, sender in zip(layout["lanes"], Sender, strict=True):
        assert [box["name"] for box in lane["boxes"]] == STATES
        assert [box["name"] for box in lane["boxes"] if box["now"]] == [lane["now"]]
        drawn = [tuple(edge[key] for key in ("old", "event", "new", "section")) for edge in lane["edges"]]
        assert drawn == MOVES[sender]
        for edge in lane["edges"]:
            change = (sender, edge["old"], edge["event"], edge["new"])
            assert edge["taken"] == [place for place, taken in enumerate(TAKEN, 1) if taken == change]
            assert " ".join(part["text"] for part in edge["label"]) == edge["event"]


def test_the_state_diagram_says_the_path_in_words() -> None:
    said = state_figure(STATES, MOVES, TAKEN).text
    assert "● client, now CLOSING" in said
    assert "3. OPEN to CLOSING: sent a close frame (RFC 6455 7.1.3)" in said
    assert "not made:" in said


@pytest.mark.parametrize("moves", [MOVES, dict.fromkeys(Sender, ALL)], ids=["own", "all"])
def test_nothing_in_the_state_diagram_lies_on_anything_else(
    moves: dict[Sender, list[tuple[str, str, str, str]]],
) -> None:
    every = [(sender, *move[:3]) for sender in Sender for move in moves[sender]]
    layout = state_layout(STATES, moves, every)  # all taken: all words are bold and all numbers there
    for lane in layout["lanes"]:
        solid = [
            Box(box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"], box["name"]) for box in lane["boxes"]
        ]
        words = []
        for edge in lane["edges"]:
            for part, size in [*((part, 11.5) for part in edge["label"]), (edge["cite"], 9.5)]:
                width = text_width(part["text"], size, bold=size > 10)
                left = part["x"] - (width if part["anchor"] == "end" else 0)
                words.append(Box(left, part["y"] - size * 0.72, left + width, part["y"] + size * 0.2, part["text"]))
            x, y = edge["badge"]["x"], edge["badge"]["y"]
            words.append(Box(x - 9, y - 9, x + 9, y + 9, f"number of {edge['event']}"))
        lines = [
            (edge["event"], span(one, other, edge["event"]))
            for edge in lane["edges"]
            for one, other in pairwise(points(edge["path"]))
        ]
        for one, other in combinations([*solid, *words], 2):
            assert not one.meets(other), (one, other)
        for event, line in lines:
            for one in [*solid, *words]:
                assert one.what == f"number of {event}" or not one.meets(line), (one, line)
        for one in [*solid, *words]:
            assert one.left >= 0, one
            assert one.right <= lane["width"], one
            assert one.bottom <= lane["height"], one


def test_no_two_lines_in_the_state_diagram_cross() -> None:
    for lane in state_layout(STATES, MOVES)["lanes"]:
        paths = [[span(*ends, edge["event"]) for ends in pairwise(points(edge["path"]))] for edge in lane["edges"]]
        for one, other in combinations(paths, 2):
            assert not [pair for pair in product(one, other) if pair[0].meets(pair[1])]


def test_any_table_of_states_can_be_drawn() -> None:
    back = [("a", "back", "a", ""), ("b", "returns", "a", "here"), ("a", "goes", "b", ""), ("a", "leaps", "c", "")]
    picture = sheet(
        "", state_figure(["a", "b", "c"], {CLIENT: back}, [(CLIENT, "a", "goes", "b"), (CLIENT, "b", "new", "c")])
    )
    assert_on_paper(picture)
    assert "2. b to c: new" in str(picture)
    with pytest.raises(ValueError, match="'leaps' leads from 'a' to 'c', but the states are a, b"):
        state_layout(["a", "b"], {CLIENT: back})
