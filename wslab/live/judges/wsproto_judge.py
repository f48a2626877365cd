"""The judge ``wsproto``: a second implementation of the protocol, which shares no code with ``websockets``."""

from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import Connection, ConnectionState
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

from ...anatomy.view import cut_text
from ...protocol.deflate import NAME as DEFLATE
from ...protocol.head import END
from .verdict import Delivery, Parameters, Verdict

NAME = "wsproto"


def judge_frames(data: bytes, as_client: bool, agreed: Parameters | None) -> Verdict:
    """What it makes of frames on an open connection. See ``judge`` for the arguments."""
    extensions: list[Extension] = []
    if agreed is not None:
        try:
            extensions = [PerMessageDeflate(**agreed)]  # type: ignore[arg-type]
        except ValueError as error:  # RFC 7692 7.1.2 allows 8 window bits, wsproto does not
            return Verdict(NAME, False, reason=str(error))
        extensions[0].finalize(DEFLATE)  # what a client's end does when a server has agreed
    return _frames(Connection(_judges_end(as_client), extensions), data)


def judge_handshake(data: bytes, as_client: bool, agreed: Parameters | None, key: str) -> Verdict:
    """What it makes of an opening handshake and the frames behind it. See ``judge`` for the arguments."""
    connection = WSConnection(_judges_end(as_client))
    supported: list[Extension] = [] if agreed is None else [PerMessageDeflate()]
    if not as_client:
        connection.send(events.Request(host="server.example.com", target="/chat", extensions=supported))
        # wsproto draws its key itself, and has no other way to be given one.
        connection.handshake._nonce = key.encode("latin-1", "replace")
    head, blank, behind = data.partition(END)
    try:
        connection.receive_data(head + blank)
        answer = next(connection.events(), None)
        match answer:
            case None:
                return Verdict(NAME, True)
            case events.RejectConnection() if not as_client:
                return Verdict(NAME, False, reason="the server refused", status=answer.status_code)
            case events.Request():
                connection.send(events.AcceptConnection(extensions=supported))
                word = f"request for {cut_text(answer.target, len(answer.target))}"
            case _:
                word = "response 101"
    except RemoteProtocolError as error:
        hint = error.event_hint
        status = hint.status_code if as_client and isinstance(hint, events.RejectConnection) else _status(data)
        return Verdict(NAME, False, reason=str(error), status=status)
    except Exception as error:  # a judge that stumbles has not accepted; the learner sees what it says
        return Verdict(NAME, False, reason=f"{type(error).__name__}: {error}")
    assert connection.connection is not None
    return _frames(connection.connection, behind, word, status=101)


def _judges_end(as_client: bool) -> ConnectionType:
    return ConnectionType.SERVER if as_client else ConnectionType.CLIENT


def _frames(connection: Connection, data: bytes, *before: str, status: int | None = None) -> Verdict:
    delivery = Delivery(*before)
    frame: list[str | bytes] = []
    try:
        connection.receive_data(data)
        for event in connection.events():
            match event:
                case events.Ping() | events.Pong():
                    delivery.control(type(event).__name__.lower(), bytes(event.payload))
                case events.TextMessage() | events.BytesMessage():
                    # It also hands out the beginning of a frame whose end has not come.
                    frame.append(event.data if isinstance(event.data, str) else bytes(event.data))
                    if event.frame_finished:
                        for piece in frame[:-1]:
                            delivery.piece(piece, last=False)
                        delivery.piece(frame[-1], last=event.message_finished)
                        frame.clear()
                case events.CloseConnection():
                    code, reason = int(event.code), event.reason
                    # The same event tells of a close frame that came and of a fault; the state tells them apart.
                    if connection.state is ConnectionState.OPEN:
                        return Verdict(NAME, False, delivery.words(), code, reason, status)
                    delivery.close(code, reason or "")
                    return Verdict(NAME, True, delivery.words(), code, reason or "", status)
    except Exception as error:  # as above
        return Verdict(NAME, False, delivery.words(), reason=f"{type(error).__name__}: {error}", status=status)
    return Verdict(NAME, True, delivery.words(), status=status)


def _status(response: bytes) -> int | None:
    parts = response.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() and len(parts[1]) == 3 else None
