"""A vault that leaks its PIN by the sizes of its answers, the thief, and the panel on which both are seen.

Theory. DEFLATE (RFC 1951) replaces bytes that came before by a copy: how far back, and how many. With *context
takeover* (RFC 7692 7.2) "before" reaches into earlier messages of the same connection. So the size of a message tells
whether it repeats what was said before, and who can have a server repeat a guess learns the secret a digit at a time.
A right guess is one byte shorter in every case only where the copy is all that the message is: the secret comes first,
the guess comes back alone in a message of its own, and few guesses came before it on the connection, since a copy from
further back takes more bits (RFC 1951 3.2.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from ...anatomy.field import Sender
from ...drawing.cell import beside
from ...live.lab import Lab
from ...recording.trace import Trace
from ..slider import Slider
from .deflated import answers, size_of
from .drawn import Bar, Bars, Group

WELCOME = "Welcome, ada. Your PIN is {}."
LEAD_IN = "PIN is "  # what stands before the secret, and before each guess
DIGITS = "0123456789"
LENGTH = 4  # digits of a PIN


def vault(pin: str) -> Callable[[ServerConnection], Any]:
    """A server that tells a PIN and then repeats what it gets. At ``/door`` it closes with 4000 for the right PIN."""

    async def serve(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            if connection.request is not None and connection.request.path == "/door":
                await connection.close(4000 if await connection.recv() == pin else 4001)
                return
            await connection.send(WELCOME.format(pin))
            async for said in connection:
                await connection.send(said)

    return serve


async def open_vault(lab: Lab, pin: str, *, tls: bool = False, **agreement: Any) -> None:
    """Serve a vault that compresses.

    Args:
        lab: where.
        pin: its secret.
        tls: whether it speaks TLS.
        agreement: what ``ServerPerMessageDeflateFactory`` takes, such as ``server_no_context_takeover=True``.
    """
    await lab.serve(vault(pin), tls=tls, extensions=[ServerPerMessageDeflateFactory(**agreement)])


async def overheard(lab: Lab, texts: Iterable[str]) -> list[int]:
    """Have the vault repeat texts on a fresh connection; how many bytes each of its answers took on the wire.

    Over TLS these are the lengths of records, all that somebody on the way sees.
    """
    said = [*texts]
    async with lab.connect(compression="deflate") as client:
        await client.recv()
        for one in said:
            await client.send(one)
            await client.recv()
    if lab.server is not None and lab.server.uri.startswith("wss:"):
        records = lab.eavesdropped().records
        lengths = [one.length for one in records if one.sender is Sender.SERVER and one.carried]
        return lengths[2 : 2 + len(said)]  # after the response to the handshake and the welcome
    return [size_of(frame) for frame in answers(lab.trace)[1:]]


class Round(NamedTuple):
    """Ten guesses at one digit."""

    known: str  # the digits before it
    sizes: tuple[int, ...]  # of the answers to the guesses 0 to 9

    @property
    def digit(self) -> str | None:
        """The digit whose answer alone is the smallest; None where no size stands out."""
        smallest = min(self.sizes)
        return str(self.sizes.index(smallest)) if self.sizes.count(smallest) == 1 else None


class Burglary(NamedTuple):
    """Rounds, one for each digit, and what came of them."""

    rounds: tuple[Round, ...]

    @property
    def pin(self) -> str | None:
        """The PIN; None where it could not be told."""
        last = self.rounds[-1]
        return None if last.digit is None else last.known + last.digit


async def ten_guesses(lab: Lab, known: str) -> Round:
    """Try the ten digits after those that are known, each on a connection of its own."""
    return Round(known, tuple([(await overheard(lab, [LEAD_IN + known + digit]))[0] for digit in DIGITS]))


async def burgle(pin: str, *, tls: bool = False, carrier: str | None = None, **agreement: Any) -> Burglary:
    """Guess a vault's PIN by nothing but sizes, until it is known or a round tells nothing.

    Args:
        pin: the vault's secret. No guess looks at it.
        tls: whether the vault speaks TLS.
        carrier: the lab's.
        agreement: what ``open_vault`` takes.
    """
    async with Lab(carrier=carrier) as lab:
        await open_vault(lab, pin, tls=tls, **agreement)
        rounds: list[Round] = []
        while len(rounds) < LENGTH and (not rounds or rounds[-1].digit is not None):
            known = rounds[-1].known + (rounds[-1].digit or "") if rounds else ""
            rounds.append(await ten_guesses(lab, known))
        return Burglary(tuple(rounds))


VAULTS: Mapping[str, Mapping[str, Any]] = {
    "wss:": {"tls": True},
    "the client forgets": {"client_no_context_takeover": True},
    "the server forgets": {"server_no_context_takeover": True},
}


def pin_of(seed: object) -> str:
    """A PIN by chance from a seed."""
    return f"{random.Random(f'{seed!r} PIN').randrange(10**LENGTH):0{LENGTH}}"


async def three_vaults(seed: object = 10) -> dict[str, tuple[str, Burglary]]:
    """The same attack on three vaults; by their names the PIN and what came of the attack."""
    return {name: (pin_of(seed), await burgle(pin_of(seed), **how)) for name, how in VAULTS.items()}


def opened(attacks: Mapping[str, tuple[str, Burglary]]) -> dict[str, str]:
    """By vault, whether the attack found its PIN."""
    return {name: "it opens" if found.pin == pin else "it stays shut" for name, (pin, found) in attacks.items()}


def guesses(burglary: Burglary, title: str = "The sizes of the vault's answers, in bytes") -> Bars:
    """The rounds as bars, ten in each."""
    return Bars(title, [_group(number, one) for number, one in enumerate(burglary.rounds, 1)], LENGTH)


def _group(number: int, one: Round) -> Group:
    bars = [Bar(digit, size, digit == one.digit) for digit, size in zip(DIGITS, one.sizes, strict=True)]
    said = "no size stands out" if one.digit is None else f"{LEAD_IN}{one.known}{one.digit}"
    return Group(f"round {number}: {LEAD_IN}{one.known}?", bars, said)


def _not_yet(rounds: Sequence[Round]) -> Bars:
    """The rounds so far as bars, and places for those that are to come."""
    come = [
        Group(f"round {number}", [Bar(digit, 0) for digit in DIGITS]) for number in range(len(rounds) + 1, LENGTH + 1)
    ]
    made = [_group(number, one) for number, one in enumerate(rounds, 1)]
    return Bars("The sizes of the vault's answers, in bytes", [*made, *come])


def vault_slider(attacks: Mapping[str, tuple[str, Burglary]]) -> Slider:
    """A slider over the vaults that were attacked."""
    return Slider("The vault", {name: guesses(found) for name, (_, found) in attacks.items()})


class Vault:
    """A vault to be opened by sizes. In a notebook its button tries the ten digits of the next place.

    As text and as a drawing it is an attack that was made when the vault was set up.

    Args:
        burglary: that attack.
    """

    def __init__(self, burglary: Burglary) -> None:
        self.made = guesses(burglary)
        self.rounds: list[Round] = []
        self.another()

    def another(self) -> None:
        """Take another PIN, which nobody knows."""
        self._pin = pin_of(random.SystemRandom().random())
        self.rounds.clear()

    @property
    def finished(self) -> bool:
        """Whether each digit was tried, or one could not be told: then there is nothing to go on from."""
        return len(self.rounds) == LENGTH or any(one.digit is None for one in self.rounds)

    async def next_round(self) -> None:
        """Try the ten digits of the next place."""
        known = self.rounds[-1].known + (self.rounds[-1].digit or "") if self.rounds else ""
        async with Lab() as lab:
            await open_vault(lab, self._pin)
            self.rounds.append(await ten_guesses(lab, known))

    async def knock(self) -> int | None:
        """Say the PIN that was found at the vault's door; the code with which the door closes."""
        last = self.rounds[-1]
        async with Lab() as lab:
            await lab.serve(vault(self._pin))
            return await knock(lab, last.known + (last.digit or ""))

    def __repr__(self) -> str:
        return repr(self.made)

    def svg(self) -> str:
        """What was found out by now, as a picture."""
        return self.made.svg()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"text/html": self.svg(), "text/plain": repr(self)}
        return beside(still, lambda: vault_form(self), **kwargs)


