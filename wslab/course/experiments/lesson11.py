"""Lesson 11, origin, trust and TLS: a bank that the learner's own page robs, who reads what, and a guard to write.

Theory. The hijack is real: the bank listens on this machine, the learner logs in at its page, and then a program in the
JupyterLab page, which is of another origin, opens the bank's socket. Cookies know no port. So a page of the same host
is of the same site, and its requests carry the bank's cookie. ``localhost`` and 127.0.0.1 are two sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from ...anatomy.field import Sender
from ...live.jupyter.pages import Page
from ...live.lab import Lab
from ...live.relay.relay import Relay
from ...live.tls.eavesdropping import Eavesdropped
from ...recording.trace import Trace
from ..awaited import Awaited
from ..exercises import Outcome, Trial, exercise
from .lesson04 import eavesdrop
from .pages import LOCAL, REFUSED, PageProgram, read_by

BALANCE = "your balance is 1815 pounds"
STRANGER = "please log in"
ACCOUNTS = {"ada": BALANCE}
PASSWORD = "my password is hunter2"

# The bank.

BANK_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>The bank</title>
<style>body { font: 1.3em system-ui; margin: 3em }</style>
<h1>The bank</h1>
<p>Welcome, Ada: <output id="said"></output>.</p>
<p>You are logged in. Go back to your notebook now.</p>
<script>
  document.cookie = "session=ada; path=/chat";
  document.cookie = "session=ada; path=/strict; SameSite=Strict";
  const socket = new WebSocket(`ws://${location.host}/chat`);
  socket.onmessage = (event) => {
    said.textContent = event.data;
    // The bank has two names, and a cookie belongs to one.
    // So this page logs you in under both.
    const here = location.hostname;
    const other = here === "localhost" ? "127.0.0.1" : "localhost";
    const there = `http://${other}:${location.port}/?again`;
    if (!location.search) location.replace(there);
  };
</script>
"""


def balance_of(headers: Mapping[str, str]) -> str:
    """What the bank tells a customer, whom it knows by the cookie."""
    cookie = SimpleCookie(headers.get("Cookie", "")).get("session")
    return ACCOUNTS.get(cookie.value, STRANGER) if cookie else STRANGER


def over_http(connection: ServerConnection, request: Request) -> Response | None:
    """The bank's answer to a plain GET of its chat's path; None for a WebSocket's handshake."""
    if "Upgrade" in request.headers or request.path == "/":
        return None
    return connection.respond(200, balance_of(request.headers))


def logged_in(trace: Trace, page: Page) -> bool:
    """Whether the bank has told its own page the balance under each of its names."""
    told = set()
    for connection in trace.connections:
        request, _ = trace.heads(connection)
        said = [message.data for message in trace.messages_of(connection, Sender.SERVER)]
        if request is not None and BALANCE.encode() in said:
            told |= {*request.get("Origin")}
    return told >= set(page.origins)


# The hijack.

HIJACK = f"""\
// This runs in the page that you read this in.
// It is not the bank's page.
{LOCAL}const other = here === "localhost"
  ? "127.0.0.1" : "localhost";
const ask = async (address) => {{
  const socket = new WebSocket(address);
  await new Promise((done) => {{
    socket.onmessage = socket.onclose = done;
  }});
  socket.close();
}};
await ask(`ws://${{here}}:1234/chat`);
await ask(`ws://${{here}}:1234/strict`);
await ask(`ws://${{other}}:1234/chat`);

const url = `http://${{here}}:1234/chat`;
await fetch(url, {{ credentials: "include" }})
  .then((answer) => answer.text())
  .then((text) => console.log("fetch:", text))
  .catch((error) => console.log("fetch:", error));
"""
KNOCK = f"""\
{LOCAL}const url = `ws://${{here}}:1234/chat`;
const socket = new WebSocket(url);
socket.onmessage = ({{ data }}) =>
  console.log("read:", data);
"""
FETCHED = "fetch: "


class Hijack(PageProgram):
    """The attack on the bank, in the learner's page. It begins when Ada is logged in at the bank's page.

    Args:
        lab: the bank's lab.
        page: the bank's page.
    """

    def __init__(self, lab: Lab, page: Page) -> None:
        self._page_of_bank = page
        super().__init__(lab, HIJACK, admits=False, route="loopback")
        self._begun = False
        self.watch(self._begin)

    @property
    def may_begin(self) -> bool:
        """Whether Ada is logged in."""
        return logged_in(self.trace, self._page_of_bank)

    def _begin(self) -> None:
        if not self._begun and self.may_begin:
            self._begun = True
            self.run()


def hijack(lab: Lab, page: Page) -> Hijack:
    """The panel with the attack, which begins when somebody has opened the bank's page."""
    return Hijack(lab, page)


def stolen(attack: Hijack) -> Awaited:
    """What the page has read of the bank in each of the four ways, from what the page and the recording tell."""
    return Awaited(attack, lambda: read_in_four_ways(attack, began=attack.may_begin))


