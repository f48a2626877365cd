"""The frame builder without a browser: the bytes it builds, what it says of them, and what it does not take."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from wslab import build_frame, judge
from wslab.live.judges.comparison import OWN_LIMIT, applied_rule, broken_rules, comparison
from wslab.panels.frame_builder.frame_builder import MOST_PAYLOAD, PRESETS, FrameBuilder
from wslab.protocol import RULES

MASKED_HELLO = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")  # RFC 6455 5.7
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


def evaluated(builder: FrameBuilder) -> Any:
    return eval(builder.call, {"build_frame": build_frame})


def ask(builder: FrameBuilder, **question: Any) -> None:
    builder._handle_custom_msg(question, [])


def test_it_begins_with_the_rfcs_own_frame() -> None:
    builder = FrameBuilder()
    assert builder.data == MASKED_HELLO
    assert builder.built["hex"] == MASKED_HELLO.hex(" ")
    assert builder.explanation["data"] == MASKED_HELLO.hex()
    assert builder.verdicts["comparison"] == "Both judges accept."
    assert FrameBuilder(as_client=False).data == bytes.fromhex("81 05 48 65 6c 6c 6f")
    assert FrameBuilder(b"\x03\xe8", opcode=8, masked=False).data == bytes.fromhex("88 02 03 e8")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_built_anew_by_its_call(name: str) -> None:
    builder = FrameBuilder("other", rsv2=True, as_client=False, length=77)
    builder.preset(name)
    assert evaluated(builder) == builder.data
    assert builder.explanation["data"] == builder.data.hex()
    assert builder.as_client


NAMES = {OWN_LIMIT.rule, *(rule.name for rule in RULES)}
FRAMES = st.fixed_dictionaries(
    {
        "fin": st.booleans(),
        "rsv1": st.booleans(),
        "opcode": st.integers(0, 15),
        "masked": st.booleans(),
        "masking_key": st.binary(min_size=4, max_size=4).map(bytes.hex),
        "length": st.none() | st.integers(0, 2**64 - 1),
        "length_form": st.sampled_from([None, 7, 16, 64]),
        "length_bits": st.none() | st.integers(0, 127),
        "as_client": st.booleans(),
    }
)


@settings(max_examples=60)
@given(payload=st.text(max_size=40) | st.binary(max_size=300), state=FRAMES)
def test_the_call_builds_the_bytes_and_every_refusal_has_its_rule(payload: str | bytes, state: dict[str, Any]) -> None:
    builder = FrameBuilder(payload, **state)
    data = builder.data
    assert evaluated(builder) == data
    if state["length_bits"] is not None:
        assert data[1] & 127 == state["length_bits"]
    broken = broken_rules(data, as_client=builder.as_client)
    for verdict in builder.judgement.verdicts:
        rule = applied_rule(verdict, broken, as_client=builder.as_client)
        # A close frame inside a message breaks no rule of the RFC.
        assert verdict.accepted or verdict.reason == "incomplete fragmented message" or rule is not None, verdict
        assert rule is None or rule.rule in NAMES
    assert builder.verdicts["comparison"]


SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "length form": (
        {"length_form": 16},
        "The judges differ: RFC 6455 5.2 says “Note that in all cases, the minimal number of bytes MUST be used to "
        "encode the length”. wsproto enforces it, websockets does not.",
    ),
    "limit": ({"opcode": 2, "length": 2**21, "length_form": 64}, "The judges differ: RFC 6455 10.4 says"),
    "early": ({"fin": False, "opcode": 9, "length": 9}, "wsproto enforces it at once, websockets waits for more bytes"),
    "same": ({"masked": False}, "Both judges refuse, by the same rule: RFC 6455 5.1 says “… a client MUST mask"),
    "two": (
        {"masked": False, "rsv1": True},
        "Both judges refuse, each for another reason: websockets by RFC 6455 5.1, wsproto by RFC 6455 5.2.",
    ),
    "waiting": ({"length": 9}, "Both judges wait for more bytes: so far nothing is wrong."),
    "wrong already": (
        {"payload": "", "opcode": 0, "length": 9},
        "Both judges wait for more bytes. What has come is wrong already: RFC 6455 5.4",
    ),
    "continuation": ({"opcode": 0}, "Both judges refuse, by the same rule: RFC 6455 5.4"),
    "code": ({"opcode": 8, "payload": b"\x03\xf6"}, "RFC 6455 7.4.2"),  # 1014, registered after wsproto's list
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_verdicts_come_to_a_sentence(case: str) -> None:
    state, sentence = SENTENCES[case]
    assert sentence in FrameBuilder(**{"payload": "Hello", **state}).verdicts["comparison"]


def test_a_refusal_by_no_rule_is_said_to_be_one() -> None:
    data = build_frame("a", fin=False, mask=bytes(4)) + build_frame(b"", opcode=8, mask=bytes(4))
    said = comparison(judge(data), broken_rules(data, as_client=True))
    assert said == "The judges differ: websockets refuses by a check of its own, and no rule here asks for it."


def test_the_seven_bits_can_lie_and_be_put_right_again() -> None:
    builder = FrameBuilder()
    builder.length_bits = 4
    assert builder.data == MASKED_HELLO[:1] + b"\x84" + MASKED_HELLO[2:]
    assert builder.built["lie"].endswith("reads the last byte as the beginning of the next frame.")
    builder.length_bits = 126
    assert builder.data[1] == 0xFE
    assert len(builder.data) == len(MASKED_HELLO), "the seven bits alone are written"
    assert builder.built["lie"].startswith("126 announces 2 more bytes of length, and nobody wrote them")
    builder.length = 9
    assert builder.length_bits is None
    assert builder.built["lie"].endswith("5 bytes came: a receiver waits for 4 more.")
    ask(builder, ask="right length")
    assert builder.data == MASKED_HELLO
    assert builder.built["lie"] == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("opcode", 16, "0 to 15"),
        ("masking_key", "37 fa 21", "four bytes as hex.*3 bytes given"),
        ("masking_key", "37 fa 21 zz", "'z' is no hex digit"),
        ("payload_as", "bits", "'text', 'hex'"),
        ("payload", "a" * (MOST_PAYLOAD + 1), "at most 131,072"),
        ("payload", "\ud800", "UTF-8 cannot write"),
        ("length", 2**64, r"0 to 2\*\*64 - 1"),
        ("length_form", 8, "7, 16, 64"),
        ("length_bits", 128, "0 to 127"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(name: str, value: Any, words: str) -> None:
    builder = FrameBuilder()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(builder, name, value)
    assert builder.data == MASKED_HELLO


def test_a_payload_is_shown_as_hex_and_back() -> None:
    builder = FrameBuilder("şğ")
    builder.payload_as = "hex"
    assert builder.payload == "c5 9f c4 9f"
    builder.payload_as = "text"
    assert builder.payload == "şğ"
    builder.payload_as = "hex"
    builder.payload = "ff"
    with pytest.raises(traitlets.TraitError, match=r"no text: byte 0 is no UTF-8"):
        builder.payload_as = "text"
    assert (builder.payload_as, builder.payload) == ("hex", "ff")


def test_what_a_page_types_is_refused_beside_its_field() -> None:
    builder = FrameBuilder()
    ask(builder, ask="change", name="masking_key", value="37 fa")
    ask(builder, ask="change", name="length", value="many")
    assert set(builder.refused) == {"masking_key", "length"}
    assert builder.refused["length"] == "'many' is no length: a whole number of bytes is wanted, such as 3"
    assert builder.problem == ""
    assert builder.data == MASKED_HELLO
    ask(builder, ask="change", name="masking_key", value="00000000")
    ask(builder, ask="change", name="length", value=" 1,000 ")
    assert builder.refused == {}
    assert (builder.masking_key, builder.length) == ("00 00 00 00", 1000)
    ask(builder, ask="change", name="length", value="")
    assert builder.length is None
    ask(builder, ask="change", name="comm", value="")
    assert "may not" in builder.problem


def test_a_preset_takes_away_what_was_refused_and_an_unknown_one_does_not() -> None:
    builder = FrameBuilder()
    ask(builder, ask="change", name="masking_key", value="37 fa")
    ask(builder, ask="change", name="length", value="many")
    refused = dict(builder.refused)
    assert set(refused) == {"masking_key", "length"}
    ask(builder, ask="preset", name="comm")
    with pytest.raises(KeyError, match="non-minimal length"):
        builder.preset("comm")
    assert builder.refused == refused, "it changed nothing"
    assert "no preset 'comm'" in builder.problem
    builder.preset("reserved opcode 3")  # which leaves both fields as they are
    assert builder.refused == {}
    assert "no preset 'comm'" in builder.problem, "only a page's next question takes it away"
    ask(builder, ask="change", name="payload", value="\ud800")
    assert (set(builder.refused), builder.problem) == ({"payload"}, "")
    ask(builder, ask="preset", name="close 1005")
    assert (builder.refused, builder.problem) == ({}, "")


def test_changes_from_many_threads_leave_what_is_said_in_step() -> None:
    builder = FrameBuilder()
    start = threading.Barrier(4)

    def toggle(name: str) -> None:
        start.wait()
        for _ in range(15):
            setattr(builder, name, not getattr(builder, name))

    threads = [threading.Thread(target=toggle, args=[name]) for name in ("fin", "rsv1", "rsv2", "rsv3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.data[0] == 0x71
    assert builder.explanation["data"] == builder.data.hex()
    assert builder.built["hex"] == builder.data.hex(" ")


def test_a_large_payload_is_cut_where_it_is_shown() -> None:
    builder = FrameBuilder("ab" * (MOST_PAYLOAD // 2))
    sent = sum(len(str(getattr(builder, name))) for name in ("built", "explanation", "verdicts"))
    assert sent < 60_000
    assert builder.built["shortest"] == 64
    assert builder.call.startswith("build_frame(payload, ")
    builder.payload = "a" * 65536
    assert evaluated(builder) == builder.data


def test_its_text_and_html_are_steady_and_harmless() -> None:
    builder = FrameBuilder(HOSTILE)
    assert repr(builder) == repr(FrameBuilder(HOSTILE))
    assert repr(builder).startswith("build_frame(")
    assert "Both judges accept." in repr(builder)
    html = builder._repr_html_()
    for text in (repr(builder), html):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script>alert" not in html
    assert "Both judges accept." in html


def test_its_picture_has_a_text_twin() -> None:
    picture = FrameBuilder(HOSTILE, length_form=16).picture()
    root = ET.fromstring(str(picture))
    described = "".join(node.text or "" for node in root.iter() if node.tag.endswith("desc"))
    assert "The judges differ" in described
    assert "length-not-minimal" in described
