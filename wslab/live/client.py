"""How a lab's own clients connect: through ``websockets.connect`` with other defaults, or byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect

from ..anatomy.field import Sender
from . import guard, kernel, tap
from .carrier import ADDRESS, port_of
from .errors import port_taken
from .estate import Estate
from .raw import RawEndpoint


class Connecting(websockets_connect):
    """A connection that is being opened: to be awaited, or for ``async with``."""

    def __getattr__(self, name: str) -> Any:
        if hasattr(ClientConnection, name):
            raise AttributeError(
                f"lab.connect() opens a connection and has no {name!r} itself. Await it first: "
                f"client = await lab.connect(), then client.{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def connect(
    estate: Estate, uri: str, key: str | None, masks: Iterable[bytes] | None, kwargs: dict[str, Any]
) -> websockets_connect:
    """Connect to ``uri``; see ``Lab.connect``."""
    parts = urlsplit(uri)
    if parts.hostname is not None and guard.is_loopback(parts.hostname):
        kwargs.setdefault("proxy", None)
        if parts.scheme == "wss":
            kwargs.setdefault("host", ADDRESS)  # and not ::1, where nothing of the lab's listens
            if "ssl" not in kwargs and (trusting := estate.trusting()) is not None:
                kwargs["ssl"] = trusting
        if parts.port is not None:
            kwargs = {**estate.carrier.reaching(parts.port), **kwargs}
    given = None if masks is None else [*tap.with_masks(masks, None)]

    def joint() -> tap.Joint:
        kernel.let_interrupts_arrive(asyncio.get_running_loop())
        fixed = tap.keys(estate.seed, Sender.CLIENT, next(estate.numbers))
        if key is not None:
            fixed.key = key
        if given is not None:
            fixed.masks = tap.with_masks(given, fixed.masks)
        return tap.Joint(estate.trace, Sender.CLIENT, fixed, estate.clients)

    kwargs["create_connection"] = tap.tapping(kwargs.get("create_connection") or ClientConnection, joint)
    options = {"compression": None, "ping_interval": None, "user_agent_header": "wslab", "logger": estate.logger}
    return Connecting(uri, **(options | kwargs))


async def connect_raw(estate: Estate, uri: str) -> RawEndpoint:
    """Connect a raw endpoint to ``uri``; see ``Lab.raw``."""
    loop = asyncio.get_running_loop()
    kernel.let_interrupts_arrive(loop)
    parts = urlsplit(uri)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or ADDRESS, parts.port or (443 if secure else 80)
    target: dict[str, Any] = {"host": host, "port": port, **estate.carrier.reaching(port)}
    if secure and guard.is_loopback(host):
        target |= {"host": ADDRESS, "server_hostname": host, "ssl": estate.trusting() or True}
    elif secure:
        target["ssl"] = True
    endpoint = RawEndpoint(estate.trace, Sender.CLIENT, estate.raws, parts.geturl())
    await loop.create_connection(endpoint.accept, **target)
    return endpoint


async def listen_raw(estate: Estate, port: int) -> RawEndpoint:
    """A raw endpoint that waits for one client; see ``Lab.raw``."""
    loop = asyncio.get_running_loop()
    kernel.let_interrupts_arrive(loop)
    endpoint = RawEndpoint(estate.trace, Sender.SERVER, estate.raws)
    address = estate.carrier.listening(port)  # in memory, this is what gives the loop its create_server
    try:
        server = await loop.create_server(endpoint.accept, **address)
    except OSError as error:
        raise port_taken(port, error) from None
    endpoint.listening(server, f"ws://{ADDRESS}:{port_of(server)}/")
    return endpoint
