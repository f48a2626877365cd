"""What each stage of lesson 16 promises, as conversations that clients hold with an endpoint, from seeds.

A promise is kept by every right endpoint: what the RFC leaves open is asked nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ...protocol import build_close, build_frame
from ..exercises import Trial
from .conversations import SILENT, Act, Promise, Talk

CONTINUATION, TEXT, BINARY, PING = 0, 1, 2, 9
GOOD_CODES = (1000, 1001, 1003, 1007, 1011, 3000, 4999)
UNKNOWN = (*range(3, 8), *range(11, 16))  # opcodes that are reserved
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
NOT_UTF8 = (b"\xff", b"a\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"ok \xf0\x9f\x91")


def _named(messages: Iterable[object]) -> str:
    """Messages in a few words."""
    shown = [f'"{one}"' if isinstance(one, str) else f"{one:,}" for one in messages]
    return ", ".join(shown)


def _mask(trial: Trial) -> bytes:
    return trial.random.randbytes(4)


def _echoed(messages: Iterable[str | bytes]) -> tuple[Act, ...]:
    return tuple(Act("send", one, ("message", one), "sends a message, which is to come back") for one in messages)


def _read(messages: Iterable[str | bytes]) -> tuple[Act, ...]:
    return tuple(Act("read", None, ("message", one), "reads a message") for one in messages)


def key_promises(trial: Trial) -> list[Promise]:
    """A client accepts the answer to its key."""
    return [Promise("open a connection with a new key", "it opens", [Talk()])]


def _odd_but_legal(case: Callable[[bytes], bytes], head: bytes) -> bytes:
    """A request whose meaning is the same: names of headers and of the protocol have no case, and blanks may lack."""
    head = head.replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade")
    head = head.replace(b"Upgrade: websocket", b"Upgrade:  WebSocket")
    return re.sub(rb"(?m)^([A-Za-z-]+):", lambda name: case(name[1]) + b":", head)


def _no_websocket(old: bytes, new: bytes, head: bytes) -> bytes:
    return re.sub(old, new, head, count=1)


def head_promises(trial: Trial) -> list[Promise]:
    """A request is read as HTTP means it, and one that asks for no WebSocket is refused."""
    case, letters = trial.random.choice(((bytes.lower, "small"), (bytes.upper, "capital")))
    faults = [
        (rb"(?m)^Upgrade: websocket\r\n", b""),
        (rb"Upgrade: websocket", b"Upgrade: h2c"),
        (rb"Connection: Upgrade", b"Connection: close"),
        (rb"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"),
        (rb"(?m)^Sec-WebSocket-Key: .*\r\n", b""),
    ]
    refused = [Talk(opens=("refused", 400), rewritten=partial(_no_websocket, *one)) for one in faults]
    return [
        Promise("ask as they are used to", "it opens", [Talk()]),
        Promise(f"ask with names in {letters} letters", "it opens", [Talk(rewritten=partial(_odd_but_legal, case))]),
        Promise(f"ask for no WebSocket, {len(refused)} times", "refused 400", refused),
    ]


def frame_promises(trial: Trial) -> list[Promise]:
    """What the server's program says arrives."""
    words = trial.words(3)
    said: list[str | bytes] = [*words, trial.random.randbytes(4), "", "x" * 125]
    return [Promise(f"read {_named(words)} and 3 more", "each arrives", [Talk(_read(said), greets=tuple(said))])]


def mask_promises(trial: Trial) -> list[Promise]:
    """What a client says arrives."""
    words = trial.words(3)
    said: list[str | bytes] = [*words, trial.random.randbytes(5)]
    return [Promise(f"send {_named(words)} and 5 bytes", "each comes back", [Talk(_echoed(said))])]


