"""The splice: an extension of the user's Jupyter server that joins a page's TCP connection to a lab's, byte by byte.

Theory. A page that a hub or a remote machine serves cannot reach the kernel's 127.0.0.1; it can reach the Jupyter
server that served it. A proxy there would speak WebSocket with the page on one side and with the lab on the other, and
so tell each what the other never said: codes, reasons, the agreed subprotocol and extensions, refusals. So nothing is
spoken here. The server reads the head of the page's request, asks its own identity provider who that is, looks for the
door that the path names (``wslab.live.jupyter.doors``), connects to its port, and hands over the head and then every
byte, both ways, until both sides have ended. The lab's own server answers the page's own opening handshake.

=========== ===========================================================================
``head``    the head of the request as the lab is given it: no credentials of Jupyter's
``pipe``    two connections joined: bytes, end of stream, reset, and how fast
``handler`` who may pass, and where to
=========== ===========================================================================

Installing wslab enables it, by a file in ``etc/jupyter/jupyter_server_config.d``.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "wslab.splice"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Add ``<base_url>/wslab/`` to a Jupyter server."""
    from .handler import handlers

    serverapp.web_app.add_handlers(".*$", handlers(serverapp.base_url))
