"""Lesson 09, JavaScript and other peers: what two libraries make of a goodbye, and a goodbye in JavaScript.

What a page may say and what it is told is in ``page_tries``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from websockets.exceptions import ProtocolError

from ...anatomy.field import Sender
from ...drawing.blocks import Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.visible import quote
from ...live.errors import NodeMissing
from ...live.lab import Lab
from ...recording.trace import Trace
from ..exercises import Outcome, Trial, exercise
from .pages import PageProgram

# What two libraries do.

CLOSES = """\
const attempts = JSON.parse(process.argv[2]);
for (const [code, reason] of attempts) {
  const socket = new WebSocket("ws://localhost:1234");
  await new Promise((go) => (socket.onopen = go));
  let said = "sent";
  try {
    socket.close(code, reason);
  } catch (error) {
    said = "refused";
    socket.close();
  }
  await new Promise((go) => (socket.onclose = go));
  console.log(said);
}
"""
CHOICES = {
    **{f"close({code})": (code, "") for code in (1000, 1001, 1005, 1014, 2999, 4999, 5000)},
    "a reason of 124 bytes": (4000, "a" * 124),
}


async def closed_by_ws(lab: Lab, attempts: Sequence[tuple[int, str]]) -> list[str]:
    """What ``ws`` in Node says to closing like this: "sent" or "refused"."""
    async with await lab.node(CLOSES, kind="client", arguments=[json.dumps(attempts)]) as client:
        await client.wait_closed()
        return client.output.split()


async def closed_by_websockets(lab: Lab, code: int, reason: str) -> str:
    """What ``websockets`` says to it."""
    async with lab.connect() as ws:
        try:
            await ws.close(code, reason)
        except ProtocolError:
            return "refused"
    return "sent"


async def choices(lab: Lab) -> dict[str, str]:
    """What both libraries say to each of ``CHOICES``."""
    by_ws = await closed_by_ws(lab, list(CHOICES.values()))
    outcomes = {}
    for (name, attempt), said in zip(CHOICES.items(), by_ws, strict=True):
        outcomes[f"{name}, ws"] = said
        outcomes[f"{name}, websockets"] = await closed_by_websockets(lab, *attempt)
    return outcomes


MUST = {"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"}


def other_headers(trace: Trace, connection: int) -> list[str]:
    """The names of a request's headers, without those that every client must send (RFC 6455 4.1)."""
    request, _ = trace.heads(connection)
    return [name for name, _ in request.headers if name.lower() not in MUST] if request else []


# The exercise: a goodbye in JavaScript.

MOST = 123  # bytes of a reason: RFC 6455 5.5 allows a payload of 125, and 5.5.1 takes two of them for the code
# The program gets what a page has for this, and nothing of Node's: a submission's mistake then harms nobody. An attack
# can still leave such a context, as wslab.course.stranger says of Python.
FAREWELLS = """\
const vm = await import("node:vm");
const [program, cases] = JSON.parse(process.argv[2]);
const page = vm.createContext({ TextEncoder, TextDecoder, console });
const run = (code) => vm.runInContext(code, page, { timeout: 1000 });
run(program);
for (const [status, text] of cases) {
  const socket = new WebSocket("ws://localhost:1234");
  await new Promise((go) => (socket.onopen = go));
  const over = new Promise((go) => (socket.onclose = go));
  let said = "nothing was thrown";
  const close = socket.close.bind(socket);
  let asText = "";
  socket.close = (...given) => {
    asText = typeof given[0] === "string" ? "; the code is a text" : "";
    close(...given);
  };
  try {
    Object.assign(page, { socket, status, text });
    run("goodbye(socket, status, text)");
    if (socket.readyState === 1) said = "the socket is still open";
  } catch (error) {
    if (error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    said = `${error.name}: ${error.message}${asText}`;
  }
  close();
  await over;
  console.log("@", said);
}
"""
IN_PAGE = """\
const text = TEXT;
const socket = new WebSocket("ws://localhost:1234");
socket.onopen = () =>
  goodbye(socket, STATUS, text);
"""
PATIENCE = 4.0  # seconds for a program with five goodbyes
HAND = "\N{WAVING HAND SIGN}"  # four bytes in UTF-8, and two of JavaScript's characters
SAID, FINE = "@ ", "nothing was thrown"
_seen: dict[str, list[Outcome]] = {}  # by program: what came of it, for the sentences


def cut(text: str) -> str:
    """As many whole letters of a text, from its start, as fit into a close frame's reason."""
    while len(text.encode()) > MOST:
        text = text[:-1]
    return text


def farewells(trial: Trial) -> list[tuple[int, str]]:
    """Statuses and texts with which pages say goodbye: short, as long as may be, too long, and too long in letters."""
    words = " ".join(trial.words(2))
    statuses = trial.random.sample([400, 401, 403, 404, 409, 410, 429], 5)
    filler = trial.random.choice("abc")
    longer = MOST + trial.random.randrange(1, 60)
    # Half a letter is three bytes, of U+FFFD: it fits behind 30 whole ones and not behind one byte and 30.
    hands = HAND * 40
    return list(zip(statuses, [words, filler * MOST, filler * longer, f"{filler}{hands}", hands], strict=True))


def brief(code: int | None, text: str) -> str:
    """A code and a text in a few words."""
    size = len(text.encode())
    return f"{code} {quote(text)}" if size < 30 else f"{code} {quote(text[:6])}… of {size} bytes"


class NoProgram(Shown):
    """Stands where a program is still to be written."""

    def _sheet(self) -> Sheet:
        return Sheet("No program yet", [Words("Write your program first, and then run this cell again.")])


