"""A show of hands: a class votes on a prediction, over WebSocket, from a page that the teacher's machine serves.

The threat: this is the one server of the course that others than this machine's user may reach, so all that comes is
hostile until it is read. These checks stand against it:

- *It listens for nobody* unless ``network`` says so, then on one address, which the cell shows with a warning. On a hub
  it stays on 127.0.0.1, behind a public door of the Jupyter server (``wslab.live.jupyter.doors``).
- *Host and Origin.* Only the vote's own page may connect (RFC 6455 10.2), and a Host of another name is refused.
- *The join code* is compared in constant time. A connection has one guess, a wrong one costs a second, few are examined
  at once, and after ``MOST_WRONG`` of them nobody new is let in: so a code is found in one of 800,000 votes.
- *Bounds* on all that a voter can make grow: the size of a message, messages, connections, voters, and the answers that
  are shown (``ballot``). What was written is shown as text only.

Theory. The vote has a lab of its own, whose recording holds it (``hands.lab``), so it ends as labs do. A message is one
JSON object. The page says ``{"join": code, "voter": id or ""}`` and then ``{"vote": {case: answer}}``. The server says
``{"asked": ...}`` with the form and the voter's id, ``{"counted": {case: answer}}``, ``{"wrong": sentence}``, and at
the end ``{"over": ...}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import secrets
import socket
import threading
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ..drawing.blocks import Table, Words
from ..drawing.cell import shell
from ..drawing.sheet import Sheet, Shown
from ..live import server
from ..live.guard import on_a_hub
from ..live.lab import Lab
from ..live.server import Server
from ..live.waiting import Closes, start_on
from . import prediction
from .ballot import Ballot, VoteBar
from .prediction import Prediction

PAGE = files(__package__).joinpath("hands.html").read_text(encoding="utf-8")
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without those that are taken for one another
CODE = 6  # letters of a join code
PATIENCE = 10.0  # seconds that a connection has for its join code
SLOW = 1.0  # seconds that a wrong one costs
AT_ONCE = 10  # join codes that are examined at once
MOST_WRONG = 1000  # wrong codes, after which nobody new is let in
LONGEST = 2048  # bytes of a message
MOST_CONNECTIONS = 500
MOST_MESSAGES = 300  # of one connection
BREATH = 0.1  # seconds between two looks at what has changed
POLICY_VIOLATION, TRY_LATER = 1008, 1013  # RFC 6455 7.4.1, and IANA's list of close codes
WARNING = (
    "WARNING: everybody in your network who knows the address reaches this page while the vote is open. "
    "Votes and the join code cross the network in clear. End the vote when it is over."
)
WARNING_ON_A_HUB = (
    "WARNING: everybody who knows the address reaches this page while the vote is open, without a login. "
    "End the vote when it is over."
)
HERE_ONLY = "Only browsers on this machine can vote. For a class: await show_of_hands(guess, network=True)"


class Refusal(NamedTuple):
    """The close code and reason with which somebody is not let in."""

    code: int
    reason: str


class _OpenLab(Lab):
    """A lab whose server may listen for others than this machine."""

    async def open(self, handler: server.Handler, network: str, **kwargs: Any) -> Server:
        """Start its server, on that address; on 127.0.0.1 where it is empty."""
        # Its secret is the join code, which people can type.
        return await server.start(self._lease, handler, None, 0, False, kwargs, network=network, secret_wanted=False)


class Guest(ServerConnection):
    """Who comes; one too many is cut off before a byte is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count those whose handlers run, this one among them."""
        super().connection_made(transport)
        if len(self.server.handler_tasks) > MOST_CONNECTIONS:
            self.transport.abort()


class ShowOfHands(Closes, Shown):
    """A vote on a prediction, as ``show_of_hands`` opens it. As text it says how to join, and the votes.

    ``code`` is the join code, ``address`` where a class finds the page, ``lab`` the lab whose recording holds what
    crosses.
    """

    server: Server

    def __init__(self, guess: Prediction, network: str, public: bool) -> None:
        self.code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
        self.lab = _OpenLab(carrier="tcp")
        self._guess, self._network, self._public = guess, network, public
        self._ballot = Ballot({name: case.kind for name, case in guess.asked.cases.items()})
        self._present: set[ServerConnection] = set()  # who is connected and has joined
        self._wrong = 0
        self._doorway = asyncio.Semaphore(AT_ONCE)
        self._watchers: list[Callable[[], object]] = []
        self._due = False
        guess.watch(self._form_changed)

    async def start(self) -> None:
        """Listen, and serve the page."""
        self.server = await self.lab.open(
            self._vote, self._network, origins=[], create_connection=Guest, max_size=LONGEST, max_queue=4,
            ping_interval=20, ping_timeout=20,
        )  # fmt: skip
        self.address = self.server.page(PAGE).uri

    @property
    def warning(self) -> str:
        """Who can reach it, in words."""
        return WARNING if self._network else WARNING_ON_A_HUB if self._public else HERE_ONLY

    def seen_from(self, origin: str, root: str | None, loopback: bool) -> None:
        """Learn from the teacher's page how a class reaches this vote through the Jupyter server, if it is to.

        Args:
            origin: of the teacher's page, which is let in.
            root: the address of the Jupyter server that serves it, with a slash at its end; None where there is none.
            loopback: whether that is this machine.
        """
        if root is not None and not self._network and (self._public or not loopback):
            self.server.admit(origin)
            self.address = root + self.server.door(public=self._public).path
            self._changed()

    # Who may come in, and what is said to them. All of this runs on the server's loop.

    async def _vote(self, connection: ServerConnection) -> None:
        try:
            voter = await self._joined(connection)
            if isinstance(voter, Refusal):
                await connection.close(*voter)
                return
            await connection.send(json.dumps({"asked": self._asked(voter)}))
            self._present.add(connection)
            self._changed()
            if self._ballot.over:
                await connection.send(self._result())
            for _ in range(MOST_MESSAGES):
                wrong = self._ballot.cast(voter, _read(await connection.recv()).get("vote"))
                self._changed()
                await connection.send(json.dumps({"wrong": wrong} if wrong else {"counted": self._ballot.of(voter)}))
            await connection.close(POLICY_VIOLATION, "too many messages")
        except ConnectionClosed:
            pass
        finally:
            self._present.discard(connection)
            self._changed()

    async def _joined(self, connection: ServerConnection) -> str | Refusal:
        """The voter's id, once the join code is right."""
        try:
            async with asyncio.timeout(PATIENCE):
                told = _read(await connection.recv())
        except TimeoutError:
            return Refusal(POLICY_VIOLATION, "no join code came")
        async with self._doorway:
            if self._wrong >= MOST_WRONG:
                return Refusal(TRY_LATER, "too many wrong join codes came: ask your teacher for a new vote")
            if not self._is_code(told.get("join")):
                self._wrong += 1
                await asyncio.sleep(SLOW)
                return Refusal(POLICY_VIOLATION, "this is not the join code")
        voter = self._ballot.voter(told.get("voter"))
        return Refusal(TRY_LATER, "there are too many voters") if voter is None else voter

    def _is_code(self, said: Any) -> bool:
        if not isinstance(said, str):
            return False
        letters = "".join(said.upper().replace("-", "").split())
        return hmac.compare_digest(letters.encode("utf-8", "replace"), self.code.encode())

    def _asked(self, voter: str) -> dict[str, Any]:
        cases = [{"name": name, **case.kind.form()} for name, case in self._guess.asked.cases.items()]
        return {
            "question": self._guess.asked.question, "cases": cases, "said": self._ballot.of(voter), "voter": voter,
        }  # fmt: skip

    def _result(self) -> str:
        """The last message: the votes and, once the experiment has run, what happened."""
        outcome = self._guess.outcome
        told = {
            "bars": self.bars,
            "told": outcome is not None,
            "was": {row.case: row.was for row in outcome.rows} if outcome is not None else {},
            "meaning": self._guess.asked.meaning if outcome is not None else "",
        }
        return json.dumps({"over": told})

    # What came of it.

    @property
    def voters(self) -> int:
        """How many have voted."""
        return self._ballot.voters

    @property
    def present(self) -> int:
        """How many are connected and have joined."""
        return len(self._present)

    @property
    def bars(self) -> dict[str, list[VoteBar]]:
        """By case: the answers, the most frequent one first. Which is right is told when the teacher has revealed."""
        return self._ballot.bars(self._guess.agrees) if self._ballot.over else self._ballot.bars()

    def reveal(self) -> None:
        """End the voting, and lock the class's most frequent answers in as the prediction. Thread-safe.

        The outcome is shown, here and on the students' pages, as soon as the experiment has run.
        """
        if not self._ballot.finish():
            return
        top = {case: bars[0].answer for case, bars in self.bars.items() if bars and bars[0].votes}
        if self._guess.locked or self._guess.skipped:
            self._form_changed()
        elif set(top) == set(self._guess.asked.cases):
            self._guess.answer(top)
        else:
            self._guess.skip()

    def _form_changed(self) -> None:
        if self._ballot.over:
            start_on(self.lab.loop, self._tell_all())
            self._changed()

    async def _tell_all(self) -> None:
        text = self._result()
        for connection in [*self._present]:
            start_on(asyncio.get_running_loop(), _say(connection, text))

    async def close(self) -> None:
        """End the vote: close its pages' connections and listen no more."""
        await self.lab.close()
        if self in _open:
            _open.remove(self)
        self._wake()

    def end(self) -> None:
        """The same, begun from any thread; returns at once."""
        threading.Thread(target=lambda: asyncio.run(self.close()), name="wslab vote ends", daemon=True).start()

    # How it is shown.

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake()`` called when something has changed, on any thread."""
        self._watchers.append(wake)

    def _changed(self) -> None:
        """Wake who watches, at most ten times a second."""
        loop = self.lab.loop
        if loop is None:
            self._wake()
        elif not self._due:
            self._due = True
            loop.call_soon_threadsafe(lambda: loop.call_later(BREATH, self._wake))

    def _wake(self) -> None:
        self._due = False
        for wake in self._watchers:
            wake()

    def state(self) -> dict[str, Any]:
        """What the teacher's page shows."""
        return {
            "address": self.address, "code": spaced(self.code), "warning": self.warning, "voters": self.voters,
            "present": self.present, "ended": self.lab.closed, "beyond": bool(self._network or self._public),
            "bars": [[case, [list(bar) for bar in bars]] for case, bars in self.bars.items()],
        }  # fmt: skip

    def _sheet(self) -> Sheet:
        told = [self.warning, f"open {self.address} and give the join code {spaced(self.code)}"]
        if self.lab.closed:
            told = ["The vote has ended."]
        rows = [(case, bar.answer, str(bar.votes)) for case, bars in self.bars.items() for bar in bars]
        table = Table(("case", "answer", "votes"), rows, row_heading=0)
        return Sheet("Show of hands", [*map(Words, [*told, self._guess.asked.question]), table])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if shell() is None:
            return {"text/plain": repr(self), "text/html": self._repr_html_()}
        from .projector import Projector

        return Projector([self._guess])._repr_mimebundle_()


