"""Captures to examine: seeded conversations, in each of which somebody may break one rule of the protocol.

Theory. A capture is bytes with their sender and time, and nothing else: what was drawn is forgotten, so that who
examines it, and who judges that, has only the bytes. Both ends behave well but for that one breach, and the peer reacts
as the RFC says. From the second level on, much stands in a capture that looks odd and is allowed. On the third a proxy
stands between both ends, and the capture was made on both of its sides: connection 0 is the client's, 1 the server's.
"""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...protocol import accept_key, build_close, build_frame
from ...protocol.words import BINARY, CONTINUATION, PING, PONG, TEXT
from ...recording.files.imported import FileEvent, play
from ...recording.trace import Trace

CLIENT, SERVER = Sender
WORDS = ("hello", "good morning", "are you there?", "the bus is late", "price 42", "next page, please", "thank you")
WIDE = ("şğü", "žluť", "café", "日本", "été", "👋")
DEFLATE = "permessage-deflate"
BEGAN = 1_800_000_000.0  # when each capture began, in seconds since 1970
LEVELS = (1, 2, 3)


@dataclass
class DrawnCapture:
    """A conversation that is being drawn.

    Args:
        random: where chance comes from.
        level: 1, 2 or 3.
    """

    random: random.Random
    level: int = 1
    events: list[FileEvent] = field(default_factory=list)
    time: float = 0.0

    @property
    def wires(self) -> Sequence[int]:
        """The connections that were captured, the client's first."""
        return (0, 1) if self.level == 3 else (0,)

    def put(self, sender: Sender, what: bytes | Kind, instead: Mapping[int, bytes] | None = None) -> None:
        """Have ``sender`` send something; ``instead`` is what other bytes stand on a connection, by its number."""
        for wire in self.wires if sender is CLIENT else reversed(self.wires):
            self.time += self.random.randint(1_000, 40_000) / 1e6
            told = (instead or {}).get(wire, what)
            self.events.append(FileEvent(len(self.events), self.time, wire, sender, sender, told))

    def frame(self, sender: Sender, payload: bytes | str = b"", opcode: int = TEXT, **bits: bool | int | None) -> None:
        """Have ``sender`` send a frame, masked as it must be unless ``bits``, which ``build_frame`` takes, say else."""
        key = self.random.randbytes(4) if sender is CLIENT else None
        self.put(sender, build_frame(payload, opcode=opcode, **{"mask": key, **bits}))  # type: ignore[arg-type]

    def close(self, sender: Sender, code: int, reason: str = "") -> None:
        """Have ``sender`` send a close frame."""
        key = self.random.randbytes(4) if sender is CLIENT else None
        self.put(sender, build_close(code, reason, mask=key))

    def end(self, first: Sender) -> None:
        """Both streams end, that of ``first`` first."""
        self.put(first, Kind.FIN)
        self.put(first.peer, Kind.FIN)

    def goodbye(self, first: Sender, code: int = 1000, reason: str = "") -> None:
        """``first`` closes, the peer answers with the same code, and the server ends the TCP connection."""
        self.close(first, code, reason)
        self.close(first.peer, code)
        self.end(SERVER)

    def refuse(self, sender: Sender, code: int = 1002) -> None:
        """What comes of a breach: something that was on its way, and then the peer of ``sender`` closes."""
        for _ in range(self.random.randint(0, self.level - 1)):
            self.frame(sender.peer, self.word())
        self.goodbye(sender.peer, code)

    def someone(self) -> Sender:
        """One of both ends, by chance."""
        return self.random.choice(list(Sender))

    def word(self) -> str:
        """Something to say."""
        return self.random.choice(WORDS + WIDE)

    def opening(self, extension: str = "", *, offered: bool | None = None) -> None:
        """Request and acceptance.

        Args:
            extension: which one the server agrees to.
            offered: whether the client offers permessage-deflate; by chance if None.
        """
        request, response = self.heads(extension, offered)
        self.put(CLIENT, request)
        self.put(SERVER, response)

    def heads(self, extension: str = "", offered: bool | None = None, *, stale: bool = False) -> tuple[bytes, bytes]:
        """A request, and the response that accepts it, or another one if ``stale``."""
        key, other = (base64.b64encode(self.random.randbytes(16)).decode() for _ in range(2))
        offers = bool(extension) or (self.random.random() < 0.5 if offered is None else offered)
        request = [
            f"GET /{self.random.choice(('chat', 'news', 'prices'))} HTTP/1.1", "Host: server.example",
            "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        ]  # fmt: skip
        response = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(other if stale else key)}",
        ]  # fmt: skip
        request += [f"Sec-WebSocket-Extensions: {DEFLATE}"] * offers
        response += [f"Sec-WebSocket-Extensions: {extension}"] * bool(extension)
        return head(request), head(response)

    def chat(self, most: int = 2) -> None:
        """Up to so many messages, and from the second level on what looks odd and is allowed."""
        for _ in range(self.random.randint(1, most)):
            self.frame(self.someone(), self.word())
        for odd in self.random.sample(ODDITIES, (0, 3, 1)[self.level - 1]):  # on the third level all is there twice
            odd(self)


