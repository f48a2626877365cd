"""A learner's endpoint at work: it serves the article's page, one connection after another, through a relay."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ...live.errors import blame
from ...live.lab import Lab
from ...live.raw import RawEndpoint
from ...live.relay.relay import Relay

GREETING = "Hello client!"  # what the article's server says first


class AtWork:
    """An endpoint that serves. It ends with its lab.

    Attributes:
        relay: where clients connect to; it records what crosses.
        heard: what the article's server prints: a line for each message of a client.
    """

    def __init__(self, lab: Lab, make: Callable[[], Any], relay: Relay) -> None:
        self.relay, self.heard = relay, list[str]()
        self._lab, self._make = lab, make
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, door: RawEndpoint) -> None:
        """Wait at ``door`` for a client, and then at another door, while the lab is open."""
        task = asyncio.ensure_future(self._serve(door))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, door: RawEndpoint) -> None:
        with contextlib.suppress(ConnectionError):
            await door.connected(None)
            with contextlib.suppress(RuntimeError):  # the lab was closed
                self.serve(await self._lab.raw(listen=True, port=urlsplit(door.uri or "").port or 0))
            try:
                await self._hold(door, self._make())
            except Exception as error:
                self.heard.append(f"the endpoint raised {blame(error)}")
            await door.close()

    async def _hold(self, door: RawEndpoint, endpoint: Any) -> None:
        while data := await door.recv(timeout=None):
            for kind, value in endpoint.receive(data):
                match kind:
                    case "send":
                        await door.send(value)
                    case "open":
                        await door.send(endpoint.send(GREETING))
                    case "message":
                        self.heard.append(f"Client: {value}")
                    case "closed":
                        return


async def at_work(lab: Lab, make: Callable[[], Any]) -> AtWork:
    """Have an endpoint serve the article's page until the lab is closed.

    Args:
        lab: what carries and records it.
        make: makes an ``Endpoint``, one for each connection.

    It listens on 127.0.0.1 only. Any page of this machine's browser may connect: it looks at no Origin, and has
    nothing to tell but a greeting.
    """
    door = await lab.raw(listen=True)
    work = AtWork(lab, make, await lab.relay(door.uri))
    work.serve(door)
    return work


class Listing:
    """The source of a class or a function."""

    def __init__(self, thing: Any) -> None:
        self.source = inspect.getsource(thing)

    def __repr__(self) -> str:
        return self.source

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/markdown": f"```python\n{self.source}```", "text/plain": self.source}


def listing(thing: Any) -> Listing:
    """The source of a class or a function, as it runs here."""
    return Listing(thing)
