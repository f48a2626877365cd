"""Lesson 10, compression: what it saves, how a PIN leaks by sizes, the window, and an exercise for a thief.

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
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing import style
from ...drawing.pen import WIDTH, line, rect, text
from ...live.lab import Lab
from ...protocol import Frame
from ...protocol.deflate import TAIL, agreed
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from ..slider import Slider
from .drawn import Bar, Bars, Drawn, Group
from .strips import Stretch, Strip, Strips

TEXT = '{"type":"price","symbol":"ABC","value":123}'
MESSAGES: Sequence[str | bytes] = (TEXT, TEXT, TEXT, random.Random(10).randbytes(len(TEXT)))
WELCOME = "Welcome, ada. Your PIN is {}."
LEAD_IN = "PIN is "  # what stands before the secret, and before each guess
DIGITS = "0123456789"
LENGTH = 4  # digits of a PIN


def answers(trace: Trace) -> list[Frame]:
    """The server's messages on the last connection, as they were recorded."""
    last = trace.connections[-1]
    records = [one for one in trace.connection(last) if one.kind is Kind.FRAME and one.sender is Sender.SERVER]
    return [frame for frame in map(trace.frame_of, records) if frame.message is not None]


def size_of(frame: Frame) -> int:
    """How many bytes a frame takes on the wire, header and all."""
    return frame.header_length + frame.payload_length


def range_of(size: int) -> str:
    """A size in words, for a message of 43 bytes whose frame has 45 without compression."""
    bounds = {10: "under 10 bytes", 40: "10 to 39 bytes", 46: "40 to 45 bytes"}
    return next((words for bound, words in bounds.items() if size < bound), "over 45 bytes")


def weighed(trace: Trace) -> dict[str, str]:
    """How large the server's four messages were, as cases."""
    names = ("the text", "the same text again", "the same text once more", "43 random bytes")
    return dict(zip(names, [range_of(size_of(frame)) for frame in answers(trace)], strict=True))


def scale(trace: Trace) -> Bars:
    """The sizes of the server's four messages as bars."""
    sizes = [size_of(frame) for frame in answers(trace)]
    names = ("the text", "again", "once more", "random bytes")
    bars = [Bar(name, size) for name, size in zip(names, sizes, strict=True)]
    return Bars("Four messages of 43 bytes: the sizes of their frames", [Group("bytes of each frame", bars)])


# The vault. It says the PIN to its owner first, and repeats whatever it is asked to.


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
        return lengths[2 : 2 + len(said)]  # behind the response to the handshake and the welcome
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
    """Try the ten digits behind those that are known, each on a connection of its own."""
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
    "client_no_context_takeover": {"client_no_context_takeover": True},
    "server_no_context_takeover": {"server_no_context_takeover": True},
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
    short = [name.replace("_no_context_takeover", " forgets") for name in attacks]
    return Slider("The vault", dict(zip(short, [guesses(found) for _, found in attacks.values()], strict=True)))


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
        """Whether each digit was tried."""
        return len(self.rounds) == LENGTH

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

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"image/svg+xml": self.made.svg(), "text/plain": repr(self)}
        ipython = sys.modules.get("IPython")
        if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
            return still
        return {**vault_form(self)._repr_mimebundle_(**kwargs), **still}


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
        go.disabled = True
        await opening.next_round()
        if opening.finished:
            show(f"The door closes with {await opening.knock()}. (4000 is for the right PIN, 4001 for any other.)")
        else:
            show(f"{len(opening.rounds)} of {LENGTH} digits")

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
    return ipywidgets.VBox([ipywidgets.HBox([go, new]), tell, page])


# What a compressed message says: bytes as they are, and copies.


class Token(NamedTuple):
    """A step of a DEFLATE stream: some bytes, and from how far back they were copied; 0 where they stand there."""

    data: bytes
    back: int = 0


