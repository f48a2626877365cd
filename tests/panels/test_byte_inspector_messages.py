"""The byte inspector without a browser: what it takes, what it makes of it, and what it refuses in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import traitlets
from fake_page import FakePage
from hypothesis import given
from hypothesis import strategies as st

from wslab.anatomy.field import Sender
from wslab.anatomy.hex_text import HexError, hex_text, parse_hex
from wslab.panels.byte_inspector.byte_inspector import MOST_TEXT, READINGS, ByteInspector
from wslab.protocol import build_close, build_frame, build_request, explain, parse_frame

HELLO = bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455 5.7
DEFLATED = bytes.fromhex("c107f248cdc9c90700")  # RFC 7692 7.2.3.1
SECRET = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: token=tell-nobody\r\n\r\n"


@pytest.fixture
def panel() -> Iterator[ByteInspector]:
    panel = ByteInspector(HELLO, sender="client")
    yield panel
    panel.close()


@pytest.mark.lengthy
@given(st.binary(max_size=80))
def test_hex_that_is_written_is_read_back(data: bytes) -> None:
    assert parse_hex(hex_text(data)) == bytes.fromhex(hex_text(data)) == data


@pytest.mark.parametrize(
    "text",
    ["8105 48 656c6c6f", "81:05:48:65:6C:6C:6F", "0x81, 0x05, 0x48 0x65 0x6c 0x6c 0x6f", "81-05\n48\t65\r\n6c6c;6f ",
     r"\x81\x05\x48\x65\x6c\x6c\x6f"],
)  # fmt: skip
def test_bytes_may_be_written_in_many_ways(text: str) -> None:
    assert parse_hex(text) == b"\x81\x05Hello"


@pytest.mark.parametrize(
    ("text", "words", "start"),
    [
        ("81 05 4g", "line 1, character 8: 'g' is no hex digit", 7),
        ("81 05\n48 zz", "line 2, character 4: 'z' is no hex digit", 9),
        ("81 0", "line 1, character 4: the digit '0' stands alone", 3),
        ("\u202e81", r"line 1, character 1: '\u202e' is no hex digit", 0),
        ("81 ··", "stands for 0 bytes of a credential", 3),
    ],
)
def test_what_is_no_hex_is_told_with_its_place(text: str, words: str, start: int) -> None:
    with pytest.raises(HexError, match=r"character|credential") as caught:
        parse_hex(text)
    assert words in str(caught.value)
    assert caught.value.start == start


def test_everything_that_has_bytes_can_be_inspected() -> None:
    explanation = explain(HELLO, Sender.CLIENT)
    frame = parse_frame(HELLO, sender=Sender.CLIENT)
    for data in (HELLO, bytearray(HELLO), memoryview(HELLO), HELLO.hex(), hex_text(HELLO), explanation, frame):
        panel = ByteInspector(data, sender="client")
        assert panel.explanation.data == HELLO
        assert bytes.fromhex(panel.data_hex) == HELLO
        assert repr(panel) == str(explanation)
    assert ByteInspector(explanation).read_as == "given"
    assert ByteInspector(bytes(build_request())).read_as == "head"
    assert ByteInspector().explanation.data == b""
    with pytest.raises(TypeError, match=r"ByteInspector\(int\): bytes, a string of hex"):
        ByteInspector(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sender='me': 'client' or 'server' is wanted"):
        ByteInspector(HELLO, sender="me")


@pytest.mark.lengthy
@pytest.mark.parametrize("reading", READINGS)
@given(data=st.binary(max_size=60))
def test_whatever_the_bytes_they_can_be_read_as_anything(reading: str, data: bytes) -> None:
    panel = ByteInspector(data, read_as=reading, inflate=True)
    assert b"".join(one.data for one in panel.explanations) == data
    json.dumps(panel.explanation.to_json())
    panel.close()


def test_who_sent_it_decides_what_is_broken(panel: ByteInspector) -> None:
    assert panel.explanation.violations == ()
    panel.read_as = "server"
    assert [broken.rule for broken in panel.explanation.violations] == ["server-frame-masked"]
    panel.read_as = "unknown"
    assert panel.explanation.violations == ()


def test_a_payload_is_inflated_where_that_was_agreed_on() -> None:
    panel = ByteInspector(DEFLATED, sender="server")
    assert panel.explanation.inflated is None
    panel.inflate = True
    assert panel.explanation.inflated == b"Hello"


def test_a_stream_is_read_frame_after_frame() -> None:
    stream = build_frame("one", fin=False) + build_frame(b"", opcode=9) + build_close(1006) + b"\x81"
    panel = ByteInspector(stream, read_as="server stream")
    assert [one.title for one in panel.explanations] == ["TEXT frame", "PING frame", "CLOSE frame", "TEXT frame"]
    panel.which = 2
    assert [broken.rule for broken in panel.explanation.violations] == ["close-code-never-sent"]
    assert panel.explanation.offset == 7
    with pytest.raises(traitlets.TraitError, match="which=4: there are 4 to choose from"):
        panel.which = 4
    panel.data_hex = "81 00"
    assert (panel.which, panel.explanation.data) == (0, b"\x81\x00")


def test_setting_from_python_is_checked(panel: ByteInspector) -> None:
    panel.picked = 10
    with pytest.raises(traitlets.TraitError, match="picked=11: 11 bytes shown, counted from 0"):
        panel.picked = 11
    with pytest.raises(traitlets.TraitError, match="data_hex: line 1, character 2: 'x' is no hex digit"):
        panel.data_hex = "8x"
    with pytest.raises(traitlets.TraitError, match="nothing explained was given"):
        panel.read_as = "given"
    assert bytes.fromhex(panel.data_hex) == HELLO
    assert panel.picked == 10
    panel.data_hex = "81 00"
    assert panel.picked is None


def test_a_text_that_cannot_be_read_is_answered_in_words_and_nothing_is_lost(panel: ByteInspector) -> None:
    page = FakePage(panel)
    page.ask("read", text="81 0")
    assert page.told == [
        {"tell": "unreadable", "text": "81 0", "start": 3, "stop": 4,
         "trouble": "line 1, character 4: the digit '0' stands alone; a byte is two hex digits, such as 81"}
    ]  # fmt: skip
    assert panel.explanation.data == HELLO
    page.told.clear()
    page.ask("read", text="81 00")
    (told,) = page.told
    assert (told["tell"], told["explanation"]["data"], panel.data_hex) == ("reading", "8100", "81 00")
    page.told.clear()
    page.ask("read", text="81 00")
    assert [told["tell"] for told in page.told] == ["reading"]


def test_a_new_view_is_told_what_there_is(panel: ByteInspector) -> None:
    page = FakePage(panel)
    page.ask("hello")
    hello, reading = page.told
    assert hello["tell"] == "hello"
    assert reading["explanation"] == panel.explanation.to_json()
    assert reading["parts"] == ["byte 0: TEXT frame, 11 bytes"]


def test_credentials_do_not_get_into_the_text_that_a_notebook_saves() -> None:
    for data in (SECRET, explain(SECRET)):
        panel = ByteInspector(data)
        page = FakePage(panel)
        assert "74 65 6c 6c" not in panel.data_hex  # "tell"
        assert "··" in panel.data_hex
        assert "tell-nobody" not in json.dumps(panel.get_state(), default=str)
        page.ask("hello")
        assert b"tell-nobody".hex() not in json.dumps(page.told)
        changed = panel.data_hex.replace("47 45 54", "47 45 55")
        panel.data_hex = changed
        assert panel.explanation.data == SECRET.replace(b"GET", b"GEU")


def test_long_data_is_read_whole_though_its_text_is_cut() -> None:
    data = build_frame(bytes(100_000))
    panel = ByteInspector(data, sender="server")
    assert len(parse_hex(panel.data_hex)) == MOST_TEXT
    assert len(panel.explanation.data) == len(data)
    page = FakePage(panel)
    panel.read_as = "unknown"
    assert page.told[-1]["left"] == len(data) - MOST_TEXT


def test_what_is_kept_in_a_notebook_is_steady(panel: ByteInspector) -> None:
    data, _ = panel._repr_mimebundle_() or ({}, {})
    assert data["text/plain"] == repr(panel) == str(explain(HELLO, Sender.CLIENT))
    assert data["text/html"] == explain(HELLO, Sender.CLIENT)._repr_html_()
    assert panel.snapshot == repr(panel)
    assert "Masking-key" in panel.picture().svg
