"""HTML and SVG: the text's words, in a few plain tags, with nothing hostile and no need of style."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from anatomy_samples import CONVERSATION, HOSTILE, REPORTS, explanations, frame, head, record, records
from hypothesis import given, settings
from hypothesis import strategies as st
from showing import (
    closing_html,
    closing_text,
    explanation_html,
    explanation_text,
    handshake_html,
    ladder_html,
    ladder_svg,
    ladder_text,
    pairs_html,
    records_html,
    records_text,
    ruler_text,
    table_html,
)  # fmt: skip

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Sender, Violation
from wslab.anatomy.record import Kind, Record
from wslab.drawing import style
from wslab.drawing.visible import shows
from wslab.recording.trace import Trace

VOID = {"br"}
TAGS = {
    "div", "style", "p", "strong", "br", "span", "code", "pre", "a", "blockquote", "ul", "li", "dl", "dt", "dd",
    "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"class", "scope", "colspan", "title", "href"}


class Page(HTMLParser):
    """Reads a fragment, holds it to the tags and attributes above, and keeps its texts, block by block."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.blocks: list[str] = [""]
        self.classes: set[str] = set()
        self.feed(fragment)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ATTRIBUTES
            assert value is not None
            assert shows(value)
            if name == "class":
                assert all(part.startswith("wsv") for part in value.split())
                self.classes.update(value.split())
            if name == "href":
                assert re.fullmatch(r"https://www\.rfc-editor\.org/rfc/rfc\d+#section-[\d.]+", value)
        if tag not in VOID:
            self.open.append(tag)
        if tag not in ("span", "code", "strong", "a"):
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            assert data == style.CSS
            return
        for line in data.split("\n"):
            assert shows(line), ascii(line)
        self.blocks[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.lengthy
@given(explanations(), st.booleans())
@settings(max_examples=40)
def test_hostile_explanations_stay_text(one: Explanation, reveal: bool) -> None:
    Page(explanation_html(one, reveal=reveal))
    Page(handshake_html(one, one, reveal=reveal))


@given(st.lists(records, max_size=6), st.sampled_from(HOSTILE))
@settings(max_examples=25)
def test_hostile_records_stay_text(some: list[Record], title: str) -> None:
    Page(records_html(some, title=title))
    Page(ladder_html(some))
    Page(closing_html(some, REPORTS))
    Page(table_html(["a"], [[title]], caption=title) + pairs_html([(title, title)]))


def unsaid(html: str, text: str) -> list[str]:
    """What the page says, block by block, and the text does not. The ruler's cells and the arrows are left out."""
    page = Page(re.sub('<table class="wsv-part wsv-ruler">.*?</table>', "", html, flags=re.DOTALL))
    said = " ".join(text.split())
    blocks = {" ".join(line.split()) for block in page.blocks for line in block.split("\n")}
    return [block for block in blocks if block.strip("►◄×? ") not in said]


BROKEN = Violation("mask-required", "RFC 6455 5.1", "a client MUST mask all frames", "MASK is 0", 8, 1)


@pytest.mark.parametrize("one", [frame(violations=(BROKEN,)), head(("Host", "x"), ("Cookie", "a=b"), secret="Cookie")])
def test_html_and_text_use_the_same_words(one: Explanation) -> None:
    assert unsaid(explanation_html(one), explanation_text(one, width=10_000)) == []


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (records_html(CONVERSATION), records_text(CONVERSATION, width=10_000)),
        (ladder_html(CONVERSATION), "# " + ladder_text(CONVERSATION, width=200)),
        (closing_html(CONVERSATION, REPORTS), "# " + closing_text(CONVERSATION, REPORTS, width=200)),
    ],
)
def test_records_and_closing_use_the_same_words(html: str, text: str) -> None:
    assert unsaid(html, text) == []


def test_a_table_names_its_rows_and_columns() -> None:
    html = explanation_html(frame())
    assert "<caption>The fields</caption>" in html
    assert '<th scope="col">meaning</th>' in html
    assert '<th scope="row">Payload data</th>' in html
    assert '<a href="https://www.rfc-editor.org/rfc/rfc6455#section-5.3">5.3</a>' in html