def head(lines: Sequence[str]) -> bytes:
    """A request or a response."""
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def deflated(text: str) -> bytes:
    """The payload of a compressed message (RFC 7692 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


# What looks odd and is allowed.


def _pong_unasked(talk: DrawnCapture) -> None:
    # RFC 6455 5.5.3: "A Pong frame MAY be sent unsolicited."
    talk.frame(talk.someone(), b"", PONG)


def _pinged(talk: DrawnCapture) -> None:
    sender, payload = talk.someone(), talk.random.randbytes(4)
    talk.frame(sender, payload, PING)
    talk.frame(sender.peer, payload, PONG)


def _cut_letter(talk: DrawnCapture) -> None:
    # RFC 6455 5.6: "a particular text frame might include a partial UTF-8 sequence"
    sender, text = talk.someone(), talk.random.choice(WIDE).encode()
    talk.frame(sender, text[:1], fin=False)
    _pinged(talk)
    talk.frame(sender, text[1:], CONTINUATION)


def _nothing_said(talk: DrawnCapture) -> None:
    talk.frame(talk.someone())


def _key_of_zeros(talk: DrawnCapture) -> None:
    talk.put(CLIENT, build_frame(talk.word(), mask=bytes(4)))


def _needs_16_bits(talk: DrawnCapture) -> None:
    talk.frame(talk.someone(), "news " * 30)


def _looks_like_http(talk: DrawnCapture) -> None:
    talk.frame(talk.someone(), "GET / HTTP/1.1\r\n\r\n")


def _looks_like_a_close(talk: DrawnCapture) -> None:
    talk.frame(talk.someone(), b"\x03\xed", BINARY)  # 1005, in a frame that closes nothing


def _looks_like_an_opcode(talk: DrawnCapture) -> None:
    talk.frame(SERVER, f'0{{"sid":"{talk.random.randbytes(4).hex()}"}}')


ODDITIES: Sequence[Callable[[DrawnCapture], None]] = (
    _pong_unasked, _pinged, _cut_letter, _nothing_said, _key_of_zeros, _needs_16_bits, _looks_like_http,
    _looks_like_a_close, _looks_like_an_opcode,
)  # fmt: skip


# What may happen. Each is a whole conversation.


def _clean(talk: DrawnCapture) -> None:
    talk.opening()
    talk.chat(4)
    code, reason = talk.random.choice([(1000, ""), (1001, ""), (1011, "out of memory"), (4001, "şimdi değil")])
    talk.goodbye(talk.someone(), code, reason)


def _refused(talk: DrawnCapture) -> None:
    request, _ = talk.heads()
    talk.put(CLIENT, request)
    status = talk.random.choice(("403 Forbidden", "404 Not Found", "503 Service Unavailable"))
    talk.put(SERVER, head([f"HTTP/1.1 {status}", "Connection: close", "Content-Length: 0"]))
    talk.end(SERVER)


def _client_unmasked(talk: DrawnCapture) -> None:
    talk.opening()
    talk.chat()
    talk.frame(CLIENT, talk.word(), mask=None)
    talk.refuse(CLIENT)


def _server_masked(talk: DrawnCapture) -> None:
    talk.opening()
    talk.chat()
    talk.frame(SERVER, talk.word(), mask=talk.random.randbytes(4))  # type: ignore[arg-type]
    talk.refuse(SERVER)


def _wrong_accept(talk: DrawnCapture) -> None:
    request, response = talk.heads(stale=True)
    talk.put(CLIENT, request)
    talk.put(SERVER, response)
    talk.end(CLIENT)


def _stale_accept(talk: DrawnCapture) -> None:
    """The proxy answers from its cache, and the server's own answer gets no further."""
    request, old = talk.heads(stale=True)
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
    wrong = old.partition(b"Sec-WebSocket-Accept: ")[2].partition(b"\r\n")[0]
    talk.put(CLIENT, request)
    talk.put(SERVER, old.replace(wrong, accept_key(key).encode()), {0: old})
    talk.end(CLIENT)


def _stripped_upgrade(talk: DrawnCapture) -> None:
    request, _ = talk.heads()
    talk.put(CLIENT, request, {1: request.replace(b"Upgrade: websocket\r\n", b"")})
    refusal = ["HTTP/1.1 426 Upgrade Required", "Upgrade: websocket", "Connection: close", "Content-Length: 0"]
    talk.put(SERVER, head(refusal))
    talk.end(SERVER)


def _code_never_sent(talk: DrawnCapture) -> None:
    sender = talk.someone()
    talk.opening()
    talk.chat()
    talk.close(sender, talk.random.choice((1005, 1006, 1015)))
    talk.close(sender.peer, 1002)
    talk.end(SERVER)


