"""Frames explained: the RFC's own examples, and fields that tile whatever bytes there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_streams import CLIENT, KEY, SERVER, frames

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Sender
from wslab.protocol import Frame, build_close, build_frame, explain_frame, parse_frame


def assert_tiled(explanation: Explanation) -> None:
    """Each field begins where the one before it ends, and holds the bytes that it lies in."""
    place = 0
    for field in explanation:
        assert field.start == place
        assert field.width > 0
        assert field.raw == explanation.data[field.start // 8 : -(-field.stop // 8)]
        assert field.meaning
        assert field.section
        place = field.stop
    assert place == len(explanation.data) * 8


@given(
    data=st.one_of(st.binary(max_size=40), frames(CLIENT), frames(SERVER)),
    cut=st.integers(0, 20),
    sender=st.sampled_from([None, *Sender]),
)
def test_fields_tile_any_bytes(data: bytes, cut: int, sender: Sender | None) -> None:
    for some in (data, data[:cut], data + b"\x00" * cut):
        assert_tiled(explain_frame(some, sender=sender, violations=parse_frame(some, sender=sender).violations))


EXAMPLES = {
    "a single-frame unmasked text message": ("81 05 48 65 6c 6c 6f", SERVER, 1, True, b"Hello"),
    "a single-frame masked text message": ("81 85 37 fa 21 3d 7f 9f 4d 51 58", CLIENT, 1, True, b"Hello"),
    "a fragmented message, first": ("01 03 48 65 6c", SERVER, 1, False, b"Hel"),
    "a fragmented message, last": ("80 02 6c 6f", SERVER, 0, True, b"lo"),
    "unmasked ping request": ("89 05 48 65 6c 6c 6f", SERVER, 9, True, b"Hello"),
    "masked ping response": ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", CLIENT, 10, True, b"Hello"),
    "256 bytes in a single unmasked frame": ("82 7e 01 00" + "00" * 256, SERVER, 2, True, bytes(256)),
    "64 KiB in a single unmasked frame": (
        "82 7f 00 00 00 00 00 01 00 00" + "00" * 65536,
        SERVER,
        2,
        True,
        bytes(65536),
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_section_5_7(name: str) -> None:
    text, sender, opcode, fin, payload = EXAMPLES[name]
    data = bytes.fromhex(text)
    frame = parse_frame(data, sender=sender)
    assert (frame.opcode, frame.fin, frame.data, frame.raw, frame.complete) == (opcode, fin, payload, data, True)
    assert (frame.violations, frame.rsv1, frame.rsv2, frame.rsv3) == ((), False, False, False)
    assert frame.mask is (sender is CLIENT)
    mask = KEY if sender is CLIENT else None
    assert build_frame(payload, opcode=opcode, fin=fin, mask=mask) == data


def test_every_bit_of_a_masked_text_frame() -> None:
    explanation = explain_frame(build_frame("Hello", mask=KEY), sender=CLIENT)
    assert [(field.name, field.start, field.width, field.value) for field in explanation] == [
        ("FIN", 0, 1, 1),
        ("RSV1", 1, 1, 0),
        ("RSV2", 2, 1, 0),
        ("RSV3", 3, 1, 0),
        ("opcode", 4, 4, 1),
        ("MASK", 8, 1, 1),
        ("Payload len", 9, 7, 5),
        ("Masking-key", 16, 32, KEY),
        ("Payload data", 48, 40, "Hello"),
    ]
    payload = explanation["Payload data"]
    assert (payload.raw, payload.plain) == (bytes.fromhex("7f9f4d5158"), b"Hello")
    assert explanation.title == "TEXT frame"


@pytest.mark.parametrize(
    ("size", "name", "start", "width"), [(126, "Payload data", 32, 1008), (65536, "Payload data", 80, 524288)]
)
def test_extended_lengths(size: int, name: str, start: int, width: int) -> None:
    explanation = explain_frame(build_frame(bytes(size), opcode=2))
    assert explanation["Extended payload length"].value == size
    assert (explanation[name].start, explanation[name].width) == (start, width)
    assert explanation["Payload len"].value == (126 if size < 65536 else 127)


def test_a_close_frame_has_a_code_and_a_reason() -> None:
    explanation = explain_frame(build_close(1001, "bye é", mask=KEY), sender=CLIENT)
    code, reason = explanation["Status code"], explanation["Close reason"]
    assert (code.value, code.plain, code.section) == (1001, b"\x03\xe9", "RFC 6455 7.4.1")
    assert (reason.value, reason.plain) == ("bye é", "bye é".encode())
    assert "going away" in code.meaning
    frame = parse_frame(build_close(1001, "bye", mask=KEY))
    assert (frame.status_code, frame.close_reason, frame.preview) == (1001, "bye", b"bye")
    bare, empty = parse_frame(build_close(1000)), parse_frame(build_close())
    assert (bare.status_code, bare.close_reason) == (1000, "")
    assert (empty.status_code, empty.close_reason) == (None, None)
    assert ("Status code", "none was sent; the receiving program is told 1005 (RFC 6455 7.1.5)") in explain_frame(
        build_close()
    ).facts


@pytest.mark.parametrize(
    ("data", "fin", "rsv1"),
    [
        ("8900", "a control frame is always whole", "reserved, and 0 as it must be"),
        ("4800", "0, though a control frame is never fragmented", "reserved: it must be 0 unless an extension uses it"),
        ("8100", "this is the last frame of its message", "not compressed, as far as this bit tells"),
        ("4100", "the message goes on in another frame", "compressed, if permessage-deflate was agreed on"),
    ],
)
def test_what_the_first_bits_say_depends_on_the_kind_of_frame(data: str, fin: str, rsv1: str) -> None:
    assert [field.meaning for field in explain_frame(bytes.fromhex(data))][:2] == [fin, rsv1]


def test_control_characters_are_made_visible() -> None:
    meaning = explain_frame(build_frame("\x1b[31m<b>\u202e\n"))["Payload data"].meaning
    assert meaning == '"\\x1b[31m<b>\\u202e\\n"'


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"\x81", "the header goes on: 2 or more bytes in all"),
        (b"\x81\xfe\x00", "the header goes on: 8 bytes in all"),
        (b"\x81\x05Hel", "2 bytes of payload are not here"),
    ],
)
def test_what_is_missing_is_said(data: bytes, fact: str) -> None:
    assert ("Missing", fact) in explain_frame(data).facts
    assert not parse_frame(data).complete


def test_bytes_after_the_frame_are_shown_and_left_alone() -> None:
    data = build_frame("Hello") + b"\x81\x00"
    assert explain_frame(data)["Bytes after the frame"].raw == b"\x81\x00"
    assert parse_frame(data).raw == data[:-2]


@given(data=st.binary(max_size=60), sender=st.sampled_from([None, *Sender]), offset=st.integers(0, 99))
def test_parse_frame_never_raises_and_reads_no_further_than_the_frame(
    data: bytes, sender: Sender | None, offset: int
) -> None:
    frame = parse_frame(data, sender=sender, offset=offset)
    assert frame.offset == offset
    if frame.complete:
        assert frame.raw == data[: frame.header_length + frame.payload_length]
    assert_tiled(frame.explain())


def test_a_frame_shows_itself() -> None:
    frame = parse_frame(build_frame("<b>Hello</b>"))
    assert isinstance(frame, Frame)
    assert "TEXT frame" in str(frame) == repr(frame)
    assert "&lt;b&gt;Hello" in frame._repr_html_()
    assert "<b>Hello" not in frame._repr_html_()
    assert "a note" in str(frame._replace(note="a note"))
    assert frame._replace(payload=None).raw is None
    assert frame._replace(payload=None).data is None