async def knock(lab: Lab, pin: Any) -> int | None:
    """Say a PIN at a vault's door; the code with which it closes."""
    client: ClientConnection
    async with lab.connect("/door") as client:
        await client.send(str(pin))
        await client.wait_closed()
    return client.close_code


def vault_form(opening: Vault) -> Any:
    """The vault with its buttons."""
    import ipywidgets

    from ..forms import form

    tell = ipywidgets.HTML()
    page = ipywidgets.HTML()
    go = ipywidgets.Button(description="Try ten digits", tooltip="Ten connections, one for each digit")
    new = ipywidgets.Button(description="Another PIN", tooltip="A vault with a PIN that nobody knows")
    tasks: set[asyncio.Task[None]] = set()

    def show(said: str) -> None:
        tell.value = said
        page.value = _not_yet(opening.rounds).svg()
        go.disabled = opening.finished

    async def advance() -> None:
        go.disabled = new.disabled = True  # one round at a time, and all of it at one vault
        try:
            await opening.next_round()
            if opening.rounds[-1].digit is None:
                said = f"No size stands out, so digit {len(opening.rounds)} is not known. Take another PIN."
            elif len(opening.rounds) == LENGTH:
                said = f"The door closes with {await opening.knock()}. (4000 is for the right PIN, 4001 for any other.)"
            else:
                said = f"{len(opening.rounds)} of {LENGTH} digits"
        finally:
            go.disabled, new.disabled = opening.finished, False
        show(said)

    def pressed(_: object) -> None:
        task = asyncio.ensure_future(advance())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def renewed(_: object) -> None:
        opening.another()
        show("The vault is shut.")

    go.on_click(pressed)
    new.on_click(renewed)
    show("The vault is shut.")
    return form(ipywidgets.HBox([go, new]), tell, page)


async def two_guesses(pin: str = "7391") -> Trace:
    """Have a vault repeat a right guess at the first digit and a wrong one; what was recorded."""
    async with Lab(seed=10) as lab:
        await open_vault(lab, pin)
        for digit in (pin[0], str((int(pin[0]) + 1) % 10)):
            await overheard(lab, [LEAD_IN + digit])
        return lab.trace