def length_promises(trial: Trial) -> list[Promise]:
    """Long messages arrive, each with the shortest form of its length."""
    sizes = [126, trial.random.randint(127, 65_534), 65_535, 65_536, trial.random.randint(65_537, 80_000)]
    said: list[str | bytes] = [trial.random.choice("abcdefgh") * size for size in sizes]
    named = f"read texts of {_named(sizes)} bytes"
    blob = trial.random.randbytes(trial.random.randint(130, 300))
    both = [Talk(_read(said), greets=tuple(said)), Talk(_read([blob]), greets=(blob,))]
    return [Promise(f"{named}, and {len(blob)} other bytes", "each arrives", both)]


def _alone(most: int, data: bytes) -> Iterator[bytes]:
    """Each of the first bytes alone, and the rest."""
    yield from (data[at : at + 1] for at in range(min(most, len(data))))
    if len(data) > most:
        yield data[most:]


def feed_promises(trial: Trial) -> list[Promise]:
    """Frames are found, however the stream is cut."""
    words, mask = trial.words(3), _mask(trial)
    long = [trial.random.choice("abcdefgh") * size for size in (trial.random.randint(130, 250), 66_000)]
    frames = [build_frame(word, mask=mask) for word in words]
    half, kept = len(frames[2]) // 2, "each comes back"
    together = Act("raw", b"".join(frames)[:-half], ("message", words[0]), "sends two frames and a half at once")
    rest = Act("raw", frames[2][-half:], ("message", words[2]), "sends the other half")
    return [
        Promise(f"send {_named(words)}, each byte alone", kept, [Talk(_echoed(words), cut=partial(_alone, 10**6))]),
        Promise("send two frames and a half, then the rest", kept, [Talk((together, *_read(words[1:2]), rest))]),
        Promise("send long texts, cut inside their lengths", kept, [Talk(_echoed(long), cut=partial(_alone, 9))]),
    ]


def ping_promises(trial: Trial) -> list[Promise]:
    """A ping is answered with its own payload, a pong with nothing."""
    payloads = [trial.random.randbytes(trial.random.randint(2, 9)), b"", trial.random.randbytes(125)]
    pings = tuple(Act("ping", one, ("pong", one), "sends a ping") for one in payloads)
    unasked = (Act("pong", payloads[0], SILENT, "sends a pong that nobody asked for"), *_echoed(trial.words(1)))
    return [
        Promise(f"send pings of {_named(map(len, payloads))} bytes", "each has its pong", [Talk(pings)]),
        Promise("send a pong that nobody asked for", "no answer to it", [Talk(unasked)]),
    ]


def _fragments(pieces: Sequence[bytes], opcode: int, mask: bytes, between: bytes = b"") -> bytes:
    last = len(pieces) - 1
    frames = [
        build_frame(piece, opcode=CONTINUATION if at else opcode, fin=at == last, mask=mask)
        for at, piece in enumerate(pieces)
    ]
    return between.join(frames)


def message_promises(trial: Trial) -> list[Promise]:
    """A message in fragments arrives as one, with a ping between them, and cut inside a letter."""
    mask, text = _mask(trial), " ".join(trial.words(2)) + trial.random.choice(trial.WIDE)
    data = text.encode()
    inside = next(at for at in range(len(data)) if data[at] & 0xC0 == 0x80)
    pieces = [data[:inside], b"", data[inside:]]
    ping = build_frame(b"", opcode=PING, mask=mask)
    blob = trial.random.randbytes(9)
    acts = (
        Act("raw", _fragments(pieces, TEXT, mask), ("message", text), "sends a text, cut inside a letter"),
        Act("raw", _fragments(pieces, TEXT, mask, ping), ("message", text), "sends the same with pings between"),
        Act("raw", _fragments([blob[:4], blob[4:]], BINARY, mask), ("message", blob), "sends bytes in two fragments"),
        *_echoed([text, blob]),
    )
    return [Promise(f'send "{text}" in fragments, and more', "each comes back whole", [Talk(acts)])]


