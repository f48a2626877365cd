"""Lesson 09, what a page may say and what it is told: programs for the learner's page, and what came of each.

Theory. An outcome comes from two places: the panel tells what the page's program was told and what it did, and the
recording tells what crossed. What only a browser can show is None until one has shown it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...live.lab import Lab
from ...protocol import Head
from ..awaited import Awaited
from .pages import LOCAL, PageProgram, of_socket


def in_page(lab: Lab, program: str, **kwargs: Any) -> PageProgram:
    """A panel whose program runs as soon as a page shows it, and waits for Run after that."""
    panel = PageProgram(lab, program, **kwargs)
    panel.run()
    return panel


def crossed(panel: PageProgram, kind: str, sender: Sender) -> list[Record]:
    """The frames of that kind, such as ``PING``, that an end sent on the connections of a page's last run."""
    return [
        record
        for record in panel.records
        if record.kind is Kind.FRAME and record.sender is sender and record.summary.split()[0] == kind
    ]


# Pings.

PINGS = """\
const at = "ws://localhost:1234";
const socket = new WebSocket(at);
socket.onmessage = () => {
  console.log(typeof socket.ping);
  socket.send("ping");
  socket.send(new Uint8Array([0x89, 0x00]));
  socket.send("");
  socket.close();
};
"""


async def ping_and_greet(connection: ServerConnection) -> None:
    """Ping three times, wait for each pong, then greet."""
    for _ in range(3):
        await (await connection.ping())
    await connection.send("Hello client!")
    await connection.wait_closed()


def pings(panel: PageProgram) -> Awaited:
    """What a page knows of pings, and which crossed."""
    return Awaited(panel, lambda: pings_of(panel))


def pings_of(panel: PageProgram) -> dict[str, Any]:
    """The same, as far as it is known by now."""
    over = of_socket(panel, 0, "close")
    named = [event for event in panel.events if event.what in ("ping", "pong")]
    messages = of_socket(panel, 0, "message")
    sent = crossed(panel, "TEXT", Sender.SERVER) + crossed(panel, "BINARY", Sender.SERVER)
    return {
        "typeof socket.ping": panel.console[0].text if panel.console else None,
        "pings of the server that the program is told of": len(named) + len(messages) - len(sent) if over else None,
        "PONG frames that the browser sends": len(crossed(panel, "PONG", Sender.CLIENT)) if over else None,
        "PING frames that come of the three tries": len(crossed(panel, "PING", Sender.CLIENT)) if over else None,
    }


# Limits.

LIMITS = """\
const tries = {
  "close(1001)": (s) => s.close(1001),
  "close(1008)": (s) => s.close(1008),
  "close(3000)": (s) => s.close(3000),
  'close(4000, "ü" 62 times)': (s) =>
    s.close(4000, "ü".repeat(62)),
  "send() after close()": (s) => {
    s.close();
    s.send("late");
  },
};
for (const [name, act] of Object.entries(tries)) {
  const socket = new WebSocket("ws://localhost:1234");
  await new Promise((go) => (socket.onopen = go));
  try {
    act(socket);
    console.log(name, "throws nothing");
  } catch (error) {
    console.log(name, "throws", error.name);
    socket.close();
  }
  await new Promise((go) => (socket.onclose = go));
}
"""
LATE = "send() after close()"
TRIES = ("close(1001)", "close(1008)", "close(3000)", 'close(4000, "ü" 62 times)', LATE)


def limits(panel: PageProgram) -> Awaited:
    """What came of each try of ``LIMITS``."""
    return Awaited(panel, lambda: {name: tried(panel, number, name) for number, name in enumerate(TRIES)})


def tried(panel: PageProgram, socket: int, name: str) -> str | None:
    """The name of the exception that a try threw, or whether its frame crossed; None while that is not known."""
    calls = of_socket(panel, socket, "send()" if name == LATE else "close()")
    if not calls or not of_socket(panel, socket, "close"):
        return None
    if calls[0].thrown:
        return calls[0].thrown.partition(":")[0]
    if name != LATE:
        return "sent" if calls[0].record is not None else "not sent, and no error"
    late = [record for record in crossed(panel, "TEXT", Sender.CLIENT) if "late" in record.summary]
    return "sent" if late else "not sent, and no error"


# What a page is told.

