"""Frames made to order: legal ones are those of websockets, illegal ones have just the bits asked for."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from wire_streams import KEY

from wslab.protocol import BuildError, build_close, build_frame, parse_frame
from wslab.protocol.words import apply_mask

payloads = st.one_of(st.binary(max_size=200), st.sampled_from([125, 126, 65535, 65536]).map(bytes))


@given(payload=payloads, opcode=st.sampled_from(list(Opcode)), fin=st.booleans(), mask=st.booleans())
def test_legal_frames_are_those_of_websockets(payload: bytes, opcode: Opcode, fin: bool, mask: bool) -> None:
    if opcode >= 8:
        payload, fin = payload[:125], True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", lambda size: KEY)
        theirs = Frame(opcode, payload, fin).serialize(mask=mask)
    assert build_frame(payload, opcode=opcode, fin=fin, mask=KEY if mask else None) == theirs


@given(code=st.integers(3000, 4999), reason=st.text(max_size=30))
def test_close_bodies_are_those_of_websockets(code: int, reason: str) -> None:
    assert build_close(code, reason)[2:] == Close(code, reason).serialize()


@given(
    payload=payloads,
    opcode=st.integers(0, 15),
    bits=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    mask=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
    form=st.sampled_from([None, 16, 64]),
)
def test_every_bit_asked_for_is_there(
    payload: bytes, opcode: int, bits: tuple[bool, bool, bool, bool], mask: bytes | None, form: int | None
) -> None:
    if form == 16:
        payload = payload[:65535]
    fin, rsv1, rsv2, rsv3 = bits
    data = build_frame(payload, opcode=opcode, fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, mask=mask, length_form=form)
    frame = parse_frame(data)
    assert (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3, frame.opcode) == (*bits, opcode)
    assert (frame.masking_key, frame.data, frame.complete, frame.raw) == (mask, payload, True, data)
    if form:
        assert frame.header_length == 2 + form // 8 + (4 if mask else 0)


def test_lies_and_low_bits() -> None:
    assert build_frame(b"abc", length=5) == b"\x81\x05abc"
    assert build_frame(b"", length=1 << 63) == b"\x81\x7f\x80" + bytes(7)
    assert build_frame(bytes(300), length_form=7)[:2] == b"\x81\x2c"
    assert build_close() == b"\x88\x00"
    assert build_close(1006, mask=bytes(4)) == b"\x88\x82\x00\x00\x00\x00\x03\xee"
    assert build_close(1000, fin=False, opcode=9) == b"\x09\x02\x03\xe8"


def test_a_fresh_key_is_drawn() -> None:
    keys = {build_frame("Hello", mask=True)[2:6] for _ in range(20)}
    assert len(keys) > 1
    assert build_frame("Hello", mask=False) == build_frame("Hello")


@pytest.mark.parametrize(
    "wrong",
    [
        {"opcode": 16},
        {"opcode": -1},
        {"mask": b"abc"},
        {"mask": b""},
        {"length": -1},
        {"length": 1 << 64},
        {"length_form": 8},
    ],
)
def test_what_no_bits_can_say_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(BuildError, match=r"(was|were) given"):
        build_frame(b"x", **wrong)  # type: ignore[arg-type]


def test_a_status_code_has_16_bits() -> None:
    with pytest.raises(BuildError, match="70000 was given"):
        build_close(70000)


@given(
    data=st.one_of(st.binary(max_size=300), st.integers(0, 20_000).map(bytes)), key=st.binary(min_size=4, max_size=4)
)
def test_masking_is_the_rfcs_xor_and_undoes_itself(data: bytes, key: bytes) -> None:
    masked = apply_mask(data, key)
    assert masked[:300] == bytes(byte ^ key[place % 4] for place, byte in enumerate(data[:300]))
    assert masked[-5:] == bytes(data[place] ^ key[place % 4] for place in range(max(0, len(data) - 5), len(data)))
    assert apply_mask(masked, key) == data