_EXTRA = (
    *[0] * 8,
    *[1] * 4,
    *[2] * 4,
    *[3] * 4,
    *[4] * 4,
    *[5] * 4,
    0,
)  # bits behind each length code (RFC 1951 3.2.5)
_FAR = (*[0] * 2, *[number // 2 for number in range(28)])  # bits behind each distance code


def tokens(payload: bytes, before: bytes) -> list[Token]:
    """The steps of a compressed message whose blocks have DEFLATE's fixed codes, as those of short texts do.

    Args:
        payload: as it crossed.
        before: what the sender said in earlier messages, where copies reach into them.

    Raises:
        ValueError: a block of another type.
    """
    bits = _bits(payload + TAIL)
    said = bytearray(before)
    found: list[Token] = []
    while bits and len(said) - len(before) < 1000:
        bits.pop(0)  # BFINAL
        kind = _number(bits, 2)
        if kind == 0:  # an empty stored block: the end of the message
            return found
        if kind != 1:
            raise ValueError(f"a block of type {kind}: these tokens are of fixed codes only")
        while (symbol := _symbol(bits)) != 256:
            if symbol < 256:
                found.append(Token(bytes([symbol])))
                said.append(symbol)
                continue
            code = symbol - 257
            length = 258 if code == 28 else 3 + _base(_EXTRA, code) + _number(bits, _EXTRA[code])
            far = _code(bits, 5)
            back = 1 + _base(_FAR, far) + _number(bits, _FAR[far])
            start = len(said)
            for _ in range(length):
                said.append(said[-back])
            found.append(Token(bytes(said[start:]), back))
    return found


def _bits(data: bytes) -> list[int]:
    return [byte >> place & 1 for byte in data for place in range(8)]


def _number(bits: list[int], width: int) -> int:
    """A number; its lowest bit comes first."""
    return sum(bits.pop(0) << place for place in range(width))


def _code(bits: list[int], width: int, code: int = 0) -> int:
    """A code; its highest bit comes first."""
    for _ in range(width):
        code = code << 1 | bits.pop(0)
    return code


def _symbol(bits: list[int]) -> int:
    """A literal or a length, in the fixed code of RFC 1951 3.2.6."""
    code = _code(bits, 7)
    if code < 0b0011000:
        return code + 256
    code = _code(bits, 1, code)
    if code < 0b11000000:
        return code - 0b00110000
    if code < 0b11001000:
        return code - 0b11000000 + 280
    return _code(bits, 1, code) - 0b110010000 + 144


def _base(extra: Sequence[int], code: int) -> int:
    return sum(1 << width for width in extra[:code])


def steps(trace: Trace) -> Strips:
    """The server's messages on its last connections with a vault, each as the steps that its payload tells."""
    strips = []
    for number in trace.connections:
        frames = [
            trace.frame_of(one)
            for one in trace.connection(number)
            if one.kind is Kind.FRAME and one.sender is Sender.SERVER and one.first & 0b1111 < 8
        ]
        before = b"".join(frame.inflated or b"" for frame in frames[:-1])
        found = tokens(frames[-1].payload or b"", before)
        strips.append(_told(b"".join(one.data for one in found), found, frames[-1].payload_length))
    return Strips("What the answers say: copies, and letters as they are", strips)


def _told(data: bytes, found: Sequence[Token], size: int) -> Strip:
    runs, at = [], 0
    for one in found:
        words = f"copy {len(one.data)} from {one.back} back" if one.back else "as it is"
        runs.append(Stretch(words, at, at + len(one.data), strong=bool(one.back)))
        at += len(one.data)
    copies = sum(bool(one.back) for one in found)
    letters = len(found) - copies
    said = f"{copies} copy and {letters} letters: {size} bytes of payload"
    return Strip(f'The answer "{data.decode()}"', data, runs, said=said.replace(" 1 letters", " 1 letter"))


def last_answer(trace: Trace) -> int:
    """The number of the record of the server's last message."""
    return [
        one.number for one in trace if one.kind is Kind.FRAME and one.sender is Sender.SERVER and one.first & 0b1111 < 8
    ][-1]


async def two_guesses(pin: str = "7391") -> Trace:
    """Have a vault repeat a right guess at the first digit and a wrong one; what was recorded."""
    async with Lab(seed=10) as lab:
        await open_vault(lab, pin)
        for digit in (pin[0], str((int(pin[0]) + 1) % 10)):
            await overheard(lab, [LEAD_IN + digit])
        return lab.trace


# The window.

BETWEEN = 600  # random bytes between the two equal texts
WINDOWS = range(9, 16)  # bits; zlib has no window of 8 bits for such data


async def through_windows(windows: Iterable[int] = WINDOWS) -> dict[int, Trace]:
    """A text, random bytes, and the text again, with windows of so many bits; by the bits, what was recorded."""
    filler = random.Random(10).randbytes(BETWEEN)
    traces = {}
    for bits in windows:
        async with Lab(seed=10) as lab:
            await lab.serve(extensions=[ServerPerMessageDeflateFactory(server_max_window_bits=bits)])
            async with lab.connect(compression="deflate") as client:
                for message in (TEXT, filler, TEXT):
                    await client.send(message)
                    await client.recv()
            traces[bits] = lab.trace
    return traces


def remembered(traces: Mapping[int, Trace], *windows: int) -> dict[str, str]:
    """How large the last answer was with each of these windows, as cases."""
    return {f"a window of {2**bits:,} bytes": range_of(size_of(answers(traces[bits])[-1])) for bits in windows}


class Window(Drawn):
    """Three messages as a row of bytes, and how far back from the last the sender looks.

    Args:
        trace: what was recorded of the three.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__("How far back does the server look?")
        last = trace.connections[-1]
        response = next(one for one in trace.connection(last) if one.kind is Kind.RESPONSE)
        head = trace.bytes_sent(last, Sender.SERVER)[response.offset :].partition(b"\r\n\r\n")[0].decode("latin-1")
        offers = [line.partition(":")[2] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Extensions")]
        parameters = agreed(offers)
        self.reach = 2 ** (parameters.server_max_window_bits if parameters else 15)
        frames = answers(trace)
        self.lengths = [len(frame.inflated or b"") for frame in frames]
        self.size = size_of(frames[-1])

    def __repr__(self) -> str:
        first, between, last = self.lengths
        return (
            f"{self.title}\na text of {first} bytes, {between} random bytes, the text again\n"
            f"the window: the last {self.reach:,} bytes\n→ the second text takes {self.size} of {last + 2} bytes"
        )

    def drawing(self) -> tuple[float, list[str]]:
        """Its height in pixels, and its SVG elements."""
        first, between, last = self.lengths
        each = (WIDTH - 60) / sum(self.lengths)
        ends = [60, 60 + first * each, 60 + (first + between) * each, WIDTH]
        top, parts = 26, []
        for left, right, fill in zip(ends, ends[1:], (style.TINT2, style.TINT, style.TINT2), strict=False):
            parts.append(rect(left, top, right - left, 30, f'fill="{fill}" stroke="{style.RULE}"'))
        names = ("the text", f"{between} random bytes", "again")
        for left, right, name in zip(ends, ends[1:], names, strict=False):
            parts.append(text((left + right) / 2, top - 8, name, size=11, anchor="middle"))
        start = max(0.0, ends[2] - self.reach * each)
        low = top + 44
        tip = f"M{start:.1f} {low - 6}V{low + 6}" if start else f"M10 {low - 5}L0 {low}L10 {low + 5}"
        parts.append(line(f"M{start:.1f} {low}H{ends[2]:.1f}V{low - 6}", ink=style.RED, width=2.5))
        parts.append(line(tip, ink=style.RED, width=2.5))
        parts.append(text(max(start, 16), low + 20, f"the window: the last {self.reach:,} bytes", ink=style.RED))
        parts.append(text(0, low + 46, f"→ the second text takes {self.size} of {last + 2} bytes", weight=700))
        return low + 50, parts


def window_slider(traces: Mapping[int, Trace]) -> Slider:
    """A slider over windows."""
    return Slider("Window bits", {str(bits): Window(trace) for bits, trace in traces.items()})


async def small_and_large(size: int) -> str:
    """Send so many equal letters, compressed, to a server that takes 1 MiB at most; what crossed, and the answer."""
    async with Lab(seed=10) as lab:
        await lab.serve(compression="deflate")
        async with lab.connect(compression="deflate") as client:
            await client.send("a" * size)
            try:
                said = f"{len(await client.recv()):,} bytes come back"
            except ConnectionClosed:
                said = f"it closes with {client.close_code}: {client.close_reason}"
            frame = next(frame for frame in lab.trace.frames if frame.sender is Sender.CLIENT)
        times = round(size / size_of(frame), -2)
        return f"{size:,} letters, about {times:,.0f} times smaller on the wire. The server: {said}"


# The exercise.

MOST = 40  # texts for one digit, at most


def _asks(thief: Any, known: str) -> list[list[str]]:
    """The texts that an answer wants to say, by connection. Raises TypeError where it is no such list."""
    asked = thief.connections(known)
    fine = isinstance(asked, list | tuple) and all(
        isinstance(texts, list | tuple) and texts and all(isinstance(one, str) for one in texts) for texts in asked
    )
    if not fine or not 0 < sum(map(len, asked)) <= MOST:
        raise TypeError(
            f"connections({known!r}) gave {asked!r}"[:200] + f": wanted is a list of lists, {MOST} texts at most"
        )
    return [list(texts) for texts in asked]


def _foretold(asked: Sequence[Sequence[str]], pin: str) -> list[list[int]]:
    """The sizes that a vault's answers to such texts have."""
    sizes = []
    for texts in asked:
        engine = zlib.compressobj(wbits=-15, memLevel=5)
        told = [
            engine.compress(one.encode()) + engine.flush(zlib.Z_SYNC_FLUSH) for one in (WELCOME.format(pin), *texts)
        ]
        sizes.append([len(one) - len(TAIL) + 2 for one in told[1:]])
    return sizes


def _first(thief: Any) -> str:
    return str(_asks(thief(), "73")[0][0])


def _same(thief: Any, largest: bool) -> list[list[int]]:
    """Sizes in the shape that an answer wants, where one answer stands out by a byte."""
    asked = _asks(thief(), "")
    sizes = [[7] * len(texts) for texts in asked]
    sizes[3 % len(sizes)][0] = 8 if largest else 6
    return sizes


@exercise(
    points=4,
    misconception=23,
    variants=2,
    hints=[
        f'A copy takes the place of three bytes or more. So a guess must begin as the welcome goes on: "{LEAD_IN}".',
        "Say each guess on a fresh connection: then nothing but the welcome stands before it.",
        "The right digit's answer is the smallest. Where several are the smallest, you know nothing: return None.",
    ],
    foreseen=[
        (
            lambda f: not _first(f).startswith(LEAD_IN[-3:]) and LEAD_IN not in _first(f),
            "Your texts do not repeat what stands before the PIN: a copy has at least three bytes.",
        ),
        (lambda f: "73" not in _first(f), "Your texts leave out the digits that are known already."),
        (
            lambda f: isinstance(f().digit(_same(f, False)), int),
            "You return a number. A PIN may begin with 0, so a digit is a text here: '7'.",
        ),
        (
            lambda f: f().digit(_same(f, True)) == "3",
            "You take the largest answer. What repeats the secret is copied, so it is the smallest.",
        ),
        (
            lambda f: f().digit([[7] * len(texts) for texts in _asks(f(), "")]) is not None,
            "All answers have the same size, and you name a digit all the same. Then nothing can be told: return None.",
        ),
    ],
)
async def burglary(answer: Any, trial: Trial) -> list[Outcome]:
    """Write ``Thief``, which opens a vault by the sizes of its answers.

    ``connections(known)`` gets the digits that are known and returns a list of connections. Each is a list of texts
    that are said on it, one after another, behind the vault's welcome. ``digit(sizes)`` gets the sizes of the answers
    in the same shape. It returns the next digit as a text, or None where the sizes tell nothing.

    The judge is a vault whose door closes with 4000 for the right PIN, and one that forgets each message.
    """
    pin, thief = f"{trial.random.randrange(10**LENGTH):0{LENGTH}}", answer()
    async with Lab(carrier="memory") as lab:
        await open_vault(lab, pin)
        known, digit = "", None
        for _ in range(LENGTH):
            digit = thief.digit([await overheard(lab, texts) for texts in _asks(thief, known)])
            if not isinstance(digit, str):
                break
            known += digit
        code = await knock(lab, known)
        came = f"{code}, for {known!r}" if isinstance(digit, str) else f"{code}, for {known!r} and then {digit!r}"
        outcomes = [Outcome("a vault that remembers", "4000", came, code == 4000)]
        await open_vault(lab, pin, server_no_context_takeover=True)
        digit = thief.digit([await overheard(lab, texts) for texts in _asks(thief, "")])
    return [*outcomes, Outcome("a vault that forgets each message", "None", repr(digit), digit is None)]


@burglary.reference
class Thief:
    """Opens a vault by the sizes of its answers."""

    def connections(self, known: str) -> list[list[str]]:
        """By connection, the texts to be said on it."""
        return [[LEAD_IN + known + digit] for digit in DIGITS]

    def digit(self, sizes: list[list[int]]) -> str | None:
        """The digit whose answer is the smallest; None where there is more than one."""
        weights = [size for [size] in sizes]
        return str(weights.index(min(weights))) if weights.count(min(weights)) == 1 else None
