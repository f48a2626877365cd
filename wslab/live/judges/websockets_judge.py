"""The judge ``websockets``: the sans-I/O protocol on which its servers and clients run.

One thing those add: they decode a text message when a program receives it. That is done here in the same way.
"""

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ...anatomy.view import cut_text
from ...protocol.head import END
from .verdict import Delivery, Parameters, Verdict

NAME = "websockets"
SAMPLE_URI = "ws://server.example.com/chat"  # where the judged response's request went: RFC 6455 1.2 has it


def judge_frames(data: bytes, as_client: bool, agreed: Parameters | None) -> Verdict:
    """What it makes of frames on an open connection. See ``judge`` for the arguments."""
    protocol = ServerProtocol(state=OPEN) if as_client else ClientProtocol(parse_uri(SAMPLE_URI), state=OPEN)
    if agreed is not None:
        judged = "client" if as_client else "server"
        protocol.extensions = [
            PerMessageDeflate(
                remote_no_context_takeover=bool(agreed.get(f"{judged}_no_context_takeover")),
                remote_max_window_bits=int(agreed.get(f"{judged}_max_window_bits", 15)),
                # A judge sends nothing, so its own parameters do not matter; zlib cannot deflate with 8 window bits.
                local_no_context_takeover=False,
                local_max_window_bits=15,
            )
        ]
    return _frames(protocol, data)


def judge_handshake(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    """What it makes of an opening handshake and the frames behind it. See ``judge`` for the arguments."""
    head, blank, behind = data.partition(END)
    protocol: ServerProtocol | ClientProtocol
    if as_client:
        protocol = ServerProtocol(extensions=None if agreed is None else [ServerPerMessageDeflateFactory()])
    else:
        offered = None if agreed is None else [ClientPerMessageDeflateFactory()]
        protocol = ClientProtocol(parse_uri(SAMPLE_URI), extensions=offered)
        protocol.key = key
        protocol.send_request(protocol.connect())
    protocol.receive_data(head + blank)
    if not as_client and protocol.state is CONNECTING and protocol.handshake_exc is None:
        protocol.receive_data(behind)  # a response other than 101 has a body
        behind = b""
    came = next(iter(protocol.events_received()), None)
    if came is None:
        return _no_head(protocol)
    if isinstance(protocol, ServerProtocol):
        assert isinstance(came, Request)
        word = f"request for {cut_text(came.path, len(came.path))}"
        response = protocol.accept(came)
        protocol.send_response(response)
    else:
        assert isinstance(came, Response)
        response, word = came, f"response {came.status_code}"
    if protocol.handshake_exc is not None:
        return Verdict(NAME, False, reason=str(protocol.handshake_exc), status=response.status_code)
    return _frames(protocol, behind, word, status=response.status_code)


def _frames(protocol: Protocol, data: bytes, *before: str, status: int | None = None) -> Verdict:
    protocol.receive_data(data)
    delivery = Delivery(*before)
    text: list[bytes] | None = None  # the frames of a text message whose end has not come
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        match frame.opcode:
            case Opcode.PING | Opcode.PONG:
                delivery.control(frame.opcode.name.lower(), bytes(frame.data))
                continue
            case Opcode.CLOSE:
                closed = protocol.close_rcvd
                assert closed is not None
                delivery.close(closed.code, closed.reason)
                return Verdict(NAME, True, delivery.words(), closed.code, closed.reason, status)
            case Opcode.TEXT:
                text = []
        if text is None:
            delivery.piece(bytes(frame.data), last=frame.fin)
            continue
        text.append(bytes(frame.data))
        if frame.fin:
            try:
                delivery.piece(b"".join(text).decode(), last=True)
            # RFC 6455 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
            # not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
            except UnicodeDecodeError as error:
                fault = f"{error.reason} at position {error.start}"
                return Verdict(NAME, False, delivery.words(), int(CloseCode.INVALID_DATA), fault, status)
            text = None
    if protocol.parser_exc is not None:
        code = None if protocol.close_sent is None else protocol.close_sent.code
        return Verdict(NAME, False, delivery.words(), code, str(protocol.parser_exc), status)
    if text:
        delivery.piece(b"".join(text).decode(errors="replace"), last=False)
    return Verdict(NAME, True, delivery.words(), status=status)


def _no_head(protocol: Protocol) -> Verdict:
    """No head came out of ``protocol``: it is not complete yet, or it is none."""
    error = protocol.handshake_exc
    if error is None:
        return Verdict(NAME, True)
    # A head that is too long is answered with a status.
    answers = [data for data in protocol.data_to_send() if data.startswith(b"HTTP/1.1 ")]
    status = int(answers[-1].split()[1]) if answers else None
    return Verdict(NAME, False, reason=str(error.__cause__ or error), status=status)
