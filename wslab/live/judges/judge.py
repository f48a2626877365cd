"""What ``websockets`` and what ``wsproto`` make of some bytes: two endpoints that nobody here wrote, side by side.

Both are asked without any network. ``websockets``' sans-I/O protocol is the one its servers
and clients run on; the one thing that those add, decoding a text message, is done here in
the same way. Neither is asked about what only an application decides: Host, Origin, paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import wsproto
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHeaderFormat
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN
from websockets.protocol import Protocol as WebSocketsProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import events
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.extensions import Extension
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.utilities import RemoteProtocolError

from ...anatomy.html import wrapped
from ...anatomy.view import cut_bytes, cut_text
from ...drawing.table import Column, table_html, table_text
from ...drawing.visible import count, decode, shows
from ..tap import SAMPLE_KEY

SAMPLE_URI = "ws://server.example.com/chat"
"""Where the judged response's request went: the RFC's own example (RFC 6455 1.2)."""
NAME = "permessage-deflate"
INVALID_DATA = 1007
BLANK = b"\r\n\r\n"


@dataclass(frozen=True)
class Verdict:
    """What one library made of the bytes."""

    judge: str
    """``websockets`` or ``wsproto``."""
    accepted: bool
    """Whether it found no fault. Bytes that are not enough yet are no fault."""
    events: tuple[str, ...] = ()
    """What it accepted before it found a fault, in words."""
    code: int | None = None
    """The status code with which it fails the connection, or that it accepted in a close frame."""
    reason: str | None = None
    """Its own words for the fault, or the accepted close frame's reason."""
    status: int | None = None
    """The HTTP status with which it answers a request, or the one that it read in a response."""

    @property
    def sentence(self) -> str:
        """The verdict in a few words."""
        if self.accepted:
            return "accepted" if self.events else "waits for more bytes"
        if self.code is not None:
            return f"fails the connection with {self.code}"
        return "refuses" if self.status is None else f"refuses: {self.status}"

    def __str__(self) -> str:
        return "\n".join([f"{self.judge}: {self.sentence}", *(f"  {event}" for event in self._lines())])

    __repr__ = __str__

    def _lines(self) -> Iterable[str]:
        yield from self.events
        if not self.accepted and self.reason:
            yield f"because: {self.reason}"


@dataclass(frozen=True)
class Judgement:
    """Two verdicts on the same bytes."""

    data: bytes
    as_client: bool
    websockets: Verdict
    wsproto: Verdict

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """Both."""
        return self.websockets, self.wsproto

    @property
    def agree(self) -> bool:
        """Whether both accept or both refuse."""
        return self.websockets.accepted == self.wsproto.accepted

    @property
    def _caption(self) -> str:
        sender = "client" if self.as_client else "server"
        answers = {(verdict.accepted, verdict.code, verdict.status) for verdict in self.verdicts}
        said = "the judges agree" if self.agree else "the judges disagree"
        if self.agree and len(answers) > 1:
            said = (
                "both judges accept, in different ways"
                if self.websockets.accepted
                else "both refuse, in different ways"
            )
        return f"{count(len(self.data), 'byte')} from a {sender}: {said}"

    @property
    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [("verdict", *(verdict.sentence for verdict in self.verdicts))]
        if any(verdict.status for verdict in self.verdicts):
            rows.append(("HTTP status", *(str(verdict.status or "none") for verdict in self.verdicts)))
        for index in range(max(len(verdict.events) for verdict in self.verdicts)):
            cells = (verdict.events[index] if index < len(verdict.events) else "" for verdict in self.verdicts)
            rows.append((f"event {index + 1}", *cells))
        if not all(verdict.accepted for verdict in self.verdicts):
            faults = ((verdict.reason or "") if not verdict.accepted else "" for verdict in self.verdicts)
            rows.append(("because", *faults))
        return [(name, left, right) for name, left, right in rows]

    def __str__(self) -> str:
        return table_text(COLUMNS, self._rows, caption=self._caption)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return wrapped(table_html(COLUMNS, self._rows, caption=self._caption, row_heading=0))


COLUMNS = (Column(""), Column("websockets", wraps=True), Column("wsproto", wraps=True))


