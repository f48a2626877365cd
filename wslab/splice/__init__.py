"""The splice: an extension of the user's Jupyter server that joins a page's TCP connection to a lab's, byte by byte.

The threat: whatever can reach the Jupyter server must not reach, through it, a port of the machine that is no lab of
this user, nor a lab that it may not use; and the lab must not see a login of the Jupyter server. ``handler`` holds the
first two, with the doors (``wslab.live.jupyter.doors``), ``head`` the last.

Theory. A page that a hub or a remote machine serves cannot reach the kernel's 127.0.0.1. It can reach the Jupyter
server that served it. A proxy there would speak WebSocket with both sides, and so tell each what the other never said:
codes, reasons, the agreed subprotocol and extensions, refusals. So the splice speaks nothing. It reads the head of the
page's request, asks Jupyter's identity provider who sent it, finds the port of the door that the path names, connects
to it, and hands over the head and then every byte, both ways, until both sides have ended. The lab's server answers
the page's opening handshake.

Installing wslab enables it, by a file in ``etc/jupyter/jupyter_server_config.d``.
"""

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "wslab.splice"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Add ``<base_url>/wslab/`` to a Jupyter server."""
    from .handler import handlers

    serverapp.web_app.add_handlers(".*$", handlers(serverapp.base_url))