def read_in_four_ways(panel: PageProgram, *, began: bool) -> dict[str, str | None]:
    """By way: the bank's sentence, or that there was nothing to read; None while that is not known."""
    lines = [line.text for line in panel.console if line.text.startswith(FETCHED)]
    fetched = lines[0].removeprefix(FETCHED) if lines else None
    known = {
        "a WebSocket, to the name in your address bar": read_by(panel, 0),
        "the same, and the cookie says SameSite=Strict": read_by(panel, 1),
        "a WebSocket, to the bank's other name": read_by(panel, 2),
        "fetch, to the name in your address bar": fetched and (fetched if fetched in (BALANCE, STRANGER) else REFUSED),
    }
    return known if began else dict.fromkeys(known)


# The allow-list.


def knock(lab: Lab) -> PageProgram:
    """A panel whose program opens one socket to the lab's server, from this page, as soon as a page shows it."""
    panel = PageProgram(lab, KNOCK, admits=False, route="loopback")
    panel.run()
    return panel


async def status(lab: Lab, origin: str | None) -> str:
    """The status with which the lab's server answers a program that says it is of that origin, with Ada's cookie."""
    try:
        async with lab.connect("/chat", origin=origin, additional_headers={"Cookie": "session=ada"}) as ws:
            return str(ws.response.status_code if ws.response else "")
    except InvalidStatus as refused:
        return str(refused.response.status_code)


async def let_in_by(lab: Lab, origins: Mapping[str, str | None]) -> dict[str, str]:
    """By client: the status of the answer to its handshake."""
    return {who: await status(lab, origin) for who, origin in origins.items()}


def with_page(panel: PageProgram, known: Mapping[str, str], case: str) -> Awaited:
    """What is known of programs, and under ``case`` the status that the page's own handshake got."""
    return Awaited(panel, lambda: {case: status_of_page(panel), **known})


def status_of_page(panel: PageProgram) -> str | None:
    """The status that was answered to the first socket of a page's run; None while there is none."""
    opened = [event.record for event in panel.events if event.what in ("open", "error") and event.record is not None]
    return panel.trace.record(opened[0]).summary.split()[0] if opened else None


# On the wire.


async def say_password(lab: Lab, uri: str | None = None) -> None:
    """A client with Ada's cookie says a password, and hears it again."""
    uri = (uri or (lab.server.uri if lab.server else "")).rstrip("/") + "/chat?room=1"
    async with lab.connect(uri, additional_headers={"Cookie": "session=ada"}) as ws:
        await ws.send(PASSWORD)
        await ws.recv()
    await lab.settled()


def yes(found: object) -> str:
    """A finding as a word."""
    return "yes" if found else "no"


def read_without_tls(relay: Relay) -> dict[str, str]:
    """What somebody on the way reads of the last client that went through the relay, from its bytes alone."""
    crossed = relay.trace.bytes_sent(relay.trace.connections[-1], Sender.CLIENT)
    return {
        "ws: the cookie": yes(b"session=ada" in crossed),
        "ws: the password, which the client masked": yes(PASSWORD in [each.text for each in eavesdrop(relay.trace)]),
    }


def read_with_tls(seen: Eavesdropped) -> dict[str, str]:
    """What somebody on the way reads of a connection over TLS."""
    hello = seen.client_hello
    crossed = b"".join(each.record.data for each in seen.records)
    frame = 2 + 4 + len(PASSWORD)  # header, masking key, payload
    return {
        "wss: the host's name": yes(hello and hello.server_name == "localhost"),
        "wss: the path, /chat?room=1": yes(b"/chat?room=1" in crossed),
        "wss: the cookie": yes(b"session=ada" in crossed),
        # RFC 8446 5.2: a byte of type and the cipher's tag of 16 bytes are added; 5.4: padding is the sender's choice.
        "wss: the length of the password's frame": yes(frame + 17 in seen.lengths[Sender.CLIENT]),
    }


async def echoed(ws: ClientConnection, message: str) -> str:
    """What comes back of a message from an echo server: all of it with so many letters changed, or nothing."""
    try:
        await ws.send(message)
        echo = await ws.recv()
    except ConnectionClosed:
        return "nothing"
    return f"all of them, {sum(one != other for one, other in zip(message, echo, strict=True))} changed"


# The exercise.


class Visitor(NamedTuple):
    """A client at the bank's door."""

    who: str
    headers: dict[str, str]
    wanted: bool


def visitors(own: str, token: str) -> list[Visitor]:
    """Who comes to a bank of that origin and with that app's token, and whether it is to be let in."""
    ada, other = {"Cookie": "session=ada"}, {"Cookie": "theme=dark"}
    return [
        Visitor("the bank's page, logged in", {"Origin": own, **ada}, True),
        Visitor("the bank's page, not logged in", {"Origin": own, **other}, False),
        Visitor("the bank's page, with a cookie old_session", {"Origin": own, "Cookie": "old_session=ada"}, False),
        Visitor("the bank's page, with two cookies", {"Origin": own, "Cookie": "theme=dark; session=ada"}, True),
        Visitor("a foreign page, with the bank's session", {"Origin": "https://evil.example", **ada}, False),
        Visitor("a page whose origin begins alike", {"Origin": f"{own}.evil.example", **ada}, False),
        Visitor("the bank's page over http:", {"Origin": own.replace("https:", "http:"), **ada}, False),
        Visitor("a sandboxed page", {"Origin": "null", **ada}, False),
        Visitor("the app with its token", {"Authorization": f"Bearer {token}"}, True),
        Visitor("a program with another token", {"Authorization": f"Bearer {token}0"}, False),
        Visitor("a program without a token", {}, False),
        Visitor("a program that has only a session", ada, False),
    ]


