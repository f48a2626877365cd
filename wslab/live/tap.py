"""How every byte of a connection is noted, and how a seed fixes its keys.

Theory. ``websockets`` asks ``create_connection=`` for the object that manages a connection, and that object is also
asyncio's protocol for it. A subclass of the class that it would have used notes what its transport delivers, and hands
its base class a transport that notes what is written. Nothing else of the library is touched.

A ``websockets`` client writes its request first and then exactly one frame per write. So a seed puts its frames under
another masking key on the way to the transport: XOR with ``k1 ^ k2`` turns a payload masked with k1 into one with k2.
Predictable masking keys defeat what masking is for (RFC 6455 10.3).
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import random
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from websockets.asyncio.connection import Connection
from websockets.protocol import CONNECTING, OPEN

from ..anatomy.field import Sender
from ..protocol.header import read_header
from . import secret
from .reset import reset

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without compiled extensions, such as Pyodide
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from ..recording.trace import Tap, Trace

SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the Sec-WebSocket-Key of RFC 6455 1.3
SAMPLE_MASK = bytes.fromhex("37fa213d")  # the masking key of RFC 6455 5.7
# What a seeded server says the date is: the month in which RFC 6455 appeared.
STEADY_DATE = b"Thu, 01 Dec 2011 00:00:00 GMT"

DATE = re.compile(rb"(?<=\r\nDate: )[^\r\n]*")

Factory = Callable[..., Any]
Seed = int | str | bytes | None


@dataclass(slots=True, repr=False, eq=False)
class Keys:
    """What is fixed about one connection; what is None is left to the library."""

    key: str | None = None  # the Sec-WebSocket-Key
    masks: Iterator[bytes] | None = None  # a masking key for each frame that a client sends
    pings: Callable[[], bytes] | None = None  # the payload of a ping that was given none, else four random bytes
    steady: bool = False  # whether a server's Date is ``STEADY_DATE``


def keys(seed: Seed, end: Sender, number: int) -> Keys:
    """What ``seed`` fixes for that end's connection of that number; the seed ``"rfc"`` gives the RFC's own examples."""
    if seed is None:
        return Keys()
    # "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy"
    # (RFC 6455 5.3). A seed breaks that on purpose, so that a lesson prints the same bytes in every run.
    # A Random seeded with a str depends on its characters alone, not on PYTHONHASHSEED.
    draw = random.Random(f"{seed!r} {end.label} {number}")
    pings = random.Random(f"{seed!r} {end.label} {number} pings")
    return Keys(
        key=SAMPLE_KEY if seed == "rfc" else base64.b64encode(draw.randbytes(16)).decode(),
        masks=repeat(SAMPLE_MASK) if seed == "rfc" else iter(lambda: draw.randbytes(4), b""),
        pings=lambda: pings.randbytes(4),
        steady=True,
    )


def with_masks(masks: Iterable[bytes], then: Iterator[bytes] | None) -> Iterator[bytes]:
    """Those masking keys, each checked to be four bytes, and after the last one ``then`` or none."""
    for mask in (given := [bytes(mask) for mask in masks]):
        if len(mask) != 4:
            raise ValueError(f"masks=: a masking key is 4 bytes (RFC 6455 5.2), not {len(mask)}: {mask.hex(' ')!r}")
    return chain(given, then or ())


def rekey(frame: bytes, mask: bytes) -> bytes:
    """The same masked frame under the masking key ``mask``. What is not exactly one comes back as it is."""
    header = read_header(frame)
    start, key = header.header_length, header.masking_key
    if key is None or len(frame) != start + header.payload_length:
        return frame
    change = bytes(old ^ new for old, new in zip(key, mask, strict=True))
    return header._replace(masking_key=mask).encode() + apply_mask(frame[start:], change)


def _rewriter(end: Sender, fixed: Keys) -> Callable[[bytes], bytes] | None:
    """What happens to each write before it is noted: an end's first is its head, and every later one a frame."""
    masks: Iterator[bytes | None] = fixed.masks or repeat(None)
    writes = count()

    def with_steady_date(data: bytes) -> bytes:
        return data if next(writes) else DATE.sub(STEADY_DATE, data, count=1)

    def with_next_mask(data: bytes) -> bytes:
        mask = next(masks, None) if next(writes) else None
        return data if mask is None else rekey(data, mask)

    if end is Sender.SERVER:
        return with_steady_date if fixed.steady else None
    return None if fixed.masks is None else with_next_mask


