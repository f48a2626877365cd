"""What holds for any masking key, any frame and any Host; apart from the other tests, which Pyodide runs too."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from wslab.live.guard import is_loopback
from wslab.live.tap import rekey
from wslab.protocol import build_frame


@given(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.one_of(st.binary(max_size=130), st.sampled_from([125, 126, 65535, 65536]).map(bytes)),
    st.binary(min_size=4, max_size=4),
)
def test_another_mask_says_the_same(opcode: Opcode, payload: bytes, mask: bytes) -> None:
    """The oracle is `websockets`, which writes the frame and reads it again."""
    frame = Frame(opcode, payload).serialize(mask=True)
    changed = rekey(frame, mask)
    assert len(changed) == len(frame)
    assert mask in changed[2:14]
    protocol = ServerProtocol()
    reader = protocol.reader
    reader.feed_data(changed)
    parsing = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as done:
        next(parsing)
    assert done.value.value.data == payload


@given(st.binary(max_size=40))
def test_what_is_no_masked_frame_is_left_alone(data: bytes) -> None:
    if rekey(data, b"\x01\x02\x03\x04") != data:
        assert data[1] & 0x80
    assert rekey(build_frame("Hello") + data, bytes(4)) == build_frame("Hello") + data


@given(st.from_regex(re.compile(r"[a-z0-9.:\[\]@/%-]{1,20}", re.ASCII), fullmatch=True))
def test_nothing_else_is_loopback(host: str) -> None:
    if is_loopback(host):
        assert host == "localhost" or host.startswith("127.") or host.strip("[]0:") == "1"