TOLD = ("Origin", "Cookie", "Authorization")
OWN, TOKEN = "https://bank.example", "app-1815"


def _lets(**headers: str) -> Callable[[Any], object]:
    """A test of an answer: whether it lets a client with these headers in."""
    return lambda f: f({name.capitalize(): value for name, value in headers.items()}, OWN, TOKEN)


@exercise(
    points=3,
    misconception=10,
    variants=2,
    hints=[
        'There are two kinds of clients. `"Origin" in headers` tells whether it is a page.',
        "A page needs two things: its origin must be `own`, as a whole, and a session must stand in its Cookie header.",
        "A program needs one thing: its Authorization header must be `Bearer`, a blank and the token.",
    ],
    foreseen=[
        (
            lambda f: f({"Origin": OWN, "Cookie": "session=ada"}, OWN, TOKEN) is None,
            "Your function returned None. Is a return missing?",
        ),
        (
            _lets(origin=f"{OWN}.evil.example", cookie="session=ada"),
            "You compare a part of the origin. A page of https://bank.example.evil.example got in: compare the whole.",
        ),
        (
            _lets(origin="https://evil.example", cookie="session=ada"),
            "A foreign page got in. Its request carries the bank's cookie too, so the cookie does not tell who asks.",
        ),
        (
            _lets(origin="http://bank.example", cookie="session=ada"),
            "A page that came over http: got in. The scheme is a part of the origin.",
        ),
        (
            _lets(origin=OWN, cookie="theme=dark"),
            "The bank's page got in without a session. The origin says which page it is, and not who sits before it.",
        ),
        (
            _lets(origin=OWN, cookie="old_session=ada"),
            "A cookie old_session got in: compare the beginning of each cookie; they are parted by semicolons.",
        ),
        (
            lambda f: not f({"Origin": OWN, "Cookie": "theme=dark; session=ada"}, OWN, TOKEN),
            "A customer with two cookies was kept out: the session may stand behind another one.",
        ),
        (_lets(), "A program without a token got in. An origin that is absent proves nothing."),
        (
            _lets(cookie="session=ada"),
            "A program got in with a session and without a token. Only a browser tells where a request came from.",
        ),
        (_lets(authorization=f"Bearer {TOKEN}0"), "You compare a part of the token: another one got in."),
        (
            lambda f: not f({"Authorization": f"Bearer {TOKEN}"}, OWN, TOKEN),
            "The app was kept out. It is a program: it sends no Origin, and shows its token.",
        ),
    ],
)
async def door(answer: Any, trial: Trial) -> list[Outcome]:
    """Return whether the bank lets a client in, by the headers of its handshake.

    ``headers`` is a dict with those of Origin, Cookie and Authorization that the client sent. ``own`` is the origin of
    the bank's own pages, and ``token`` is what the bank's app shows. A real server asks your function at each handshake
    and answers 403 to whom you keep out.
    """
    name = trial.random.choice(("bank", "savings", "money", "pounds"))
    own, token = f"https://{name}.example", f"app-{trial.random.randrange(1000, 10_000)}"

    def ask(connection: ServerConnection, request: Request) -> Response | None:
        told = {
            name: request.headers[name] for name in ("Origin", "Cookie", "Authorization") if name in request.headers
        }
        return None if answer(told, own, token) else connection.respond(403, "not you\n")

    outcomes = []
    coming = visitors(own, token)
    trial.random.shuffle(coming)
    for visitor in coming:  # here an exception is the learner's, and in a server it would be a 500
        answer(visitor.headers, own, token)
    async with Lab(carrier="memory") as lab:
        await lab.serve(origins=None, process_request=ask)
        for visitor in coming:
            came = await _status(lab, visitor.headers)
            wanted = 101 if visitor.wanted else 403
            outcomes.append(Outcome(visitor.who, str(wanted), str(came), came == wanted))
    return outcomes


async def _status(lab: Lab, headers: Mapping[str, str]) -> int:
    try:
        async with lab.connect(additional_headers=headers) as ws:
            return ws.response.status_code if ws.response else 0
    except InvalidStatus as refused:
        return refused.response.status_code


@door.reference
def let_in(headers: Mapping[str, str], own: str, token: str) -> bool:
    """Whether the bank lets this client in."""
    if "Origin" in headers:
        cookies = headers.get("Cookie", "").split(";")
        return headers["Origin"] == own and any(cookie.strip().startswith("session=") for cookie in cookies)
    return headers.get("Authorization") == f"Bearer {token}"