def judge(
    data: bytes | bytearray | memoryview,
    as_client: bool = True,
    extensions: str | None = None,
    *,
    handshake: bool | None = None,
    key: str = SAMPLE_KEY,
) -> Judgement:
    """What ``websockets`` and ``wsproto`` make of ``data``.

    Args:
        data: what one endpoint sent. Where it begins with an HTTP head, that opening handshake is judged and then the
            frames behind it; otherwise it is frames on an open connection.
        as_client: whether a client sent it, so that servers judge it; otherwise clients do.
        extensions: the Sec-WebSocket-Extensions that were agreed, for instance ``"permessage-deflate"`` or
            ``"permessage-deflate; client_no_context_takeover"``. With a handshake: that the judge offers or accepts
            permessage-deflate.
        handshake: whether ``data`` begins with a head; None looks.
        key: the Sec-WebSocket-Key that a judged response has to answer.

    Returns:
        Both verdicts. It prints as a table.

    Raises:
        ValueError: ``extensions`` is not ``permessage-deflate`` with parameters of RFC 7692 7.1.

    It does not check what only an application decides: Host, Origin, the request target.
    """
    data = bytes(data)
    agreed = None if extensions is None else _parameters(extensions)
    if handshake is None:
        handshake = _begins_with_head(data, as_client)
    judges: tuple[Callable[..., Verdict], ...] = (_websockets_handshake, _wsproto_handshake)
    if not handshake:
        judges = (_websockets_frames, _wsproto_frames)
    return Judgement(data, as_client, *(one(data, as_client, agreed, key) for one in judges))


def _begins_with_head(data: bytes, as_client: bool) -> bool:
    line = data[:8192].partition(b"\n")[0]
    return b" HTTP/" in line if as_client else line.startswith(b"HTTP/")


Parameters = dict[str, int | bool]


def _parameters(extensions: str) -> Parameters:
    """The parameters of an agreed permessage-deflate (RFC 7692 7.1)."""
    try:
        parsed = parse_extension(extensions)
        names = [name for name, _ in parsed]
        if names != [NAME]:
            raise ValueError
        parameters: Parameters = {}
        for name, value in parsed[0][1]:
            if name in ("client_no_context_takeover", "server_no_context_takeover") and value is None:
                parameters[name] = True
            elif name in ("client_max_window_bits", "server_max_window_bits") and 8 <= int(value or "15") <= 15:
                parameters[name] = int(value or "15")
            else:
                raise ValueError
    except (InvalidHeaderFormat, ValueError):
        raise ValueError(
            f"extensions={extensions!r}: the judges know 'permessage-deflate', with client_no_context_takeover, "
            "server_no_context_takeover, client_max_window_bits=8 to 15, server_max_window_bits=8 to 15"
        ) from None
    return parameters


