"""Lesson 17, Jupyter's own socket: a small Jupyter server with a kernel, and what crosses when a cell runs in it.

The cell that asks waits for the answer, and a kernel runs one cell at a time. So a kernel that runs this cell cannot
run another one meanwhile, and the experiments use a kernel of their own. ``ask_this_kernel`` asks the one that is here.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from ...anatomy.field import Sender
from ...drawing.blocks import Ladder, Rung, Words
from ...drawing.sheet import Sheet, Shown
from ...drawing.visible import quote
from ...live.jupyter import jupyter_socket
from ...live.jupyter.jupyter_socket import SUBPROTOCOL, WIDTH, JupyterMessage, NoJupyter, encode
from ...live.lab import Lab
from ...live.relay.relay import Relay
from ...protocol.words import BINARY, TEXT
from ...recording.trace import Trace
from .middle import FrameRows
from .strips import Stretch, Strip

START = 60.0  # seconds that a server, or a kernel, may take to start
ANSWER = 25.0  # seconds that a kernel may take to answer
HELLO = 'print("Hello")'
PAUSES = "import time\nfor number in range(3):\n    print(number)\n    time.sleep(0.5)"
AT_ONCE = "for number in range(3):\n    print(number)"
SLEEPS = "import time\ntime.sleep(1)"
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
# The server ends in order when the program that started it closes its end of the pipe, or is gone.
LEASH = """
import os, signal, sys, threading
from jupyter_server.serverapp import main

