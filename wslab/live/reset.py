"""A TCP connection that is torn down. Nothing heavy is imported here: the Jupyter server that splices loads it too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct


def reset(transport: asyncio.Transport) -> None:
    """Send RST and let go of the socket, at once; what was not sent yet is lost. Calling it again does nothing."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it is closed already
        # To linger for 0 seconds on close is what makes a socket send RST instead of FIN (RFC 9293 3.10.5).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
