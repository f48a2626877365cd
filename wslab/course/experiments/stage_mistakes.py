"""The mistakes that are foreseen at each stage of lesson 16: a test of the learner's part, and a sentence.

The first test that fits is said. None fits a right part.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Any

from ...live.tap import SAMPLE_KEY
from ...protocol import build_frame, build_request

Foreseen = Sequence[tuple[Callable[[Any], object], str]]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD = build_request("/", {}, host="127.0.0.1", key=SAMPLE_KEY).removesuffix(b"\r\n\r\n")
_KEY = bytes.fromhex("37 fa 21 3d")
_A, _B = build_frame("Hello", mask=_KEY), build_frame("wire", mask=_KEY)
_FOUND = (0x81, _KEY, _A[6:])


def _sha1(text: str) -> bytes:
    return hashlib.sha1(text.encode()).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _raises(kind: type[Exception] | tuple[type[Exception], ...], call: Callable[..., Any], *args: Any) -> bool:
    """Whether a call fails so; in another process its exception has only a name."""
    try:
        call(*args)
    except Exception as error:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return isinstance(error, kind) or any(one.__name__ in str(error) for one in kinds)
    return False


def _asks(answer: Any, old: bytes = b"", new: bytes = b"") -> Any:
    """What a reader of heads finds in a request in which some bytes were changed."""
    return answer(_HEAD.replace(old, new) if old else _HEAD)


def _fed(parser: Any, *given: bytes) -> list[Any]:
    """What a new parser returns for the pieces, one after another."""
    one = parser()
    return [frame for piece in given for frame in one.feed(piece)]


def _long(size: int) -> bytes:
    return build_frame("x" * size, mask=_KEY)


KEY: Foreseen = [
    (lambda f: f(SAMPLE_KEY) is None, "`accept_key` returns None: its last line needs `return`."),
    (lambda f: isinstance(f(SAMPLE_KEY), bytes), "`accept_key` returns bytes: `.decode()` makes a text of them."),
    (lambda f: f(SAMPLE_KEY) == f("A" * 22 + "=="), "Your accept value is the same for every key."),
    (lambda f: f(SAMPLE_KEY) == _base64(_sha1(SAMPLE_KEY)), "You left the GUID out."),
    (lambda f: f(SAMPLE_KEY) == _base64(_sha1(_GUID + SAMPLE_KEY)), "The GUID stands after the key."),
    (lambda f: f(SAMPLE_KEY) == _sha1(SAMPLE_KEY + _GUID).hex(), "You wrote the digest in hex: it crosses in base64."),
]  # fmt: skip
HEAD: Foreseen = [
    (lambda f: _asks(f) is None, "You refuse what every library asks: read each line of the head by itself."),
    (lambda f: isinstance(_asks(f), bytes), "The key is wanted as a text: decode the head."),
    (lambda f: _asks(f).strip() == SAMPLE_KEY != _asks(f), "Your key has blanks around it: `.strip()` takes them off."),
    (lambda f: f(_HEAD.replace(b"Upgrade:", b"upgrade:").replace(b"Sec-WebSocket", b"sec-websocket")) != SAMPLE_KEY,
     "Names of headers have no case: compare them in small letters."),
    (lambda f: _asks(f, b"Connection: Upgrade", b"Connection: keep-alive, Upgrade") != SAMPLE_KEY,
     "`Connection` is a list: `Upgrade` may be one of several words in it."),
    (lambda f: _asks(f, b"websocket\r\n", b"WebSocket\r\n") != SAMPLE_KEY,
     "The value of `Upgrade` has no case: `WebSocket` means the same."),
    (lambda f: _asks(f, b"Upgrade: websocket\r\n") is not None, "You accept a request without `Upgrade: websocket`."),
    (lambda f: _asks(f, b"Upgrade: websocket", b"Upgrade: h2c") is not None, "You accept an upgrade to h2c."),
    (lambda f: _asks(f, b"Connection: Upgrade", b"Connection: close") is not None,
     "You accept a request whose `Connection` does not name Upgrade."),
    (lambda f: _asks(f, b"Version: 13", b"Version: 8") is not None, "You accept version 8: only 13 is in use."),
]  # fmt: skip
_A_LIST = "Your function returns a list: `bytes(...)` makes bytes of it."
FRAME: Foreseen = [
    (lambda f: f(1, b"ab") is None, "Your function returns None: its last line needs `return`."),
    (lambda f: isinstance(f(1, b"ab"), list), _A_LIST),
    (lambda f: f(1, b"ab")[1] & 0x80, "Your second byte has MASK set: a server masks nothing."),
    (lambda f: not f(1, b"ab")[0] & 0x80, "Your first byte lacks FIN: the client waits for the rest."),
    (lambda f: f(1, b"ab")[0] == f(2, b"ab")[0], "Your first byte is the same for each opcode."),
    (lambda f: f(1, b"ab")[1] != 2, "Your second byte is not the number of the payload's bytes."),
    (lambda f: f(1, b"ab")[2:] != b"ab", "After the two bytes of the header the payload does not stand as it is."),
]  # fmt: skip
MASK: Foreseen = [
    (lambda f: f(b"abcde", _KEY) == b"abcde", "You return the payload as it is: each byte is combined with the key."),
    (lambda f: isinstance(f(b"abcde", _KEY), str), "You return a text: the payload may be anything. Return bytes."),
    (lambda f: isinstance(f(b"abcde", _KEY), list), "You return a list: `bytes(...)` makes bytes of it."),
    (lambda f: len(f(b"abcde", _KEY)) < 5, "You stop after four bytes: then the key begins again."),
]  # fmt: skip
LENGTH: Foreseen = [
    (lambda f: f(1, bytes(200)) is None, "Your function returns None: its last line needs `return`."),
    (lambda f: isinstance(f(1, bytes(200)), list), _A_LIST),
    (lambda f: f(1, bytes(200))[1] == 200, "200 in the second byte is read as MASK and 72. The byte is 126 then."),
    (lambda f: f(1, bytes(200))[1] == 127, "You spend eight bytes on 200: the RFC wants the shortest form."),
    (lambda f: f(1, bytes(300))[2:4] == b"\x2c\x01", "Your length has its low byte first: the high byte comes first."),
    (lambda f: f(1, bytes(65_535))[1] == 127, "65,535 fits into two bytes: the long form begins with 65,536."),
    (lambda f: _raises((OverflowError, struct.error), f, 1, bytes(65_536)),
     "Two bytes cannot hold 65,536: from there on the byte is 127, and eight bytes of length follow."),
    (lambda f: f(1, bytes(70_000))[1] == 126, "From 65,536 bytes on, the byte is 127, and eight bytes follow."),
    (lambda f: f(1, bytes(200))[0] == f(2, bytes(200))[0], "Your first byte is the same for each opcode."),
]  # fmt: skip
FEED: Foreseen = [
    (lambda p: p().feed(_A) is None, "`feed` returns nothing: return a list, an empty one if no frame is whole."),
    (lambda p: not isinstance(p().feed(_A), list), "`feed` returns a list, an empty one if no frame is whole."),
    (lambda p: _fed(p, _A) == [b"Hello"] or _fed(p, _A) == [_A[6:]],
     "You return payloads. Return first byte, key and payload of each frame, as they stand."),
    (lambda p: _fed(p, _A) == [(0x81, _KEY, b"Hello")], "You unmask here. The endpoint does so itself, with `unmask`."),
    (lambda p: _fed(p, _A) == [], "The second byte holds MASK, too: the length is in its lower seven bits."),
    (lambda p: _fed(p, _A + _B)[:1] == [(0x81, _KEY, (_A + _B)[6:])], "You take a read for a frame."),
    (lambda p: _fed(p, _A + _B) == [_FOUND], "Two frames can come in one read: go on while one is whole."),
    (lambda p: _fed(p, _A[:9], _A[9:]) != [_FOUND], "Half a frame can come: keep the rest, and wait for more."),
    (lambda p: [one[2] for one in _fed(p, _long(200))] != [_long(200)[8:]],
     "126 is no length: two bytes of length follow."),
    (lambda p: _fed(p, _long(200)[:3], _long(200)[3:]) != _fed(p, _long(200)),
     "You read the length before all of it has come."),
    (lambda p: [one[2] for one in _fed(p, _long(66_000))] != [_long(66_000)[14:]],
     "127 is no length: eight bytes of length follow."),
    (lambda p: _fed(p, build_frame("Hello")) != [(0x81, b"", b"Hello")],
     "A frame without MASK has no key. Find it all the same: `fault` is to refuse it."),
]  # fmt: skip
REPLY: Foreseen = [
    (lambda f: f(9, b"ab") is None, "You leave a ping unanswered: the client takes you for dead."),
    (lambda f: isinstance(f(9, b"ab"), bytes), "You return a frame. Return its opcode and payload: `(10, payload)`."),
    (lambda f: f(9, b"ab")[0] == 9, "You answer a ping with a ping: then both go on for ever."),
    (lambda f: f(9, b"ab")[1] != b"ab", "Your pong lacks the ping's payload, by which the client knows it."),
    (lambda f: f(10, b"ab") is not None, "You answer a pong. A pong is an answer already."),
]  # fmt: skip
MESSAGE: Foreseen = [
    (lambda f: f(None, 0x81, b"Hey") is None or len(f(None, 0x81, b"Hey")) != 2,
     "Return two things: what has begun, and the message."),
    (lambda f: f(None, 0x81, b"Hey") == (None, b"Hey"), "A text message is a `str`: decode it when it is whole."),
    (lambda f: _raises(UnicodeDecodeError, f, None, 0x01, b"H\xc3"),
     "You decode each fragment: the cut may lie inside a letter. Decode the whole."),
    (lambda f: f(None, 0x01, b"He")[1] is not None, "You deliver a fragment: FIN 0 says that more is to come."),
    (lambda f: f((1, b"He"), 0x80, b"y")[1] == "y", "You forget what came before the last fragment."),
    (lambda f: f((1, b"He"), 0x80, b"y")[1] == b"Hey", "The last fragment's opcode is 0: the first one's says text."),
    (lambda f: isinstance(f((2, b"He"), 0x80, b"y")[1], str), "You make a text of bytes: opcode 2 began them."),
    (lambda f: f((1, b"He"), 0x80, b"y")[0] is not None, "When a message is whole, nothing has begun."),
]  # fmt: skip
CLOSE: Foreseen = [
    (lambda f: f(b"\x0b\xb9") is None, "Your function returns None: its last line needs `return`."),
    (lambda f: isinstance(f(b"\x0b\xb9"), int), "A code crosses as two bytes, not as a number."),
    (lambda f: f(b"\x0b\xb9")[:2] == b"\x03\xe8", "You always answer 1000: the code that came is to be echoed."),
    (lambda f: f(b"\x0b\xb9")[:2] != b"\x0b\xb9", "Your answer does not begin with the code that came."),
    (lambda f: f(b"") != b"", "A close frame without a code is answered with one without a code."),
]  # fmt: skip
FAIL: Foreseen = [
    (lambda f: f(0x81, True, b"Hey", None) is not None, "You find a fault in a text in which there is none."),
    (lambda f: f(0x88, True, b"", None) is not None, "You find a fault in an empty close frame: its code may lack."),
    (lambda f: f(0x89, True, b"", (1, b"x")) is not None, "A ping may come between fragments."),
    (lambda f: f(0x89, True, b"x" * 125, None) is not None, "A ping of 125 bytes is legal."),
    (lambda f: f(0x82, True, b"\xff", None) is not None, "Bytes need not be UTF-8: only text must."),
    (lambda f: f(0x01, True, b"H\xc3", None) is not None, "A fragment may end inside a letter: judge the whole text."),
    (lambda f: f(0x80, True, b"\xa9", (1, b"H\xc3")) is not None,
     "You judge the last fragment alone: the text is what has begun and this payload."),
    (lambda f: f(0xC1, True, b"", None) != 1002, "You let RSV1 pass: nobody agreed on an extension."),
    (lambda f: f(0x91, True, b"", None) != 1002, "You let RSV2 or RSV3 pass."),
    (lambda f: f(0x81, False, b"", None) != 1002, "You let a client's frame without a mask pass."),
    (lambda f: f(0x83, True, b"", None) != 1002 or f(0x8B, True, b"", None) != 1002, "You let unknown opcodes pass."),
    (lambda f: f(0x09, True, b"", None) != 1002, "You let a ping with FIN 0 pass: control frames are never cut."),
    (lambda f: f(0x89, True, b"x" * 126, None) != 1002, "You let a ping of 126 bytes pass."),
    (lambda f: f(0x80, True, b"", None) != 1002, "You let a CONTINUATION pass that continues nothing."),
    (lambda f: f(0x81, True, b"", (1, b"x")) != 1002, "You let a new text begin inside a message."),
    (lambda f: f(0x88, True, b"\x03", None) != 1002, "You let a close frame of one byte pass: a code has two."),
    (lambda f: f(0x88, True, b"\x03\xed", None) != 1002, "You let 1005 pass: it must never cross the wire."),
    (lambda f: f(0x88, True, b"\x0b\xb7", None) != 1002, "You let a code pass that is not in MAY_BE_SENT."),
    (lambda f: f(0x81, True, b"\xff", None) != 1007, "You let a text pass that is not UTF-8."),
    (lambda f: f(0x80, True, b"(", (1, b"H\xc3")) != 1007, "You let a text in fragments pass that is not UTF-8."),
    (lambda f: f(0x88, True, b"\x03\xe8\xff", None) != 1007, "You let a close reason pass that is not UTF-8."),
]  # fmt: skip