def wait():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=wait, daemon=True).start()
main()
"""
EXTENSIONS = ("jupyterlab", "jupyter_lsp", "notebook_shim", "jupyter_server_terminals", "nbgrader", "wslab.splice")


class SmallJupyter:
    """A Jupyter server in a process of its own, with one kernel, and a relay in front. Made by ``start_jupyter``.

    It ends with ``close``, or with this program.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._token = secrets.token_hex(16)
        self._home = tempfile.TemporaryDirectory(prefix="wslab-")
        folders = {name: str(Path(self._home.name, name.lower())) for name in FOLDERS}
        for folder in folders.values():
            Path(folder).mkdir()
        self._runtime = Path(folders["JUPYTER_RUNTIME_DIR"])
        self.process = subprocess.Popen(
            [
                sys.executable, "-c", LEASH, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0", f"--ServerApp.root_dir={self._home.name}",
                f"--IdentityProvider.token={self._token}", "--KernelManager.shutdown_wait_time=0.5",
                f"--ServerApp.jpserver_extensions={dict.fromkeys(EXTENSIONS, False)}",
            ],
            env={**os.environ, **folders}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt is for the kernel, and the system tells it to the whole group
        )  # fmt: skip
        self._end = weakref.finalize(self, _stop, self.process, self._home)
        self.relay: Relay | None = None
        self.socket: ClientConnection | None = None

    async def open(self) -> None:
        """Wait until the server listens, start a kernel, and connect to it through a relay, as a page does."""
        async with asyncio.timeout(START):
            while (url := self._url()) is None:  # noqa: ASYNC110 - another process makes a file
                await asyncio.sleep(0.05)
            while (kernel := await asyncio.to_thread(self._kernel, url)) is None:  # noqa: ASYNC110 - and listens
                await asyncio.sleep(0.05)
            self.relay = await self.lab.relay(to=f"ws{url.removeprefix('http')}api/kernels/{kernel}/channels")
            self.socket = await self.connect(SUBPROTOCOL)

    async def connect(self, *subprotocols: str) -> ClientConnection:
        """Another connection to the kernel, through the same relay."""
        named = [Subprotocol(one) for one in subprotocols]
        headers = {"Authorization": f"token {self._token}"}
        assert self.relay is not None
        return await self.lab.connect(
            self.relay.uri, subprotocols=named or None, additional_headers=headers, max_size=None
        )

    def _url(self) -> str | None:
        file = self._runtime / f"jpserver-{self.process.pid}.json"
        if self.process.poll() is not None:
            raise RuntimeError("the small Jupyter server did not start")
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError):  # no file yet, or half a file
            return None

    def _kernel(self, url: str) -> str | None:
        headers = {"Authorization": f"token {self._token}"}
        request = urllib.request.Request(f"{url}api/kernels", method="POST", data=b"{}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=START) as answer:
                return str(json.load(answer)["id"])
        except ConnectionError:
            return None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):  # it does not listen yet
                return None
            raise

    async def ask(self, kind: str, content: Mapping[str, Any] | None = None, channel: str = "shell") -> KernelLadder:
        """Send a request, and wait for its answer; what crossed.

        Args:
            kind: of the request, such as ``complete_request``.
            content: what it says; its keys depend on the kind.
            channel: ``shell`` or ``control``.
        """
        return (await self.ask_all([(channel, kind, content or {})]))[0]

    async def run(self, code: str) -> KernelLadder:
        """Run a cell in the kernel; what crossed."""
        return await self.ask("execute_request", executed(code))

    async def ask_all(self, requests: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[KernelLadder]:
        """Send requests, each as channel, kind and content, and wait for all answers; what crossed for each."""
        assert self.socket is not None
        assert self.relay is not None
        asked = [JupyterMessage(encode(*request), Sender.CLIENT) for request in requests]
        for question in asked:
            await self.socket.send(question.data)
        left = {str(question.header["msg_id"]): {"reply", "idle"} for question in asked}
        async with asyncio.timeout(ANSWER):
            while any(left.values()):
                data = await self.socket.recv()
                message = JupyterMessage(data if isinstance(data, bytes) else data.encode())
                what = "reply" if message.type.endswith("_reply") else str(message.content.get("execution_state"))
                left.get(str(message.parent_header.get("msg_id")), set()).discard(what)
        await self.relay.settled()
        return [KernelLadder(self.relay.trace, question) for question in asked]

    async def close(self) -> None:
        """End the connection, the kernel and the server."""
        if self.socket is not None:
            await self.socket.close()
        await asyncio.to_thread(self._end)

    def __repr__(self) -> str:
        return "<SmallJupyter>"  # the rest changes from run to run or is secret


def _stop(process: subprocess.Popen[bytes], home: tempfile.TemporaryDirectory[str]) -> None:
    """End the server, which ends its kernels, and remove what it stored."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    home.cleanup()


async def start_jupyter(lab: Lab) -> SmallJupyter:
    """Start a small Jupyter server with a kernel, and connect to it through a relay of this lab. Takes some seconds."""
    jupyter = SmallJupyter(lab)
    try:
        await jupyter.open()
    except BaseException:
        await jupyter.close()
        raise
    return jupyter


def executed(code: str) -> dict[str, Any]:
    """The content of a request to run a cell."""
    return {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}


class KernelLadder(Shown):
    """A request to a kernel and everything that answers it.

    The channels are five sockets, and what crosses on one does not wait for the others. So the messages stand in the
    order of the dates that their senders wrote.

    Args:
        trace: what was recorded.
        question: the request.
    """

    def __init__(self, trace: Trace, question: JupyterMessage) -> None:
        self.trace, self.question = trace, question
        own = question.header["msg_id"]
        said = [one for one in jupyter_socket.read(trace) if own == one.header.get("msg_id") or one.answers(question)]
        self.messages = sorted(said, key=lambda one: str(one.header["date"]))
        self.arrived = said  # in the order in which they crossed
        self.opcodes = {one.opcode for one in trace.messages if one.data in [each.data for each in said]}

    def _sheet(self) -> Sheet:
        rungs = [
            Rung(number, one.channel, int(one.sender or 0), told(one), "plain", "point", False, float(number), None)
            for number, one in enumerate(self.messages)
        ]
        ladder = Ladder(rungs, ("page", "kernel"), {"plain": "a WebSocket message"})
        return Sheet("What crossed", [Words("What crossed, with the channel of each message"), ladder])


SAID = ("text", "code", "implementation")  # the keys of a content that hold somebody's words
WORDS = ("execution_state", "matches", "status")


def told(message: JupyterMessage) -> str:
    """A message in a few words: its type, and the part of its content that says most."""
    content = message.content
    quoted = [_quoted(str(content[key]), whole=key != "code") for key in SAID if key in content]
    listed = [content[key] if isinstance(content[key], list) else [content[key]] for key in WORDS if key in content]
    plain = [", ".join(map(str, one)) for one in listed]
    return " ".join([message.type, *[*quoted, *plain][:1]])


def _quoted(text: str, *, whole: bool) -> str:
    """A text in quotes; of a cell's code the first line, since what it prints stands on the ladder too."""
    first, more, _ = text.partition("\n")
    return quote(text) if whole or not more else f"{quote(first)} …"


# What the predictions ask.


def crossed(ladder: KernelLadder) -> dict[str, Any]:
    """How many messages crossed for a request, in each direction, and in which kind of frame."""
    senders = [one.sender for one in ladder.messages]
    return {
        "messages from the page to the kernel": senders.count(Sender.CLIENT),
        "messages from the kernel to the page": senders.count(Sender.SERVER),
        "the frames that carry them": kinds(ladder.opcodes),
    }


def kinds(opcodes: Iterable[int]) -> str:
    """The kinds of messages, in words."""
    names = {TEXT: "TEXT", BINARY: "BINARY"}
    return " and ".join(names[opcode] for opcode in sorted(opcodes))


async def without_subprotocol(jupyter: SmallJupyter) -> str:
    """The kind of frame in which a kernel answers a client that names no subprotocol."""
    header = {"msg_id": secrets.token_hex(8), "msg_type": "kernel_info_request", "session": "", "username": ""}
    question = {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}
    async with asyncio.timeout(ANSWER), await jupyter.connect() as socket:
        await socket.send(json.dumps(question))
        answer = await socket.recv()
    return kinds([TEXT if isinstance(answer, str) else BINARY])


async def hello(jupyter: SmallJupyter) -> tuple[KernelLadder, dict[str, Any]]:
    """Run a cell that prints one word: what crossed, and what the prediction asks."""
    ladder = await jupyter.run(HELLO)
    return ladder, {**crossed(ladder), "without a subprotocol, the answer's frame": await without_subprotocol(jupyter)}


async def printed(jupyter: SmallJupyter) -> tuple[KernelLadder, dict[str, Any]]:
    """Run a cell that prints three numbers with pauses, and one that prints them at once."""
    slow, fast = await jupyter.run(PAUSES), await jupyter.run(AT_ONCE)
    return slow, outputs(slow, fast)


def outputs(slow: KernelLadder, fast: KernelLadder) -> dict[str, Any]:
    """How many messages carried what two cells printed, and when the first of them came."""
    return {
        "with pauses: messages that carry the output": streams(slow),
        "without pauses: messages that carry the output": streams(fast),
        "with pauses: the first of them comes": before(slow, "stream", slow, "execute_reply"),
    }


def streams(ladder: KernelLadder) -> int:
    """How many messages carried output."""
    return sum(one.type == "stream" for one in ladder.messages)


def before(first: KernelLadder, kind: str, second: KernelLadder, other: str) -> str:
    """Whether the first message of one kind crossed before that of another kind, which ends a cell."""
    order = [one.data for one in jupyter_socket.read(first.trace)]
    places = [
        min(order.index(one.data) for one in ladder.arrived if one.type == wanted)
        for ladder, wanted in ((first, kind), (second, other))
    ]
    return "before the cell has ended" if places[0] < places[1] else "after the cell has ended"


async def interrupted_by_questions(jupyter: SmallJupyter) -> dict[str, str]:
    """Ask a kernel on two channels while a cell sleeps for a second: when each answer came."""
    cell, *questions = await jupyter.ask_all(
        [
            ("shell", "execute_request", executed(SLEEPS)),
            ("shell", "kernel_info_request", {}),
            ("control", "kernel_info_request", {}),
        ]
    )
    when = [before(one, "kernel_info_reply", cell, "execute_reply") for one in questions]
    return dict(zip(("asked on shell, it is answered", "asked on control, it is answered"), when, strict=True))


# Every byte of a message's beginning.


def beginning(message: JupyterMessage) -> FrameRows:
    """The first bytes of a message: how many offsets there are, the offsets, and the channel's name."""
    offsets = message.offsets
    start = WIDTH * (1 + len(offsets))
    runs = [Stretch(f"{len(offsets)} offsets", 0, WIDTH)]
    runs += [
        Stretch(f"at {offset}", WIDTH * place, WIDTH * (place + 1)) for place, offset in enumerate(offsets, start=1)
    ]
    numbers, name = message.data[:start], message.data[start : offsets[1]]
    rows = [
        Strip("the table: numbers of 8 bytes, the least significant byte first", numbers, runs, letters=False),
        Strip(f"from byte {start} on: the channel", name, said=f"the header begins at byte {offsets[1]}"),
    ]
    return FrameRows("How a message of the kernel's socket begins", rows)


# This notebook's own kernel.


async def ask_this_kernel(lab: Lab) -> str:
    """Ask the kernel of this notebook what it is, through a relay; question and answer, or why that cannot be."""
    try:
        kernel = await asyncio.to_thread(jupyter_socket.here)
    except NoJupyter:
        return "No Jupyter server runs this kernel. Open the notebook in JupyterLab to see its own socket."
    relay = await lab.relay(to=kernel.uri)
    question = JupyterMessage(encode("control", "kernel_info_request"), Sender.CLIENT)
    async with (
        asyncio.timeout(ANSWER),
        lab.connect(
            relay.uri, subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=kernel.headers, max_size=None
        ) as ws,
    ):
        await ws.send(question.data)
        async for data in ws:
            if isinstance(data, bytes) and is_answer(JupyterMessage(data), question):
                break
    await relay.settled()
    said = [one for one in jupyter_socket.read(relay.trace) if one.data == question.data or is_answer(one, question)]
    return "\n\n".join(map(str, said))


def is_answer(message: JupyterMessage, question: JupyterMessage) -> bool:
    """Whether it is the reply to a question, and not only a status because of it."""
    return message.type.endswith("_reply") and message.answers(question)
