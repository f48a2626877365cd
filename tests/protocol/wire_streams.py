"""Streams for this floor's tests, made by hypothesis or by a seeded generator, and ways to feed them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import strategies as st

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Frame, Head, Message, Unread, build_close, build_frame
from wslab.protocol.handshake import build_request, build_response

CLIENT, SERVER = Sender
KEY = b"\x37\xfa\x21\x3d"
DEFLATE = "permessage-deflate; client_max_window_bits"
REQUEST = build_request("/chat", {"Sec-WebSocket-Extensions": DEFLATE})
RESPONSE = build_response(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})

Thing = Head | Frame | Message | Unread

texts = st.one_of(
    st.text(max_size=8).map(str.encode),
    st.binary(max_size=8),
    st.sampled_from(
        [b"\xc3", b"\xc3\xa9", b"\xe2\x82", b"\xf0\x9f\x98", b"\x00", b"\xf2\x48\xcd\xc9\xc9\x07\x00", b""]
    ),
    st.sampled_from([125, 126, 127, 65535, 65536]).map(lambda size: b"a" * size),
)
opcodes = st.one_of(st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10]), st.integers(0, 15))
codes = st.one_of(
    st.integers(0, 65535), st.sampled_from([999, 1000, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 3000, 4999, 5000])
)


@st.composite
def frames(draw: st.DrawFn, sender: Sender) -> bytes:
    """One frame, more often legal than not."""
    rare = st.sampled_from([False] * 7 + [True])
    masked = (sender is CLIENT) is not draw(rare)
    mask = draw(st.one_of(st.just(KEY), st.binary(min_size=4, max_size=4))) if masked else None
    if draw(rare):
        return build_close(draw(codes), draw(texts)[:123], mask=mask)
    payload = draw(texts)
    form = draw(st.sampled_from([None] * 9 + [16, 64]))
    if form == 16 and len(payload) > 65535:
        form = None
    return build_frame(
        payload,
        opcode=draw(opcodes),
        fin=draw(st.sampled_from([True, True, True, False])),
        rsv1=draw(rare),
        rsv2=draw(rare) and draw(rare),
        rsv3=draw(rare) and draw(rare),
        mask=mask,
        length_form=form,
    )


def frame_streams(sender: Sender, most: int = 5) -> st.SearchStrategy[bytes]:
    """Some frames in a row."""
    return st.lists(frames(sender), max_size=most).map(b"".join)


def chop(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` in chunks that end at ``cuts``."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


def converse(
    connection: Connection, client: Iterable[bytes], server: Iterable[bytes], ends: Iterable[Sender] = Sender
) -> tuple[list[Thing], list[Thing]]:
    """Feed the request, all of the server's bytes, the rest of the client's, and the ends in that order; return what
    came of each direction."""
    found: tuple[list[Thing], list[Thing]] = ([], [])
    later = []
    waiting = True
    for chunk in client:
        found[0].extend(connection.feed(CLIENT, chunk)) if waiting else later.append(chunk)
        waiting = waiting and connection.request is None
    for chunk in server:
        found[1].extend(connection.feed(SERVER, chunk))
    for chunk in later:
        found[0].extend(connection.feed(CLIENT, chunk))
    for sender in ends:
        found[sender].extend(connection.end(sender))
    return found


def random_stream(source: random.Random, sender: Sender) -> bytes:
    """A short stream of one direction: a head perhaps, frames, then perhaps some damage."""
    parts = []
    if source.random() < 0.3:
        parts.append(REQUEST if sender is CLIENT else RESPONSE)
    for _ in range(source.randrange(4)):
        if source.random() < 0.1:
            parts.append(source.randbytes(source.randrange(12)))
            continue
        parts.append(
            build_frame(
                source.randbytes(source.choice((0, 1, 2, 3, 5, 9, 130))) if source.random() < 0.7 else b"caf\xc3\xa9",
                opcode=source.choice((0, 1, 1, 2, 8, 9, 10, source.randrange(16))),
                fin=source.random() < 0.7,
                rsv1=source.random() < 0.15,
                rsv2=source.random() < 0.03,
                mask=source.randbytes(4) if (source.random() < 0.9) is (sender is CLIENT) else None,
                length_form=source.choice((None, None, None, None, 16, 64)),
                length=source.choice((None,) * 9 + (source.getrandbits(64),)),
            )
        )
    data = bytearray(b"".join(parts))
    for _ in range(source.choice((0, 0, 0, 1, 2))):
        if data:
            place = source.randrange(len(data))
            change = source.randrange(3)
            if change == 0:
                data[place] ^= 1 << source.randrange(8)
            elif change == 1:
                del data[place : place + source.randrange(1, 4)]
            else:
                data[place:place] = source.randbytes(source.randrange(1, 4))
    return bytes(data)
