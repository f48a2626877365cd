"""A secret, and a value that changes from run to run, leak through no view, wherever they stand."""

from __future__ import annotations

import json

import pytest
from anatomy_samples import head
from hypothesis import given, settings
from hypothesis import strategies as st
from showing import (
    dump_text,
    explanation_html,
    explanation_picture,
    explanation_text,
    handshake_html,
    handshake_text,
    ruler_text,
)

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Field, Violation

SECRET = "s3cr3t-token-value"
NAME = "Cookie"


def views(one: Explanation, reveal: bool = False) -> dict[str, str]:
    """Everything that can be made of an explanation."""
    return {
        "text": explanation_text(one, reveal=reveal),
        "html": explanation_html(one, reveal=reveal),
        "dump": dump_text(one, head=10_000, reveal=reveal),
        "ruler": ruler_text(one, reveal=reveal),
        "svg": one.svg(reveal=reveal),
        "picture": str(explanation_picture(one, reveal=reveal)),
        "json": json.dumps(one.to_json(reveal=reveal)),
        "handshake": handshake_text(one, None, reveal=reveal),
        "handshake html": handshake_html(None, one, reveal=reveal),
    } | ({} if reveal else {"repr": repr(one), "notebook": one._repr_html_()})


def forms(secret: str) -> list[str]:
    """The ways in which a view could write it, and any three bytes of it as hex."""
    data = secret.encode()
    runs = [data[index : index + 3] for index in range(len(data) - 2)]
    return [secret, *(run.hex(" ") for run in runs), *(run.hex() for run in runs)]


def binary(before: bytes, after: bytes, *, masked: bool, **kinds: object) -> Explanation:
    """The secret somewhere in bytes that are no head, masked or not, and mentioned in every sentence."""
    data = SECRET.encode()
    crossed = bytes(byte ^ 0x20 for byte in data) if masked else data
    fields = (
        [Field("before", 0, len(before) * 8, before, before, "what comes before", "RFC 6455 5.2")] if before else []
    )
    start = len(before) * 8
    fields.append(
        Field(NAME, start, len(data) * 8, crossed, SECRET, f"it is {SECRET}", "RFC 6455 5.2",
              plain=data if masked else None, **kinds)  # type: ignore[arg-type]
    )  # fmt: skip
    start += len(data) * 8
    if after:
        fields.append(Field("after", start, len(after) * 8, after, after, "what comes after", "RFC 6455 5.2"))
    broken = Violation("some-rule", "RFC 6455 5.2", f"no {SECRET}", f"found {SECRET}", len(before) * 8, 16)
    return Explanation(
        f"title {SECRET}", before + crossed + after, tuple(fields), violations=(broken,), facts=(("fact", SECRET),)
    )


sides = st.binary(max_size=90).filter(lambda data: not any(bytes([byte]) in SECRET.encode() for byte in data))


@given(sides, sides, st.booleans())
@settings(max_examples=30)
def test_a_secret_leaks_nowhere(before: bytes, after: bytes, masked: bool) -> None:
    for name, shown in views(binary(before, after, masked=masked, secret=True)).items():
        for form in forms(SECRET):
            assert form not in shown, name
        if name not in ("dump", "ruler", "svg"):
            assert "(withheld)" in shown, name


@given(st.integers(0, 4))
@settings(max_examples=30)
def test_a_secret_header_leaks_nowhere(place: int) -> None:
    lines = [("Host", "x"), ("Upgrade", "websocket"), ("Origin", "http://x"), ("X-Other", "1")]
    lines.insert(place, (NAME, SECRET))
    one = head(*lines, secret=NAME)
    for name, shown in views(one).items():
        assert not any(form in shown for form in forms(SECRET)), name
    assert f"{NAME}: (withheld)" in explanation_text(one)
    assert f"{NAME}: {SECRET}" in explanation_text(one, reveal=True)


@pytest.mark.parametrize("masked", [True, False])
def test_a_secret_is_shown_when_it_is_asked_for(masked: bool) -> None:
    shown = views(binary(b"", b"", masked=masked, secret=True), reveal=True)
    for name in ("text", "html", "json"):
        assert SECRET in shown[name], name


@given(sides, st.booleans())
@settings(max_examples=30)
def test_what_changes_from_run_to_run_is_shown_in_no_text(before: bytes, masked: bool) -> None:
    shown = views(binary(before, b"", masked=masked, steady="(a port)"))
    shown.pop("json")  # a live panel is compared with nothing
    for name, view in shown.items():
        assert not any(form in view for form in forms(SECRET)), name
    assert "(a port)" in shown["text"]
    assert "(a port)" in shown["html"]


def test_a_steady_head_is_the_same_whatever_the_value() -> None:
    one, other = (head(("Host", f"127.0.0.1:{port}"), steady="Host") for port in (41234, 51999))
    assert explanation_text(one) == explanation_text(other)
    assert explanation_html(one) == explanation_html(other)
    assert "Host: (changes)" in explanation_text(one)
    assert "Host: 127.0.0.1:41234" in explanation_text(one, reveal=True)