ENDS = """\
const at = "ws://localhost:1234";
const ends = ["refused", "fin", "rst"];
for (const [n, end] of ends.entries()) {
  const socket = new WebSocket(`${at}/${end}`);
  const say = (event) =>
    console.log(n, event.type, event.code ?? "");
  socket.onopen = socket.onerror = say;
  await new Promise((go) => {
    socket.onclose = (event) => go(say(event));
  });
}
"""
ENDINGS = {
    "the server answers 403 Forbidden": 0,
    "the server ends TCP (FIN) and sends no CLOSE": 1,
    "the server resets TCP (RST)": 2,
}


def refuse(connection: ServerConnection, request: Request) -> Response | None:
    """A server's answer to the path ``/refused``."""
    return connection.respond(403, "not you\n") if request.path == "/refused" else None


async def vanish(connection: ServerConnection) -> None:
    """End the connection without a close frame, in the way that the path says."""
    assert connection.request is not None
    if connection.request.path == "/rst":
        cast(Any, connection.transport).reset()  # which a lab's server has, so that the recording says RST
    else:
        connection.transport.close()
    await connection.wait_closed()


def endings(panel: PageProgram) -> Awaited:
    """Which events told a page of each ending of ``ENDS``."""
    return Awaited(panel, lambda: {case: told_of_end(panel, number) for case, number in ENDINGS.items()})


def told_of_end(panel: PageProgram, socket: int) -> str | None:
    """The events by which a socket's program learned of the end; None while it has not."""
    closed = of_socket(panel, socket, "close")
    if not closed:
        return None
    return ", ".join([*("error" for _ in of_socket(panel, socket, "error")), f"close {closed[0].code}"])


# A header of the page's choice.

PASSWORD = f"""\
{LOCAL}const at = `${{here}}:1234`;
const ask = (address, options) => {{
  const socket = new WebSocket(address, options);
  return new Promise((go) => {{
    socket.onmessage = () => socket.close();
    socket.onclose = go;
  }});
}};
const headers = {{ Authorization: "Basic YWRhOnB3" }};
try {{
  await ask(`ws://${{at}}`, {{ headers }});
}} catch (error) {{
  console.log("options:", error.name);
}}
await ask(`ws://ada:pw@${{at}}`);
await ask(`ws://${{at}}`);
console.log("that was all");
"""
WITH, WITHOUT, NO_MORE = "a request with Authorization", "a request without it", "no further request"
AUTHORIZED = (
    "new WebSocket(url, { headers: ... })",
    'new WebSocket("ws://ada:pw@...")',
    "then, when the server has answered 401",
    "another socket, with no password in its address",
)


def ask_for_password(connection: ServerConnection, request: Request) -> Response | None:
    """A server's answer to a handshake that shows no password."""
    if "Authorization" in request.headers:
        return None
    response = connection.respond(401, "who are you?\n")
    # RFC 9110 11.6.1: a server that answers 401 "MUST send a WWW-Authenticate header field".
    response.headers["WWW-Authenticate"] = 'Basic realm="lab"'
    return response


async def greet(connection: ServerConnection) -> None:
    """Greet, and wait for the goodbye."""
    await connection.send("Hello client!")
    await connection.wait_closed()


def authorizations(lab: Lab, panel: PageProgram) -> Awaited:
    """What the browser made of a header, of a password in the address, and of the server's 401."""
    return Awaited(panel, lambda: authorized(panel, requests_of_pages(lab)))


def requests_of_pages(lab: Lab) -> list[Head]:
    """The requests that name an origin, in order."""
    heads = [lab.trace.heads(connection)[0] for connection in lab.trace.connections]
    return [head for head in heads if head is not None and head.get("Origin")]


def authorized(panel: PageProgram, requests: Sequence[Head]) -> dict[str, str | None]:
    """The same, as far as it is known by now."""
    lines = [line.text for line in panel.console]
    options = [line.partition(": ")[2] for line in lines if line.startswith("options")]
    if "that was all" not in lines:
        return dict.fromkeys(AUTHORIZED)
    said = [WITH if head.get("Authorization") else WITHOUT for head in requests]
    return dict(zip(AUTHORIZED, [*options, *said, *[NO_MORE] * 4], strict=False))


# Addresses.

ADDRESSES = """\
const addresses = [
  "http://localhost:1234",
  "ws://localhost:1234/#part",
  "/chat",
  "ftp://localhost:1234",
];
for (const address of addresses)
  try {
    const socket = new WebSocket(address);
    socket.onopen = socket.onerror = ({ type }) =>
      console.log(address, type);
  } catch (error) {
    console.log(address, error.name);
  }
"""
