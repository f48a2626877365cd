"""Lesson 11b: who vouches for a server, and what a client is told where nobody does."""

from __future__ import annotations

import ssl
from typing import Any

from websockets.exceptions import InvalidMessage

from ...live.lab import Lab


async def connects(lab: Lab) -> dict[str, str]:
    """By client: whether it connects to a lab that serves ``wss:``, or why not."""
    assert lab.server is not None
    uri, told = lab.server.uri, lab.authority.client_context()
    clients: dict[str, tuple[str, dict[str, Any]]] = {
        "a client of this lab": (uri, {}),
        "one that trusts what this system trusts": (uri, {"ssl": ssl.create_default_context()}),
        "one that was told of the authority": (uri, {"ssl": told}),
        "one that was told, and calls the server by another name": (
            uri, {"ssl": told, "server_hostname": "bank.example"},
        ),
        "one that speaks ws: to it": (uri.replace("wss:", "ws:"), {}),
    }  # fmt: skip
    return {who: await _connects(lab, *given) for who, given in clients.items()}


async def _connects(lab: Lab, uri: str, kwargs: dict[str, Any]) -> str:
    try:
        async with lab.connect(uri, **kwargs):
            return "yes"
    except ssl.SSLCertVerificationError as error:
        return f"no: {error.verify_message.partition(',')[0].partition(' for ')[0]}"
    except (InvalidMessage, ConnectionError):
        return "no: no answer that is HTTP"
