"""What ``websockets`` and what ``wsproto`` make of some bytes: two independent endpoints, side by side.

Both are asked without any network, and neither about what only an application decides: Host, Origin, paths.
"""

from websockets.exceptions import InvalidHeaderFormat
from websockets.headers import parse_extension

from ...anatomy.hex_text import bytes_of
from ...protocol.deflate import NAME as DEFLATE
from ..tap import SAMPLE_KEY
from . import websockets_judge, wsproto_judge
from .verdict import Judgement as Judgement
from .verdict import Parameters


def judge(
    data: bytes | bytearray | memoryview | str,
    as_client: bool = True,
    extensions: str | None = None,
    *,
    handshake: bool | None = None,
    key: str = SAMPLE_KEY,
) -> Judgement:
    """What ``websockets`` and ``wsproto`` make of ``data``.

    Args:
        data: what one endpoint sent, as bytes or as a string of hex digits. Where it begins with an HTTP head, that
            opening handshake is judged and then the frames behind it; otherwise it is frames on an open connection.
        as_client: whether a client sent it, so that servers judge it; otherwise clients do.
        extensions: the Sec-WebSocket-Extensions that were agreed, for instance ``"permessage-deflate"`` or
            ``"permessage-deflate; client_no_context_takeover"``. With a handshake: that the judge offers or accepts
            permessage-deflate.
        handshake: whether ``data`` begins with a head; None looks.
        key: the Sec-WebSocket-Key that a judged response has to answer.

    Returns:
        Both verdicts. It prints as a table.

    Raises:
        HexError: ``data`` is a string that is no hex.
        TypeError: ``data`` is neither bytes nor a string.
        ValueError: ``extensions`` is not ``permessage-deflate`` with parameters of RFC 7692 7.1.

    It does not check what only an application decides: Host, Origin, the request target.
    """
    data = bytes_of(data, "judge")
    agreed = None if extensions is None else _parameters(extensions)
    if handshake is None:
        line = data[:8192].partition(b"\n")[0]
        handshake = b" HTTP/" in line if as_client else line.startswith(b"HTTP/")
    judges = (websockets_judge, wsproto_judge)
    if handshake:
        return Judgement(data, as_client, *(one.judge_handshake(data, as_client, agreed, key) for one in judges))
    return Judgement(data, as_client, *(one.judge_frames(data, as_client, agreed) for one in judges))


def _parameters(extensions: str) -> Parameters:
    try:
        [(extension, given)] = parse_extension(extensions)
        if extension != DEFLATE:
            raise ValueError
        parameters: Parameters = {}
        for name, value in given:
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