class TappedTransport:
    """A transport that notes what is written before it goes on; all else is the transport's own."""

    def __init__(
        self, transport: asyncio.Transport, tap: Tap, rewrite: Callable[[bytes], bytes] | None = None, gives: str = "",
        noted: Callable[[bytes], bytes] = bytes,
    ) -> None:  # fmt: skip
        self._transport, self.tap = transport, tap
        self.fin_sent = self.lost = False
        closing = self.is_closing = transport.is_closing  # bound here because it is asked at every send
        write, sent = secret.giving(gives, transport.write), tap.sent

        def note_and_write(data: bytes) -> None:
            if not closing():  # asyncio would drop it, and complain on standard error
                sent(noted(data))
                write(data)

        self.write_as_it_is = note_and_write  # what somebody wrote by hand is not put under another key
        self.write = note_and_write if rewrite is None else lambda data: note_and_write(rewrite(data))

    def writelines(self, chunks: Iterable[bytes]) -> None:
        self.write(b"".join(chunks))

    def write_eof(self) -> None:
        self.note_fin()
        self._transport.write_eof()

    def note_fin(self) -> None:
        """Note the end of this end's stream, once."""
        if not self.fin_sent:
            self.fin_sent = True
            self.tap.fin_sent()

    def note_lost(self, exc: Exception | None) -> None:
        """Note how the connection ended, as far as its end of stream was not noted before."""
        self.lost = True
        if isinstance(exc, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
            self.tap.reset_received()
        elif exc is None:
            self.note_fin()

    def abort(self) -> None:
        if not self.lost:  # else a transport of asyncio's raises AttributeError, in Python 3.11
            self._transport.abort()

    def reset(self) -> None:
        """Note RST and send it, at once."""
        self.tap.reset_sent()
        self.fin_sent = True  # none follows
        if self._transport.get_extra_info("socket") is None:  # it is one in memory
            cast(Any, self._transport).reset()
        else:
            reset(self._transport)

    @property
    def open(self) -> bool:
        """Whether bytes can be sent: this end has not ended its stream, and the connection is there."""
        return not (self.is_closing() or self.fin_sent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def wire_key(transport: asyncio.BaseTransport) -> Hashable:
    """What both ends of a connection have in common: the two addresses, whichever way round."""
    if (link := transport.get_extra_info("wslab.link")) is not None:
        return cast(Hashable, link)
    ends = [transport.get_extra_info(name) for name in ("sockname", "peername")]
    if all(isinstance(address, tuple) for address in ends):
        return frozenset(address[:2] for address in ends)
    return object()  # a Unix socket's client has no address


class Joint(NamedTuple):
    """What a tapped connection needs to know of its lab; it stands in ``register`` until it is lost."""

    trace: Trace
    end: Sender
    fixed: Keys
    register: dict[Any, None]
    gives: str = ""  # the secret of the server to which a client connects
    taker: secret.Taker | None = None  # of a connection to a server with a secret


class Tapped(Connection):
    """The noting half of a connection, to be joined to a class of ``websockets``."""

    wslab: Joint
    wslab_tap: Tap
    wslab_wire: TappedTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the trace, and put the noting transport in front of ``transport``."""
        trace, end, fixed, register, gives, taker = self.wslab
        tap = self.wslab_tap = trace.join(end, wire_key(transport))
        self._noted = tap.received
        self.wslab_wire = TappedTransport(
            cast(asyncio.Transport, transport), tap, _rewriter(end, fixed), gives, self._covered
        )
        register[self] = None
        if (ciphertext := getattr(transport.get_extra_info("ssl_object"), "ciphertext", None)) is not None:
            ciphertext.connection, ciphertext.taker = tap.connection, taker
        super().connection_made(cast(asyncio.Transport, self.wslab_wire))

    def data_received(self, data: bytes) -> None:
        taker = self.wslab.taker
        if taker is not None and self.protocol.state is CONNECTING and not (data := taker.take(data, self.wslab_tap)):
            return
        self._noted(self._covered(data))
        super().data_received(data)

    def eof_received(self) -> None:
        self._note_rest()
        self.wslab_tap.fin_received()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended, and what this end's program will be told (RFC 6455 7.1.5)."""
        self._note_rest()
        opened = self.response is not None and self.response.status_code == 101
        self.wslab_wire.note_lost(exc)
        super().connection_lost(exc)
        self.wslab_tap.closed(*((self.close_code, self.close_reason or "") if opened else ()))
        self.wslab.register.pop(self, None)

    def _note_rest(self) -> None:
        if self.wslab.taker is not None and (rest := self.wslab.taker.rest()):
            self._noted(rest)

    def _covered(self, data: bytes) -> bytes:
        """What is noted of ``data``: no secret, such as one in a redirection, until the connection is open."""
        if self.protocol.state is not CONNECTING:
            return data
        return secret.covered(data, self.wslab.gives if self.wslab.taker is None else self.wslab.taker.own)

    async def ping(self, data: Any = None) -> Any:
        if data is None and self.wslab.fixed.pings is not None:
            data = self.wslab.fixed.pings()
        return await super().ping(data)


_subclasses: dict[type, Factory] = {}


def _tapped(cls: type) -> Factory:
    """A subclass of ``cls`` under the same name whose connections note everything."""
    if cls not in _subclasses:
        _subclasses[cls] = type(cls.__name__, (Tapped, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})
    return _subclasses[cls]


def tapping(factory: Factory, joint: Callable[[Any], Joint]) -> Factory:
    """What to give ``websockets`` as ``create_connection=`` instead of ``factory``, a class or a function.

    ``joint`` is called for each connection, with what ``websockets`` calls its protocol.
    """

    def create(protocol: Any, *args: Any, **kwargs: Any) -> Any:
        connection = (_tapped(factory) if inspect.isclass(factory) else factory)(protocol, *args, **kwargs)
        if not isinstance(connection, Tapped):
            connection.__class__ = _tapped(type(connection))
        connection.wslab = joint(protocol)
        if connection.wslab.fixed.key is not None and hasattr(protocol, "key"):
            protocol.key = connection.wslab.fixed.key
        return connection

    return create


def is_open(connection: Connection) -> bool:
    """Whether its opening handshake is done and its closing handshake has not begun."""
    return connection.protocol.state is OPEN
