"""What makes traffic: a real server and real clients in the kernel, raw endpoints and judges; each writes to a Trace.

================== =========================================================================
``lab``            ``Lab``: serve, connect, raw, close
``tap``            how every byte of a connection is noted, and how a seed fixes its keys
``guard``          which requests a server on loopback may answer (Origin, Host)
``doors``          the ports that this user's Jupyter server passes on to
``pages``          a page that a server serves on its own port
``carrier``        where a lab's server runs: over TCP in its own thread, or in memory
``memory``         a network for one event loop, with no sockets and no threads
``raw``            an endpoint that sends exactly the bytes it is given
``relay``          ``Relay``: stands between any two peers, records what passes, and bends it
``bends``          what a relay can do to what passes: delay, cut, hold, drop, alter
``stages``         each bend at work, without clock and socket
``settling``       waiting until what was sent has been read
``reset``          a TCP connection that is torn down
``ends``           the ends of live connections, driven through the library or byte by byte
``judge``          what ``websockets`` and ``wsproto`` make of some bytes
``kernel``         what is asked of the kernel around a cell: interrupts, which cell it is
``certificates``   a lab's own certificate authority, for wss://
``ciphertext``     TLS records as they cross, noted below a lab's TLS
``node``           a script in Node beside a lab, such as the article's server
``jupyter_socket`` the notebook's own WebSocket: where it is, and what its messages say
``article``        the code of the article that the course follows
``paste``          a script that ends in ``asyncio.run(main())``, run in a cell
================== =========================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .carrier import NotLoopback as NotLoopback
    from .carrier import PortTaken as PortTaken
    from .certificates import Authority as Authority
    from .lab import Lab as Lab
    from .lab import LabClosed as LabClosed
    from .lab import NoServer as NoServer
    from .lab import Server as Server
    from .lab import echo as echo
    from .node.process import NodeFailed as NodeFailed
    from .node.process import NodeMissing as NodeMissing
    from .node.process import NodeProcess as NodeProcess
    from .paste import paste_scripts as paste_scripts
    from .raw import RawEndpoint as RawEndpoint
    from .raw import StreamEnded as StreamEnded
    from .relay.relay import Relay as Relay

_HOME = {
    "Authority": ".certificates",
    "Lab": ".lab",
    "LabClosed": ".lab",
    "NoServer": ".lab",
    "NodeFailed": ".node.process",
    "NodeMissing": ".node.process",
    "NodeProcess": ".node.process",
    "NotLoopback": ".carrier",
    "PortTaken": ".carrier",
    "RawEndpoint": ".raw",
    "Relay": ".relay.relay",
    "Server": ".lab",
    "StreamEnded": ".raw",
    "echo": ".lab",
    "paste_scripts": ".paste",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: a judge needs no server, and a server no judge (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"wslab.live has no name {name!r}; it has {', '.join(_HOME)}")
    return globals().setdefault(name, getattr(import_module(_HOME[name], __name__), name))
