"""permessage-deflate: what websockets compresses inflates here, with and without context, within a limit."""

from __future__ import annotations

import html
import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from wire_streams import CLIENT, KEY, REQUEST, SERVER, converse

from wslab.anatomy.field import Sender
from wslab.protocol import Connection, Frame, Message, build_frame, build_response, dissect
from wslab.protocol.deflate import FINAL_BLOCKS, TAIL, Extension, Inflater, Parameters, agreed, parse_extensions

messages = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=3), min_size=1, max_size=5)
repeated = st.lists(
    st.lists(st.sampled_from([b"the same words, ", b"again and again", b""]), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


@given(
    messages=st.one_of(messages, repeated),
    sender=st.sampled_from(Sender),
    bits=st.integers(9, 15),
    forgetful=st.booleans(),
)
def test_what_websockets_compresses_inflates_here(
    messages: list[list[bytes]], sender: Sender, bits: int, forgetful: bool
) -> None:
    side = sender.label
    line = f"permessage-deflate; {side}_max_window_bits={bits}" + (f"; {side}_no_context_takeover" if forgetful else "")
    theirs = PerMessageDeflate(False, forgetful, 15, bits)
    connection = Connection(heads=(False, False), extensions=line, payloads=1000)
    found = []
    for parts in messages:
        for number, part in enumerate(parts):
            opcode, fin = Opcode.CONT if number else Opcode.BINARY, number == len(parts) - 1
            found += connection.feed(
                sender, TheirFrame(opcode, part, fin).serialize(mask=sender is CLIENT, extensions=[theirs])
            )
    frames = [thing for thing in found if isinstance(thing, Frame)]
    assert [b"".join(parts) for parts in messages] == [thing.data for thing in found if isinstance(thing, Message)]
    assert b"".join(frame.inflated or b"" for frame in frames) == b"".join(part for parts in messages for part in parts)
    assert not any(frame.violations for frame in frames)


def one(line: str, *frames: bytes, **kw: int) -> list[Frame | Message]:
    """What comes of a server's frames on a connection that agreed on ``line``."""
    limits = {"payloads": 1000} | kw
    found = Connection(heads=(False, False), extensions=line, **limits).feed(SERVER, b"".join(frames))
    return [thing for thing in found if isinstance(thing, Frame | Message)]


HELLO = bytes.fromhex("f248cdc9c90700")
EXAMPLES = {
    "7.2.3.1 one block": [build_frame(HELLO, rsv1=True)],
    "7.2.3.1 in two fragments": [build_frame(HELLO[:3], rsv1=True, fin=False), build_frame(HELLO[3:], opcode=0)],
    "7.2.3.3 without compression": [build_frame(bytes.fromhex("000500faff48656c6c6f00"), rsv1=True)],
    "7.2.3.4 a block with BFINAL": [build_frame(bytes.fromhex("f348cdc9c9070000"), rsv1=True)],
    "7.2.3.5 two blocks": [build_frame(bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")), rsv1=True)],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_rfc_7692(name: str) -> None:
    *frames, message = one("permessage-deflate", *EXAMPLES[name])
    assert isinstance(message, Message)
    assert (message.data, message.length, message.violations) == (b"Hello", 5, ())
    assert b"".join(frame.inflated or b"" for frame in frames if isinstance(frame, Frame)) == b"Hello"


def test_the_window_is_shared_between_messages() -> None:
    """RFC 7692 section 7.2.3.2: the second Hello is five bytes, which mean nothing alone."""
    again = build_frame(bytes.fromhex("f200110000"), rsv1=True)
    found = one("permessage-deflate", build_frame(HELLO, rsv1=True), again)
    assert [thing.data for thing in found if isinstance(thing, Message)] == [b"Hello", b"Hello"]
    alone = one("permessage-deflate; server_no_context_takeover", build_frame(HELLO, rsv1=True), again)
    assert [violation.rule for violation in alone[2].violations] == ["deflate-data-broken"]
    assert alone[2].note == "not inflated: invalid distance too far back"  # type: ignore[union-attr]


def test_a_block_with_bfinal_keeps_the_window_too() -> None:
    final = build_frame(bytes.fromhex("f348cdc9c9070000"), rsv1=True)
    found = one("permessage-deflate", final, build_frame(bytes.fromhex("f200110000"), rsv1=True), final)
    assert [thing.data for thing in found if isinstance(thing, Message)] == [b"Hello"] * 3


def empty_blocks(number: int) -> bytes:
    """A lawful frame of that many empty blocks with BFINAL set, and the first byte of the block that ends it."""
    return build_frame(b"\x03\x00" * number + b"\x00", opcode=2, rsv1=True)


def test_as_many_blocks_with_bfinal_as_the_limit_are_inflated() -> None:
    frame, message = one("permessage-deflate", empty_blocks(FINAL_BLOCKS), payloads=1 << 20)
    assert (frame.note, frame.inflated, message.data) == (None, b"", b"")  # type: ignore[union-attr]
    again = [
        thing for thing in one("permessage-deflate", *[empty_blocks(FINAL_BLOCKS)] * 3) if isinstance(thing, Frame)
    ]
    assert [frame.inflated for frame in again] == [b""] * 3, "each message has its own limit"


@pytest.mark.parametrize("blocks", [FINAL_BLOCKS + 1, 500_000])
def test_more_blocks_with_bfinal_are_given_up_soon_and_said_to_be_lawful(blocks: int) -> None:
    start = time.process_time()
    found = dissect(server=empty_blocks(blocks), extensions="permessage-deflate")
    assert time.process_time() - start < 1
    note = f"not inflated: it has more than {FINAL_BLOCKS:,} blocks with BFINAL set, which is allowed"
    assert [(frame.note, frame.inflated, frame.violations) for frame in found.frames] == [(note, None, ())]
    assert note in " ".join(str(found.frames[0]).split())
    assert html.escape(note) in found.frames[0]._repr_html_()
    assert [(message.data, message.violations) for message in found.messages] == [(None, ())]


def test_blocks_with_bfinal_count_over_the_fragments_of_a_message() -> None:
    half = b"\x03\x00" * (FINAL_BLOCKS // 2 + 1)
    frames = build_frame(half, opcode=2, rsv1=True, fin=False), build_frame(half, opcode=0)
    notes = [thing.note for thing in one("permessage-deflate", *frames, payloads=1 << 20) if isinstance(thing, Frame)]
    assert notes[0] is None
    assert notes[1] is not None


def test_a_reach_beyond_the_agreed_window_is_found_across_messages() -> None:
    """Here zlib looks by itself; within one message it would with INFLATE_STRICT only, and so the libraries do not."""
    source = zlib.compressobj(wbits=-15)
    words = random.Random(5).randbytes(2_000)
    frames = []
    for _ in range(2):
        data = source.compress(words) + source.flush(zlib.Z_SYNC_FLUSH)
        frames.append(build_frame(data[:-4], opcode=2, rsv1=True))
    for bits, rules in ((15, []), (9, ["deflate-data-broken"])):
        found = one(f"permessage-deflate; server_max_window_bits={bits}", *frames)
        assert [violation.rule for violation in found[2].violations] == rules


@pytest.mark.parametrize("bits", range(9, 15))
@pytest.mark.parametrize("messages", [1, 2])
def test_a_reach_beyond_the_agreed_window_is_found_within_a_message(bits: int, messages: int) -> None:
    """A message twice, compressed with a window of 15 bits: the second time refers to the first, as far back as it is
    long. Exactly the window is legal; a quarter more is not, be it in one message or in two."""
    window = 1 << bits
    for size, legal in ((window - 1, True), (window, True), (window + (window >> 2) + 1, False)):
        noise = random.Random(bits).randbytes(size)
        engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        parts = [noise, noise] if messages == 2 else [noise + noise]
        sent = [engine.compress(part) + engine.flush(zlib.Z_SYNC_FLUSH) for part in parts]
        assert sum(map(len, sent)) < size * 1.5
        frames = [build_frame(each[:-4], opcode=2, rsv1=True) for each in sent]
        found = one(f"permessage-deflate; server_max_window_bits={bits}", *frames, payloads=1 << 20)
        rules = [violation.rule for thing in found if isinstance(thing, Frame) for violation in thing.violations]
        assert rules == ([] if legal else ["deflate-data-broken"])
        if legal:
            assert [thing.data for thing in found if isinstance(thing, Message)] == parts


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_the_limit_holds_with_every_window(bits: int) -> None:
    """Exactly as much as is allowed, and one byte more; the output is read in steps of many sizes."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -bits)
    data = engine.compress(bytes(5000)) + engine.flush(zlib.Z_SYNC_FLUSH)
    frame = build_frame(data[:-4], opcode=2, rsv1=True)
    line = f"permessage-deflate; server_max_window_bits={bits}"
    for limit in (4999, 5000, 5001):
        connection = Connection(heads=(False, False), extensions=line, payloads=9000, inflate_limit=limit)
        first, *_ = (thing for thing in connection.feed(SERVER, frame) if isinstance(thing, Frame))
        assert first.inflated == (None if limit < 5000 else bytes(5000))
        assert not first.violations


def test_a_bomb_is_given_up_at_the_limit() -> None:
    source = zlib.compressobj(wbits=-15)
    bomb = (source.compress(bytes(1 << 22)) + source.flush(zlib.Z_SYNC_FLUSH))[:-4]
    frames = (build_frame(bomb, opcode=2, rsv1=True), build_frame(HELLO, rsv1=True))
    bombed, _, after, _ = one("permessage-deflate", *frames, inflate_limit=100_000)
    assert (bombed.inflated, after.inflated) == (None, None)  # type: ignore[union-attr]
    assert bombed.violations == after.violations == ()
    assert "more than 100,000 bytes" in bombed.note  # type: ignore[union-attr,operator]
    _, _, after, message = one("permessage-deflate; server_no_context_takeover", *frames, inflate_limit=100_000)
    assert message.data == b"Hello"


def test_exactly_the_limit_is_inflated() -> None:
    for limit, data in ((5, b"Hello"), (4, None)):
        assert one("permessage-deflate", build_frame(HELLO, rsv1=True), inflate_limit=limit)[1].data == data


def test_a_payload_too_long_to_gather_loses_what_follows() -> None:
    found = one(
        "permessage-deflate",
        build_frame(bytes(600), opcode=2, rsv1=True),
        build_frame(HELLO, rsv1=True),
        keep=500,
        payloads=0,
    )
    why = "not inflated: a compressed payload is longer than 500 bytes"
    assert [thing.note for thing in found if isinstance(thing, Frame)] == [why, why]


def test_bits_without_an_agreement() -> None:
    frame = build_frame(HELLO, rsv1=True)
    known = Connection(heads=(False, False), extensions="").feed(SERVER, frame)[0]
    unknown = Connection(heads=(False, False)).feed(SERVER, frame)[0]
    assert [violation.rule for violation in known.violations] == ["rsv-not-agreed"]
    assert unknown.violations == ()
    assert "not known" in unknown.note  # type: ignore[union-attr,operator]


def test_the_handshake_decides() -> None:
    response = build_response(headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover"})
    hello = build_frame(HELLO, rsv1=True, mask=KEY)
    connection = Connection()
    client, server = converse(connection, [REQUEST, hello, hello], [response, build_frame(HELLO, rsv1=True)])
    assert connection.deflate == Parameters(False, True, 15, 15)
    assert [frame.inflated for frame in client + server if isinstance(frame, Frame)] == [b"Hello"] * 3
    assert [frame.preview for frame in client + server if isinstance(frame, Frame)] == [b"Hello"] * 3


@pytest.mark.parametrize(
    ("values", "extensions", "wrong"),
    [
        (["a"], [Extension("a", ())], None),
        (["a; b; c=1", "d"], [Extension("a", (("b", None), ("c", "1"))), Extension("d", ())], None),
        (['a; b="1"'], [Extension("a", (("b", "1"),))], None),
        (['a; b="\\1", c'], [Extension("a", (("b", "1"),)), Extension("c", ())], None),
        (['a; b="1, 2; 3", c'], [], 'a; b="1, 2; 3"'),
        ([" a ,, b "], [Extension("a", ()), Extension("b", ())], None),
        (["a=1"], [], "a=1"),
        (["a;"], [], "a;"),
        (["a, b c"], [Extension("a", ())], "b c"),
        ([], [], None),
    ],
)
def test_extension_lines(values: list[str], extensions: list[Extension], wrong: str | None) -> None:
    assert parse_extensions(values) == (extensions, wrong)


@given(st.text(max_size=30))
def test_any_extension_line_is_read(value: str) -> None:
    parse_extensions([value])
    assert agreed([value]) is None or "permessage-deflate" in value


@pytest.mark.parametrize(("bits", "window"), [("10", 10), ("8", 8), ("7", 15), ("16", 15), ("010", 15), ("x", 15)])
def test_a_window_size_that_makes_no_sense_is_the_default(bits: str, window: int) -> None:
    parameters = agreed([f"permessage-deflate; server_max_window_bits={bits}"])
    assert parameters == Parameters(False, False, window, 15)


@given(data=st.binary(max_size=80), bits=st.integers(8, 15), final=st.booleans(), limit=st.integers(0, 100))
def test_inflating_never_raises(data: bytes, bits: int, final: bool, limit: int) -> None:
    inflater = Parameters(False, False, bits, bits).inflater(SERVER, limit)
    inflater.begin()
    for _ in range(2):
        inflated, problem = inflater.inflate(data, final=final)
        assert inflated is None or len(inflated) <= limit
        assert problem is None or inflated is None


FIXED, FINAL = bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f348cdc9c90700")
_compressed = zlib.compressobj(9, zlib.DEFLATED, -15)
LONG = (_compressed.compress(bytes(range(256)) * 9) + _compressed.flush(zlib.Z_SYNC_FLUSH))[:-4]


INSIDE = {
    "no header of an empty block": FIXED[:-1],
    "a tail that was not removed": FIXED + TAIL,
    "cut": FIXED[:3],
    "BFINAL, and no octet more": FINAL,
    "BFINAL, cut": FINAL[:4],
    "an empty last block, and no more": b"\x03",
    "a stored block, cut": b"\x00\x05\x00\xfa\xffHell",
    "long, without its last octet": LONG[:-1],
    "long, cut": LONG[: len(LONG) // 2],
    "nothing": b"",
}


@pytest.mark.parametrize("payload", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("takeover", [True, False])
def test_data_that_ends_inside_a_block_is_blamed_itself_and_not_what_follows(
    payload: bytes, parts: int, takeover: bool
) -> None:
    """RFC 7692 7.2.3.4: of a block with BFINAL, one more octet "is necessary to allow the payload to be decompressed in
    the same manner". zlib alone asks for more, finds it in the next message, and calls that one broken."""
    inflater = Inflater(takeover=takeover)
    inflater.begin()
    if parts == 2:
        assert inflater.inflate(payload[:2], final=False)[1] is None
        payload = payload[2:]
    inflated, wrong = inflater.inflate(payload, final=True)
    assert inflated is None
    assert wrong
    inflater.begin()
    assert inflater.inflate(FIXED, final=True) == ((None, None) if takeover else (b"Hello", None))


@pytest.mark.parametrize(
    "payload", [b"\x00", b"\x02\x00", FIXED, FINAL + b"\x00", LONG, b"\x00\x05\x00\xfa\xffHello\x00"]
)
def test_data_that_ends_behind_a_block_is_whole(payload: bytes) -> None:
    inflater = Inflater()
    for _ in range(2):
        inflater.begin()
        assert inflater.inflate(payload[:1], final=False)[1] is None
        assert inflater.inflate(payload[1:], final=True)[1] is None