def try_in_page(lab: Lab, answer: Callable[[], str], status: int, text: str) -> PageProgram | NoProgram:
    """A panel in which the page itself says goodbye with the learner's function; words where there is none yet."""
    try:
        program = answer()
    except NotImplementedError:
        return NoProgram()
    calls = IN_PAGE.replace("STATUS", str(status)).replace("TEXT", json.dumps(text))
    return PageProgram(lab, f"{program.strip()}\n\n{calls}")


def _came(program: Any, test: Callable[[Outcome], object]) -> bool:
    return any(test(one) for one in _seen.get(program(), ()))


@exercise(
    points=3,
    misconception=17,
    variants=1,
    hints=[
        "A status of HTTP has three digits. The codes from 4000 to 4999 are yours, so add 4000.",
        "`new TextEncoder().encode(text).length` is the number of bytes that a text takes.",
        '`[...text]` is a list of whole letters. `letters.pop()` takes the last one away, and `letters.join("")` is a '
        "text again.",
    ],
    foreseen=[
        (lambda f: not isinstance(f(), str), "Your function must return the JavaScript as a text."),
        (lambda f: "goodbye" not in f(), "There is no function goodbye in your program."),
        (
            lambda f: _came(f, lambda one: "still open" in one.came),
            "Your function does not call `socket.close`.",
        ),
        (
            lambda f: _came(f, lambda one: "the code is a text" in one.came),
            "Your code is a text, and `ws` takes a number only. In JavaScript a text plus a number is a text.",
        ),
        (
            lambda f: _came(f, lambda one: "valid error code" in one.came),
            "The code is no code of WebSocket's. A page may say 1000 and 3000 to 4999.",
        ),
        (
            lambda f: _came(f, lambda one: "greater than 123" in one.came and HAND not in one.sent),
            "A reason has at most 123 bytes. Cut the text before you close.",
        ),
        (
            lambda f: "TextDecoder" in f() and _came(f, lambda one: "greater than 123" in one.came),
            "You cut through a letter. Half a letter becomes U+FFFD, which is longer. Take whole letters away.",
        ),
        (
            lambda f: _came(f, lambda one: "half a letter" in one.came),
            "You cut 👋 into two halves: JavaScript counts it as two, and `slice` may cut between them. `[...text]` is "
            "a list of whole letters.",
        ),
        (
            lambda f: _came(f, lambda one: "greater than 123" in one.came),
            "You count letters. A reason has at most 123 bytes, and 👋 takes four of them in UTF-8.",
        ),
        (
            lambda f: _came(f, lambda one: "Error: " in one.came),
            "Your function threw an exception, which stands under came. It has what a page has, and nothing of Node's.",
        ),
        (
            lambda f: _came(f, lambda one: one.came.startswith("1005")),
            "Your function closes without a code. The server reports that as 1005.",
        ),
        (
            lambda f: _came(f, lambda one: not one.came.startswith(one.wanted.partition(" ")[0])),
            "The code is not 4000 and the status.",
        ),
        (
            lambda f: _came(f, lambda one: not one.ok),
            "The reason is not what is wanted: all whole letters that fit into 123 bytes, and no others.",
        ),
    ],
)
async def farewell(answer: Any, trial: Trial) -> list[Outcome]:
    """Return JavaScript that defines ``goodbye(socket, status, text)``, for a page that ends its session.

    It closes the open socket with the code ``4000 + status`` and with as much of the text, in whole letters, as fits
    into a close frame. The library ``ws`` in Node runs it, and a server reports what it was told.
    """
    program, cases = answer(), farewells(trial)
    if not isinstance(program, str):
        return [Outcome("the program", "a text", type(program).__name__, False)]
    async with Lab() as lab:
        await lab.serve()
        try:
            arguments = [json.dumps([program, cases])]
            async with await lab.node(FAREWELLS, kind="client", arguments=arguments) as client:
                async with asyncio.timeout(PATIENCE):
                    await client.wait_closed()
                lines = client.lines
        except NodeMissing as missing:
            return [Outcome("the program", "Node runs it", str(missing), False)]
        except TimeoutError:
            return [Outcome("the program", "its end", f"it had not ended after {PATIENCE:g} s", False)]
        await lab.settled()
        reports = [lab.trace.closings(connection)[Sender.SERVER] for connection in lab.trace.connections]
    said = [line.removeprefix(SAID) for line in lines if line.startswith(SAID)]
    if len(said) < len(cases):
        error = next((line.removeprefix("thrown: ") for line in lines if "Error" in line), "it ended too early")
        return [Outcome("the program", "it runs", error, False)]
    outcomes = []
    for (status, text), thrown, report in zip(cases, said, reports, strict=True):
        wanted, told = (4000 + status, cut(text)), (report.code, report.reason or "")
        halved = ", with half a letter" if "\N{REPLACEMENT CHARACTER}" in told[1] else ""
        came = brief(*told) + halved if thrown == FINE else thrown
        outcomes.append(Outcome(brief(status, text), brief(*wanted), came, thrown == FINE and told == wanted))
    _seen[program] = outcomes
    return outcomes


@farewell.reference
def page_goodbye() -> str:
    """JavaScript that says goodbye with a status and as much of a text as fits."""
    return """
function goodbye(socket, status, text) {
  const letters = [...text];
  const size = () => new TextEncoder().encode(letters.join("")).length;
  while (size() > 123) letters.pop();
  socket.close(4000 + status, letters.join(""));
}
"""