class _Messages:
    """Puts what a judge delivers in pieces together, in words."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._pieces: list[Any] = []
        self._text = False

    def piece(self, data: Any, *, text: bool, first: bool, last: bool) -> None:
        if first:
            self._pieces, self._text = [], text
        self._pieces.append(data)
        if last:
            self.words.append(self._said())
            self._pieces = []

    def _said(self) -> str:
        if self._text:
            text = "".join(self._pieces)
            return f"text message {cut_text(text, len(text.encode()))}"
        return f"binary message {cut_bytes(b''.join(map(bytes, self._pieces)))}".rstrip()

    def ended(self) -> tuple[str, ...]:
        if self._pieces:
            self.words.append(f"{self._said()}, not finished")
        return tuple(self.words)


def _control(name: str, payload: bytes) -> str:
    if not payload:
        return name
    return f"{name} {cut_text(decode(payload), len(payload)) if shows(decode(payload)) else cut_bytes(payload)}"


def _closed(code: int, reason: str | None) -> str:
    said = f" {cut_text(reason, len(reason.encode()))}" if reason else ""
    return f"close without a status code{said}" if code == 1005 else f"close {code}{said}"


# websockets


def _websockets_deflate(agreed: Parameters, *, as_client: bool) -> PerMessageDeflate:
    """``as_client``: the judged end is the client, so the judge is the server."""
    remote, local = ("client", "server") if as_client else ("server", "client")
    return PerMessageDeflate(
        remote_no_context_takeover=bool(agreed.get(f"{remote}_no_context_takeover")),
        local_no_context_takeover=bool(agreed.get(f"{local}_no_context_takeover")),
        remote_max_window_bits=int(agreed.get(f"{remote}_max_window_bits", 15)),
        local_max_window_bits=int(agreed.get(f"{local}_max_window_bits", 15)),
    )


def _websockets_frames(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    protocol: WebSocketsProtocol
    protocol = ServerProtocol(state=OPEN) if as_client else ClientProtocol(parse_uri(SAMPLE_URI), state=OPEN)
    if agreed is not None:
        protocol.extensions = [_websockets_deflate(agreed, as_client=as_client)]
    return _websockets_reads(protocol, data)


def _websockets_reads(protocol: WebSocketsProtocol, data: bytes, *before: str, status: int | None = None) -> Verdict:
    """Feed frames to an open protocol and tell what came of it."""
    protocol.receive_data(data)
    messages = _Messages()
    messages.words += before
    text: list[bytes] | None = None  # the frames of a text message that is not finished
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            messages.words.append(_control(frame.opcode.name.lower(), bytes(frame.data)))
        elif frame.opcode is Opcode.CLOSE:
            closed = protocol.close_rcvd
            assert closed is not None
            messages.words.append(_closed(closed.code, closed.reason))
            return Verdict("websockets", True, messages.ended(), closed.code, closed.reason, status)
        else:
            first = frame.opcode is not Opcode.CONT
            if first:
                text = [] if frame.opcode is Opcode.TEXT else None
            if text is None:
                messages.piece(frame.data, text=False, first=first, last=frame.fin)
                continue
            # websockets decodes a text message when a program receives it, and fails the connection where it cannot.
            text.append(bytes(frame.data))
            if frame.fin:
                try:
                    decoded = b"".join(text).decode()
                except UnicodeDecodeError as error:
                    reason = f"{error.reason} at position {error.start}"
                    return Verdict("websockets", False, messages.ended(), INVALID_DATA, reason, status)
                messages.piece(decoded, text=True, first=True, last=True)
                text = None
    failed = protocol.close_sent
    if protocol.parser_exc is not None:
        code = failed.code if failed is not None else None
        return Verdict("websockets", False, messages.ended(), code, str(protocol.parser_exc), status)
    if text:
        messages.piece(b"".join(text).decode(errors="replace"), text=True, first=True, last=False)
    return Verdict("websockets", True, messages.ended(), status=status)


def _websockets_handshake(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    return (_websockets_request if as_client else _websockets_response)(data, agreed, key)


def _websockets_request(data: bytes, agreed: Parameters | None, key: str) -> Verdict:
    protocol = ServerProtocol(extensions=None if agreed is None else [ServerPerMessageDeflateFactory()])
    head, blank, rest = data.partition(BLANK)
    protocol.receive_data(head + blank)
    requests = protocol.events_received()
    if not requests:
        return _websockets_unread(protocol)
    request = requests[0]
    assert isinstance(request, Request)
    response = protocol.accept(request)
    protocol.send_response(response)
    if response.status_code != 101:
        return Verdict("websockets", False, reason=str(protocol.handshake_exc), status=response.status_code)
    return _websockets_reads(protocol, rest, f"request for {cut_text(request.path, len(request.path))}", status=101)


def _websockets_response(data: bytes, agreed: Parameters | None, key: str) -> Verdict:
    offered = None if agreed is None else [ClientPerMessageDeflateFactory()]
    protocol = ClientProtocol(parse_uri(SAMPLE_URI), extensions=offered)
    protocol.key = key
    protocol.send_request(protocol.connect())
    head, blank, rest = data.partition(BLANK)
    protocol.receive_data(head + blank)
    if protocol.state is CONNECTING and protocol.handshake_exc is None:
        protocol.receive_data(rest)  # a response that is no 101 has a body
        rest = b""
    responses = protocol.events_received()
    if not responses:
        return _websockets_unread(protocol)
    response = responses[0]
    assert isinstance(response, Response)
    status = response.status_code
    if protocol.handshake_exc is not None:
        return Verdict("websockets", False, reason=str(protocol.handshake_exc), status=status)
    return _websockets_reads(protocol, rest, f"response {status}", status=status)


def _websockets_unread(protocol: ServerProtocol | ClientProtocol) -> Verdict:
    """No head came out: it is not complete, or it is none."""
    error = protocol.handshake_exc
    if error is None:
        return Verdict("websockets", True)
    cause = error.__cause__ or error
    status = None
    for written in protocol.data_to_send():  # a head that is too long is answered with a status
        if written.startswith(b"HTTP/1.1 "):
            status = int(written.split()[1])
    return Verdict("websockets", False, reason=str(cause), status=status)


# wsproto


def _wsproto_deflate(agreed: Parameters) -> WsprotoDeflate:
    extension = WsprotoDeflate(**agreed)  # type: ignore[arg-type]
    extension.finalize(NAME)  # what a client's end does when a server has agreed
    return extension


def _wsproto_frames(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    try:
        extensions: list[Extension] = [] if agreed is None else [_wsproto_deflate(agreed)]
    except ValueError as error:  # RFC 7692 7.1.2 allows 8 window bits, wsproto does not
        return Verdict("wsproto", False, reason=str(error))
    connection = Connection(ConnectionType.SERVER if as_client else ConnectionType.CLIENT, extensions)
    return _wsproto_reads(connection, data)


def _wsproto_reads(connection: Connection, data: bytes, *before: str, status: int | None = None) -> Verdict:
    messages = _Messages()
    messages.words += before
    first, pieces = True, []
    try:
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, events.Ping | events.Pong):
                messages.words.append(_control(type(event).__name__.lower(), bytes(event.payload)))
            elif isinstance(event, events.Message):
                pieces.append(event.data)  # it also hands out what has come of a frame that is not whole yet
                if event.frame_finished:
                    text = isinstance(event, events.TextMessage)
                    whole = "".join(pieces) if text else b"".join(pieces)
                    messages.piece(whole, text=text, first=first, last=event.message_finished)
                    first, pieces = event.message_finished, []
            elif isinstance(event, events.CloseConnection):
                code = int(event.code)
                # The same event tells of a close frame that came and of a fault; the state tells which.
                if connection.state is ConnectionState.OPEN:
                    return Verdict("wsproto", False, messages.ended(), code, event.reason, status)
                messages.words.append(_closed(code, event.reason))
                return Verdict("wsproto", True, messages.ended(), code, event.reason or "", status)
    except Exception as error:  # a judge that stumbles has not accepted; the learner sees what it says
        return Verdict("wsproto", False, messages.ended(), reason=f"{type(error).__name__}: {error}", status=status)
    return Verdict("wsproto", True, messages.ended(), status=status)


def _wsproto_handshake(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    connection = wsproto.WSConnection(ConnectionType.SERVER if as_client else ConnectionType.CLIENT)
    supported: Sequence[WsprotoDeflate] = () if agreed is None else [WsprotoDeflate()]
    if not as_client:
        connection.send(events.Request(host="server.example.com", target="/chat", extensions=list(supported)))
        # wsproto draws its key itself and has no other way to be given one.
        connection.handshake._nonce = key.encode("latin-1", "replace")
    head, blank, rest = data.partition(BLANK)
    try:
        connection.receive_data(head + blank)
        answered = list(connection.events())
        if not as_client and answered and isinstance(answered[0], events.RejectConnection):
            return Verdict("wsproto", False, reason="the server refused", status=answered[0].status_code)
        if not answered:
            return Verdict("wsproto", True)
        if isinstance(answered[0], events.Request):
            target = answered[0].target
            connection.send(events.AcceptConnection(extensions=list(supported)))
            word = f"request for {cut_text(target, len(target))}"
        else:
            word = "response 101"
    except RemoteProtocolError as error:
        hint = error.event_hint
        status = hint.status_code if as_client and isinstance(hint, events.RejectConnection) else _status(data)
        return Verdict("wsproto", False, reason=str(error), status=status)
    except Exception as error:  # as above
        return Verdict("wsproto", False, reason=f"{type(error).__name__}: {error}")
    assert connection.connection is not None
    return _wsproto_reads(connection.connection, rest, word, status=101)


def _status(data: bytes) -> int | None:
    parts = data.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() and len(parts[1]) == 3 else None
