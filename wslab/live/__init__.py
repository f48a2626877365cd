"""What makes traffic: a real server and real clients in the kernel, raw endpoints and judges; each writes to a Trace.

================ ===========================================================================
``lab``          ``Lab``: serve, connect, raw, relay, node, close
``server``       ``Server``: how ``websockets.serve`` is called, and how a server ends
``estate``       what must be ended when a lab is gone, and the lease that keeps it open
``ends``         the ends of live connections, driven through the library or byte by byte
``raw``          an endpoint that sends exactly the bytes it is given
``tap``          how every byte of a connection is noted, and how a seed fixes its keys
``guard``        which requests a server on loopback may answer (Origin, Host)
``carrier``      where a lab's server runs: over TCP in its own thread, or in memory
``memory``       a network for one event loop, with no sockets and no threads
``certificates`` a lab's own certificate authority, for wss://
``showing``      by which panel, text and HTML a lab shows itself
``kernel``       what is asked of the kernel around a cell: interrupts, which cell it is, pasted scripts
``waiting``      waiting until something is the case, else saying so
``errors``       what a lab raises when it cannot do what it was asked
``reset``        a TCP connection that is torn down
``article``      the code of the article that the course follows
``relay/``       ``Relay``: stands between any two peers, records what passes, and bends it
``tls/``         TLS records as they cross, beside what the ends see
``node/``        a script in Node beside a lab, such as the article's server
``jupyter/``     the notebook's own WebSocket, a page on a lab's port, and doors to that port
``judges/``      what ``websockets`` and ``wsproto`` make of some bytes
================ ===========================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .certificates import Authority as Authority
    from .errors import LabClosed as LabClosed
    from .errors import NodeFailed as NodeFailed
    from .errors import NodeMissing as NodeMissing
    from .errors import NoServer as NoServer
    from .errors import NotLoopback as NotLoopback
    from .errors import PortTaken as PortTaken
    from .errors import StreamEnded as StreamEnded
    from .kernel import paste_scripts as paste_scripts
    from .lab import Lab as Lab
    from .node.process import NodeProcess as NodeProcess
    from .raw import RawEndpoint as RawEndpoint
    from .relay.relay import Relay as Relay
    from .server import Server as Server
    from .server import echo as echo

_HOME = {
    "Authority": ".certificates", "Lab": ".lab", "LabClosed": ".errors", "NoServer": ".errors", "NodeFailed": ".errors",
    "NodeMissing": ".errors", "NodeProcess": ".node.process", "NotLoopback": ".errors", "PortTaken": ".errors",
    "RawEndpoint": ".raw", "Relay": ".relay.relay", "Server": ".server", "StreamEnded": ".errors", "echo": ".server",
    "paste_scripts": ".kernel",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: a judge needs no server, and a server no judge (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"wslab.live has no name {name!r}; it has {', '.join(_HOME)}")
    return globals().setdefault(name, getattr(import_module(_HOME[name], __name__), name))