def _half_a_letter(talk: DrawnCapture) -> None:
    sender, text = talk.someone(), (talk.word() + talk.random.choice(WIDE)).encode()
    talk.opening()
    talk.chat()
    talk.frame(sender, text[:-1])
    talk.refuse(sender, 1007)


def _compressed(talk: DrawnCapture, agreed: bool) -> None:
    sender = talk.someone()
    talk.opening(DEFLATE if agreed else "", offered=agreed or talk.level > 1 or None)
    talk.chat()
    talk.frame(sender, deflated(talk.word()), rsv1=True)
    if agreed:
        talk.goodbye(talk.someone())
    else:
        talk.refuse(sender)


def _rsv1_not_agreed(talk: DrawnCapture) -> None:
    _compressed(talk, agreed=False)


def _rsv1_agreed(talk: DrawnCapture) -> None:
    _compressed(talk, agreed=True)


def _long_form(talk: DrawnCapture) -> None:
    talk.opening()
    talk.chat()
    talk.frame(talk.someone(), talk.word(), length_form=talk.random.choice((16, 64)) if talk.level == 3 else 16)
    talk.chat()
    talk.goodbye(talk.someone())


def _keepalive(talk: DrawnCapture, answered: bool) -> None:
    sender, payload = talk.someone(), talk.random.randbytes(4)
    talk.opening()
    talk.chat()
    talk.frame(sender, payload, PING)
    talk.frame(sender.peer, talk.word())
    if answered:
        talk.frame(sender.peer, payload, PONG)
    talk.time += 20.0  # as long as many libraries wait
    talk.goodbye(sender, 1011, "keepalive ping timeout")


def _ping_not_answered(talk: DrawnCapture) -> None:
    _keepalive(talk, answered=False)


def _ping_answered(talk: DrawnCapture) -> None:
    _keepalive(talk, answered=True)


def _message_inside_message(talk: DrawnCapture) -> None:
    sender = talk.someone()
    talk.opening()
    talk.chat()
    talk.frame(sender, talk.word(), fin=False)
    talk.frame(sender, talk.word())
    talk.refuse(sender)


def _data_after_close(talk: DrawnCapture) -> None:
    sender = talk.someone()
    talk.opening()
    talk.chat()
    talk.close(sender, 1000)
    talk.frame(sender, talk.word())
    talk.close(sender.peer, 1000)
    talk.end(SERVER)


def _ping_too_long(talk: DrawnCapture) -> None:
    sender = talk.someone()
    talk.opening()
    talk.chat()
    talk.frame(sender, bytes(talk.random.randint(130, 200)), PING)
    talk.refuse(sender)


HAPPENINGS: Mapping[str, tuple[int, Callable[[DrawnCapture], None]]] = {
    "nobody errs": (1, _clean),
    "a client does not mask": (1, _client_unmasked),
    "a wrong Accept": (1, _wrong_accept),
    "a code that is never sent": (1, _code_never_sent),
    "half a letter": (1, _half_a_letter),
    "RSV1, not agreed": (1, _rsv1_not_agreed),
    "a long form of the length": (1, _long_form),
    "a request that is refused": (2, _refused),
    "RSV1, agreed": (2, _rsv1_agreed),
    "a ping that is not answered": (2, _ping_not_answered),
    "a ping that is answered too late for its sender": (2, _ping_answered),
    "an Upgrade that a proxy strips": (3, _stripped_upgrade),
    "an Accept from a proxy's cache": (3, _stale_accept),
    "a server masks": (3, _server_masked),
    "a message inside a message": (3, _message_inside_message),
    "data after a close frame": (3, _data_after_close),
    "a ping that is too long": (3, _ping_too_long),
}
"""What may happen in a capture, and from which level on. On one level each is as likely as another."""


def drawn(seed: object, level: int = 1, happening: str | None = None) -> list[FileEvent]:
    """What crosses in a capture: bytes and ends of streams, with their sender, connection and time.

    Args:
        seed: what makes it differ from others.
        level: 1, 2 or 3.
        happening: what happens in it, one of ``HAPPENINGS``; by chance if None.

    Raises:
        ValueError: there is no such level.
        KeyError: there is no such happening.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r}: the levels are 1, 2 and 3")
    chance = random.Random(f"capture {level} {seed}")
    talk = DrawnCapture(chance, level)
    name = happening or chance.choice([name for name, (least, _) in HAPPENINGS.items() if least <= level])
    _, happen = HAPPENINGS[name]
    happen(talk)
    return talk.events


def capture(seed: object, level: int = 1, happening: str | None = None) -> Trace:
    """A capture, as a recording. Arguments and errors as for ``drawn``."""
    return played(drawn(seed, level, happening))


def played(events: list[FileEvent]) -> Trace:
    """A recording of what happened, as an imported file's."""
    ends = {(event.wire, end) for event in events for end in Sender}
    return play(Trace, events, ends, {}, source="capture", began=BEGAN)
