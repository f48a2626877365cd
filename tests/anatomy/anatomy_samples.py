"""Explanations and records made by hand, and hypothesis strategies for hostile ones: this floor knows no protocol."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Field, Sender, Violation
from wslab.anatomy.record import CloseReport, Kind, Record

CLIENT, SERVER = Sender

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</pre></td></table><b>",
    "&lt;b&gt; &amp;",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202eright to left\u2066",
    "line\r\nbreak\x85\u2028",
    "zero\u200bwidth\ufeff\U000e0041",
    "back\\slash \\x1b",
    "]]><!-- -->",
)


def frame(payload: bytes = b"Hello", *, violations: tuple[Violation, ...] = ()) -> Explanation:
    """RFC 6455 5.7's single-frame masked text message, or one like it with up to 125 bytes."""
    key = bytes.fromhex("37fa213d")
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    data = bytes([0b1000_0001, 0b1000_0000 | len(payload)]) + key + masked
    first, second = data[:1], data[1:2]
    section = "RFC 6455 5.2"
    fields = [
        Field("FIN", 0, 1, first, 1, "this is the last frame of its message", section),
        Field("RSV1", 1, 1, first, 0, "reserved", section),
        Field("RSV2", 2, 1, first, 0, "reserved", section),
        Field("RSV3", 3, 1, first, 0, "reserved", section),
        Field("opcode", 4, 4, first, 1, "this frame begins a text message", section),
        Field("MASK", 8, 1, second, 1, "the payload is masked", section),
        Field("Payload len", 9, 7, second, len(payload), f"the payload is {len(payload)} bytes long", section),
        Field("Masking-key", 16, 32, key, key, "each payload byte is XORed with one of these", "RFC 6455 5.3"),
    ]
    if payload:
        fields.append(
            Field("Payload data", 48, 8 * len(payload), masked, payload.decode("utf-8", "replace"), "what is said",
                  section, plain=payload)
        )  # fmt: skip
    return Explanation("TEXT frame", data, tuple(fields), CLIENT, 140, violations, (("message", "number 0"),))


def head(*lines: tuple[str, str], secret: str = "", steady: str = "") -> Explanation:
    """A request head of these names and values; ``secret`` and ``steady`` are names of lines."""
    data = b""
    fields = []
    for name, value in (("Request line", "GET /chat HTTP/1.1"), *lines, ("Blank line", "")):
        line = value if name in ("Request line", "Blank line") else f"{name}: {value}"
        raw = line.encode("utf-8", "surrogateescape") + b"\r\n"
        fields.append(
            Field(name, len(data) * 8, len(raw) * 8, raw, value, f"says {value}", "RFC 6455 4.1",
                  secret=name == secret, steady="(changes)" if name == steady else None)
        )  # fmt: skip
        data += raw
    return Explanation("Opening handshake, request", data, tuple(fields), CLIENT)


def record(
    kind: Kind = Kind.FRAME, sender: Sender = CLIENT, preview: bytes = b"", length: int | None = None, *,
    first: int | None = None, second: int = 0, status: int = 0, violations: int = 0, number: int = 0,
    connection: int = 0,
) -> Record:  # fmt: skip
    """A record, most of it left at what does not matter."""
    size = len(preview) if length is None else length
    if first is None:
        first = 0x81 if kind is Kind.FRAME else 0
    return Record(
        number, connection, 0.5, 0, size, 2, status, sender, kind, first, second, violations, preview[:28]
    )  # fmt: skip


CONVERSATION = [
    record(Kind.REQUEST, CLIENT, b"GET /chat", 0, number=0),
    record(Kind.RESPONSE, SERVER, b"101 Switching Protocols", 0, status=101, number=1),
    record(Kind.FRAME, CLIENT, b"Hello server!", second=0x8D, number=2),
    record(Kind.FRAME, SERVER, b"Hello client!", number=3),
    record(Kind.FRAME, CLIENT, bytes(20), first=0x42, second=0x80, violations=2, number=4),
    record(Kind.ERROR, SERVER, b"ValueError: <b>\x1b[31m", 0, number=5),
    record(Kind.FRAME, CLIENT, b"bye", 5, first=0x88, second=0x85, status=1000, number=6),
    record(Kind.FRAME, SERVER, b"bye", 5, first=0x88, status=1000, number=7),
    record(Kind.FIN, SERVER, number=8),
    record(Kind.RESET, CLIENT, number=9),
    record(Kind.UNREAD, CLIENT, b"GET / HTTP/1", number=10),
    record(Kind.BEND, SERVER, b"delay 0.2 s", 0, number=11),
]
REPORTS = [CloseReport(SERVER, 1000, "bye"), CloseReport(CLIENT, 1006)]

texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
names = st.one_of(st.sampled_from(["FIN", "opcode", "Payload data", "Cookie"]), texts)


@st.composite
def explanations(draw: st.DrawFn, secrets: bool = False) -> Explanation:
    """Any bytes, tiled by any fields, under any names."""
    data = draw(st.binary(max_size=150))
    cuts = draw(st.sets(st.integers(1, max(len(data) * 8 - 1, 1)), max_size=8)) if data else set()
    edges = sorted({0, *cuts, len(data) * 8})
    fields = []
    for start, stop in pairwise(edges):
        raw = data[start // 8 : -(-stop // 8)]
        value = draw(st.one_of(st.none(), st.integers(0, 2**64), texts, st.just(raw)))
        whole = start % 8 == 0 and stop % 8 == 0
        plain = bytes(byte ^ 0x5A for byte in raw) if whole and draw(st.booleans()) else None
        section = draw(st.sampled_from(["RFC 6455 5.2", "RFC 7692 7.2.1", "elsewhere", ""]))
        fields.append(
            Field(draw(names), start, stop - start, raw, value, draw(texts), section, plain,
                  secret=secrets and draw(st.booleans()), steady=draw(st.sampled_from([None, None, "(changes)"])))
        )  # fmt: skip
    violations = draw(
        st.lists(
            st.builds(
                Violation, texts, st.just("RFC 6455 5.1"), texts, texts, st.integers(0, 1300), st.integers(0, 60)
            ),
            max_size=2,
        )
    )
    facts = draw(st.lists(st.tuples(texts, texts), max_size=2))
    sender = draw(st.sampled_from([None, *Sender]))
    return Explanation(
        draw(texts), data, tuple(fields), sender, draw(st.integers(0, 2**40)), tuple(violations), tuple(facts)
    )


records = st.builds(
    lambda delay, time, *rest: Record(rest[0], rest[1], time, *rest[2:], None if delay is None else time + delay / 1e6),
    st.none() | st.integers(0, 2**32 - 2), st.floats(0, 1e9), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1),
    st.sampled_from(Sender), st.sampled_from(Kind), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255),
    st.one_of(st.binary(max_size=28), texts.map(lambda text: text.encode("utf-8", "surrogatepass")[:28])),
)  # fmt: skip
