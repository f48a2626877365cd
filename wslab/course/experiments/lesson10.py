"""Lesson 10, compression: what it saves, how far a sender looks back, what a message may become, and the exercise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ...drawing import style
from ...drawing.pen import line, rect, text
from ...live.lab import Lab
from ...protocol.deflate import agreed
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from ..slider import Slider
from .deflated import answers, size_of
from .drawn import WIDTH, Bar, Bars, Drawn, Group
from .vaults import DIGITS, LEAD_IN, LENGTH, knock, open_vault, overheard

TEXT = '{"type":"price","symbol":"ABC","value":123}'
MESSAGES: Sequence[str | bytes] = (TEXT, TEXT, TEXT, random.Random(10).randbytes(len(TEXT)))


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
        times = size / size_of(frame)
        told = f"about {float(f'{times:.1g}'):,.0f} times smaller" if times >= 1.5 else "no smaller"
        return f"{size:,} letters, {told} on the wire.\nThe server: {said}"


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
    that are said on it, one after another, after the vault's welcome. ``digit(sizes)`` gets the sizes of the answers
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