def test_the_dump_is_the_same_in_html() -> None:
    html = explanation_html(frame())
    dump = re.search(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL)
    assert dump is not None
    assert re.sub("<[^>]*>", "", dump[1]) in explanation_text(frame())


def test_every_class_that_is_styled_is_used() -> None:
    page = Page(
        explanation_html(frame(bytes(100), violations=(BROKEN,)))
        + explanation_html(head())
        + records_html(CONVERSATION)
        + ladder_html(CONVERSATION)
    )
    styled = set(re.findall(r"\.(wsv[\w-]*)", style.CSS))
    assert styled - page.classes == set()


@pytest.mark.parametrize(
    ("svg", "text"),
    [
        (frame().svg(), ruler_text(frame())),
        (ladder_svg(CONVERSATION), ladder_text(CONVERSATION)),
        (ladder_svg(CONVERSATION * 10), ladder_text(CONVERSATION * 10)),
        (ladder_svg([]), ladder_text([])),
    ],
)
def test_a_drawing_carries_its_text(svg: str, text: str) -> None:
    root = ElementTree.fromstring(svg)
    names = [child.tag.rpartition("}")[2] for child in root]
    assert names[:2] == ["title", "desc"]
    assert root[1].text == text


@given(explanations())
@settings(max_examples=25)
def test_a_drawing_of_anything_is_well_formed(one: Explanation) -> None:
    root = ElementTree.fromstring(one.svg())
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "g", "rect", "text", "path", "circle"}


@given(st.lists(records, max_size=5))
@settings(max_examples=25)
def test_a_ladder_of_anything_is_well_formed(some: list[Record]) -> None:
    root = ElementTree.fromstring(ladder_svg(some))
    assert {name for element in root.iter() for name in element.attrib} & {
        "onload",
        "onclick",
        "href",
        "style",
    } == set()


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, of ``#rgb`` or ``#rrggbb``."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def literals(rules: str) -> dict[str, str]:
    """The colours of a theme, each variable's literal fallback."""
    return dict(re.findall(r"--wsv-(\w+):(?:var\([\w-]+,)?(#[0-9a-f]+)", rules))


@pytest.mark.parametrize("theme", [style._LIGHT, style._DARK], ids=["light", "dark"])
def test_contrast_is_at_least_four_and_a_half_to_one(theme: str) -> None:
    colours = literals(theme)
    for ground in ("paper", "tint"):
        for ink in ("ink", "soft", "client", "server", "red"):
            light, dark = sorted((luminance(colours[ground]), luminance(colours[ink])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {ground}"


@pytest.mark.parametrize("show", [explanation_text, explanation_html], ids=["text", "html"])
def test_showing_twice_shows_the_same(show: Callable[[Explanation], str]) -> None:
    assert show(frame()) == show(frame())


def test_a_page_gives_a_drawing_its_colours_and_the_words_stay() -> None:
    said = f'fill="{style.INK}"'
    svg = ladder_svg([record(Kind.ERROR, preview=said.encode())], title=said)
    assert f'fill="var(--wsv-ink,{style.INK})"' in svg
    assert not re.search(r'"#[0-9a-f]+"', svg)
    assert next(element.text for element in ElementTree.fromstring(svg)) == said


@pytest.mark.parametrize("data", ["09 7f 00 ff 00", "81", "81 7e 05"])
def test_bytes_without_fields_are_shown_without_a_ruler(data: str) -> None:
    """A stream that ends inside a frame's header leaves bytes that are no frame."""
    trace = Trace()
    client = trace.join(Sender.CLIENT, "one")
    client.sent(bytes.fromhex(data))
    client.fin_sent()
    trace.update()
    explained = trace.explain(0)
    assert (explained.fields, explained.data) == ((), bytes.fromhex(data))
    assert data in explained._repr_html_()
    Page(explained._repr_html_())
    assert "The first bits" not in repr(explained) + explained._repr_html_()
