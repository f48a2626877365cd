"""A TCP connection that is torn down: RST instead of FIN."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tap import TappedTransport

LINGER_NOT = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport | TappedTransport) -> None:
    """Send RST and let go of the socket, at once. What was written and not sent yet is lost.

    Calling it again does nothing.
    """
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it is closed already
        # To linger for 0 seconds on close is what makes a socket send RST instead of FIN (RFC 9293 3.10.5).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