def spaced(code: str) -> str:
    """A join code as it is shown, in two halves."""
    return f"{code[:3]}-{code[3:]}"


def _read(message: str | bytes) -> dict[str, Any]:
    """A message as an object; an empty one where it is none."""
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


async def _say(connection: ServerConnection, text: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.send(text)


def own_address() -> str:
    """This machine's address in its network, by which others reach it.

    Raises:
        OSError: it is in none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # RFC 5737 3; connecting UDP sends nothing
        except OSError as error:
            raise OSError(error.errno, f"this machine is in no network: {error.strerror}") from None
        return str(probe.getsockname()[0])


_open: list[ShowOfHands] = []


async def show_of_hands(guess: Prediction, *, network: bool | str = False) -> ShowOfHands:
    """Have a class vote on a prediction: students open one page of this machine, and bars grow in this cell.

    Args:
        guess: what ``predict`` made.
        network: whether others may come. False lets in browsers of this machine only. True listens on this machine's
            address in the local network or, on a hub, opens a door through the Jupyter server to whoever knows its
            path. An address such as ``"192.168.1.20"`` says on which one to listen.

    A vote needs the join code that the cell shows. It crosses a local network in clear. It ends with
    ``await hands.close()``, with another run of its cell, with another vote, and with the kernel.

    Raises:
        OSError: this machine is in no network, or has no such address.
        ValueError: ``network`` is no address of a network.
    """
    address = network if isinstance(network, str) else own_address() if network and not on_a_hub() else ""
    if address:
        read = ipaddress.IPv4Address(address)
        if read.is_unspecified or read.is_multicast or read.is_loopback:
            raise ValueError(f"network={address!r}: expected one address of this machine in a network")
    for earlier in [*_open]:  # one at a time, so that none is forgotten
        await earlier.close()
    hands = ShowOfHands(guess, address, public=bool(network) and not address)
    await hands.start()
    _open[:] = [hands]
    guess.vote = hands
    prediction.tell_listeners()
    return hands
