"""What one sees is what was sent, and nothing that is seen can act."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslab.drawing.visible import cells, clip, decode, harmless, pad, shows, visible, wrap

_ESCAPE = re.compile(r"\\(?:(\\)|(n)|(r)|(t)|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]+)\})")


def read_back(text: str) -> bytes:
    """The bytes that ``visible(decode(...))`` wrote as ``text``: its table read the other way."""
    out, position = b"", 0
    for match in _ESCAPE.finditer(text):
        out += text[position : match.start()].encode()
        backslash, newline, carriage, tab, byte, point, far = match.groups()
        if byte:
            out += bytes.fromhex(byte)
        elif point or far:
            out += chr(int(point or far, 16)).encode()
        else:
            out += b"\\" if backslash else b"\n" if newline else b"\r" if carriage else b"\t" if tab else b""
        position = match.end()
    return out + text[position:].encode()


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode())))
def test_no_two_byte_strings_look_alike(data: bytes) -> None:
    assert read_back(visible(decode(data))) == data


@pytest.mark.lengthy
def test_every_character_that_acts_or_hides_is_escaped() -> None:
    """The oracle is Unicode's own categories: control, format, private use, surrogates, and spaces but one."""
    missed = [
        f"{point:04x}"
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs")
        and point != 0x20
        and shows(chr(point))
    ]
    assert missed == []


def test_letters_of_the_world_stay() -> None:
    said = 'şğü é ñ 中文 こんにちは Ελλάδα "quoted" {a: 1} – … ✓ 🎉'
    assert visible(said) == said


@given(st.text())
def test_harmless_twice_is_harmless_once(text: str) -> None:
    once = harmless(text)
    assert harmless(once) == once
    assert shows(once)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x1b[31m", r"\x1b[31m"),
        (b"a\\n\n", r"a\\n\n"),
        (b"caf\xc3", r"caf\xc3"),
        ("\u202e".encode(), r"\u202e"),
        ("\U000e0041".encode(), r"\u{e0041}"),
        (b"\x85", r"\x85"),
        ("\x85".encode(), r"\u0085"),
    ],
)
def test_the_four_forms_of_an_escape(data: bytes, said: str) -> None:
    assert visible(decode(data)) == said


@given(st.text(min_size=1), st.integers(0, 40))
def test_a_cut_text_ends_before_the_character_that_was_cut(text: str, length: int) -> None:
    data = text.encode("utf-8", "surrogatepass").replace(b"\xed", b"e")
    whole = data.decode("utf-8", "surrogateescape")
    assert whole.startswith(decode(data[:length], cut=True)) or length == 0


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 30))
def test_clip_pad_and_wrap_keep_to_their_width(text: str, width: int) -> None:
    said = harmless(text)
    assert cells(clip(said, width)) <= width
    assert cells(pad(said, width)) == width
    assert all(cells(line) <= max(width, 2) for line in wrap(said, width))
    assert "".join(wrap(said, width)).replace(" ", "") == said.replace(" ", "")