def close_promises(trial: Trial) -> list[Promise]:
    """A close frame is answered with its own code, and an empty one with an empty one."""
    codes = (1000, 1001, trial.random.randint(3000, 4999))
    reasons = ["", "bye", trial.random.choice(trial.WIDE) * 9]
    trial.random.shuffle(reasons)
    talks = [
        Talk((Act("close", (code, reason), ("close", code), f"closes with {code}"),))
        for code, reason in zip(codes, reasons, strict=True)
    ]
    empty = Act("raw", build_close(mask=_mask(trial)), ("close", 1005), "closes without a code")
    return [
        Promise(f"close with {', '.join(map(str, codes))}", "a close frame with that code", talks),
        Promise("close without a code", "a close frame without one", [Talk((empty,))]),
    ]


def faults(trial: Trial) -> dict[str, tuple[bytes, int]]:
    """By name: frames that break a rule, and the status code that the RFC wants for them."""
    mask = _mask(trial)
    frame = partial(build_frame, mask=mask)
    begun = frame(b"Hel", opcode=TEXT, fin=False)
    bad = trial.random.choice(NOT_UTF8)
    firsts = {"RSV1": 0xC1, "RSV2": 0xA1, "RSV3": 0x91} | {f"opcode {one}": 0x80 | one for one in UNKNOWN}
    return {
        **{f"a frame with {name}": (bytes([first, 0x80]) + mask, 1002) for name, first in firsts.items()},
        **{f"the code {code}": (frame(code.to_bytes(2, "big"), opcode=8), 1002) for code in BAD_CODES},
        "a text without a mask": (build_frame("Hello"), 1002),
        "a PING with FIN 0": (frame(b"", opcode=PING, fin=False), 1002),
        "a PING of 126 bytes": (frame(b"x" * 126, opcode=PING), 1002),
        "a CONTINUATION when no message has begun": (frame(b"lo", opcode=CONTINUATION), 1002),
        "a text inside a message": (begun + frame(b"x", opcode=TEXT), 1002),
        "a close frame of one byte": (bytes([0x88, 0x81]) + mask + b"\x03", 1002),
        "a text that is not UTF-8": (frame(bad, opcode=TEXT), 1007),
        "a text in two frames that is not UTF-8": (_fragments([b"H", bad], TEXT, mask), 1007),
        "a close reason that is not UTF-8": (frame(b"\x03\xe8" + bad, opcode=8), 1007),
    }


def fail_promises(trial: Trial) -> list[Promise]:
    """What breaks a rule ends the connection with its code, and nothing else does."""
    found = faults(trial)
    bad = [Talk((Act("raw", data, ("close", code), f"sends {name}"),)) for name, (data, code) in found.items()]
    mask, code, text = _mask(trial), trial.random.choice(GOOD_CODES), trial.random.choice(trial.WIDE)
    halves, ping = [text.encode()[:1], text.encode()[1:]], build_frame(b"", opcode=PING, mask=mask)
    good: tuple[Act, ...] = (
        Act("ping", b"x" * 125, ("pong", b"x" * 125), "sends a ping of 125 bytes"),
        Act("raw", _fragments(halves, TEXT, mask), ("message", text), "sends a text, cut inside a letter"),
        Act("raw", _fragments(halves, TEXT, mask, ping), ("message", text), "sends the same with a ping between"),
        Act("raw", _fragments([b"\xff", b"\xc3"], BINARY, mask), ("message", b"\xff\xc3"), "sends bytes in two frames"),
        Act("send", b"\xff", ("message", b"\xff"), "sends bytes that are not UTF-8"),
        Act("raw", build_close(code, mask=mask), ("close", code), f"closes with {code}"),
    )
    return [
        Promise(f"send {len(bad)} faulty frames", "each ends with its code", bad),
        Promise(f"break no rule, and close with {code}", "no fault is found", [Talk(good)]),
    ]


def article_promises(trial: Trial) -> list[Promise]:
    """The article's conversation."""
    acts = (*_read(["Hello client!"]), *_echoed(["Hello server!"]), Act("close", (1000,), ("close", 1000), "closes"))
    return [Promise("say what the article's page says", "Hello client!", [Talk(acts, greets=("Hello client!",))])]
