"""The notebook's own WebSocket: where this kernel's Jupyter server has it, and what its messages say.

Theory. JupyterLab talks to a kernel over one WebSocket, at ``<base_url>/api/kernels/<id>/channels``. The Jupyter server
passes each message on to one of the kernel's five ZeroMQ sockets, the channels. With the subprotocol
``v1.kernel.websocket.jupyter.org`` a message is binary, and begins with a table::

    8 bytes          how many offsets follow, the least significant byte first
    8 bytes each     where each part begins, counted from the message's first byte, and last where the last part ends
    the parts        channel, header, parent header, metadata, content, and buffers, if any

The channel is UTF-8, the next four parts are JSON (the Jupyter messaging protocol), buffers are any bytes. A message
may lie about itself: an offset that leads outside makes a ``problem``, not an exception.

Jupyter's own modules are imported where they are used, since a lab needs none of them.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ...anatomy.field import Sender
from ...drawing.visible import count, decode, harmless, visible
from ...protocol.words import BINARY
from ...recording.trace import Trace
from ..carrier import ADDRESS

SUBPROTOCOL: Final = "v1.kernel.websocket.jupyter.org"
PATIENCE = 5.0  # seconds that a Jupyter server has to say whether a kernel is one of its own
WIDTH = 8  # bytes of the count and of each offset
PARTS = ("channel", "header", "parent header", "metadata", "content")
MOST = 240  # characters of a part that are shown

CHANNELS = {
    "shell": "what one cell after the other asks of the kernel",
    "control": "what must not wait for a running cell: interrupt, shut down, debug",
    "iopub": "what the kernel tells everybody: it is busy, a cell printed, a result",
    "stdin": "what a running cell asks of its user",
    "heartbeat": "whether the kernel is there at all",
}
# What changes from run to run, and what is shown instead: ids of messages, sessions and comms; times; versions.
CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?:_\d+_\d+)?(?![0-9a-f])"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "DATE"),
    (re.compile(r'"\d+\.\d+(?:\.\w+)*"'), '"VERSION"'),
)


class NoJupyter(RuntimeError):  # noqa: N818 - the exceptions of this floor say what is the case
    """This is no kernel of a Jupyter server that can be found."""


@dataclass(frozen=True, slots=True)
class KernelSocket:
    """A kernel's WebSocket, as ``here`` finds it."""

    uri: str  # ``ws://127.0.0.1:PORT/<base_url>/api/kernels/<id>/channels``
    kernel_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a client other than a page sends with its handshake, so that Jupyter lets it in."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    def __repr__(self) -> str:
        return "<KernelSocket>"  # the rest changes from run to run or is secret


def here() -> KernelSocket:
    """The WebSocket of the kernel in which this runs.

    It asks every running Jupyter server of this user, with that server's token, whether the kernel is its own. Raises
    NoJupyter if this runs in no kernel, or if no server says yes; the message has what each said.
    """
    kernel_id, said = _kernel_id(), []
    for server in _servers():
        uri = f"{ADDRESS}:{server['port']}{server['base_url']}api/kernels/{quote(kernel_id)}"
        # Behind a hub, a server has no token of its own and takes the hub's.
        token = server["token"] or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        scheme = "s" if server["secure"] else ""
        if (answer := _ask(f"http{scheme}://{uri}", token)) is None:
            return KernelSocket(f"ws{scheme}://{uri}/channels", kernel_id, token)
        said.append(f"the one on port {server['port']}: {answer}")
    told = "; ".join(said) or "none runs that could be asked"
    raise NoJupyter(
        f"no running Jupyter server of this user says that this kernel is its own ({told}). Open the notebook in a "
        "JupyterLab that runs on the kernel's machine, with a token"
    )


def _kernel_id() -> str:
    try:
        from ipykernel.connect import get_connection_file

        name = Path(get_connection_file()).name
    except (ImportError, RuntimeError):
        raise NoJupyter("this runs in no Jupyter kernel: run it in a notebook's cell") from None
    if (match := re.fullmatch(r"kernel-(.+)\.json", name)) is None:
        raise NoJupyter("this kernel was not started by a Jupyter server: its connection file has another name")
    return match[1]


def _servers() -> list[dict[str, Any]]:
    """What this user's servers that listen on TCP say of themselves, this kernel's likeliest first."""
    # jupyter_server has a function that reads the same files, and takes seconds to import.
    from jupyter_core.paths import jupyter_runtime_dir

    parent = int(os.environ.get("JPY_PARENT_PID") or os.getppid())
    servers = []
    for path in sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json")):
        with suppress(OSError, ValueError):  # the file has just gone, or is being written
            servers.append(json.loads(path.read_text(encoding="utf-8")))
    return sorted((each for each in servers if each.get("port")), key=lambda each: each.get("pid") != parent)


def _ask(url: str, token: str) -> str | None:
    """None if the server at ``url`` knows the kernel; else what it says instead."""
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"} if token else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.reason}" if token else "it has no token, so only its own pages may ask it"
    except OSError as error:
        return str(getattr(error, "reason", error))


@dataclass(frozen=True)
class JupyterMessage:
    """A message of the kernel's WebSocket. Its text is the same in every run: ids and times are left out."""

    data: bytes
    sender: Sender | None = None  # CLIENT for what a page sends to the kernel, SERVER for what comes back

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The offsets, as far as there are bytes for them."""
        places = range(WIDTH, WIDTH * (1 + min(self._count, len(self.data) // WIDTH - 1)), WIDTH)
        return tuple(int.from_bytes(self.data[at : at + WIDTH], "little") for at in places)

    @property
    def _count(self) -> int:
        return int.from_bytes(self.data[:WIDTH], "little") if len(self.data) >= WIDTH else 0

    @cached_property
    def problem(self) -> str:
        """Why the parts cannot be read; empty if they can."""
        if len(self.data) < WIDTH:
            return f"a message begins with a number of {WIDTH} bytes, and this has {len(self.data)}"
        if self._count <= len(PARTS):
            return f"it says that it has {self._count} offsets; {len(PARTS)} parts and an end need {len(PARTS) + 1}"
        if len(self.offsets) < self._count:
            return f"it says that it has {self._count} offsets, and ends after {len(self.offsets)}"
        for before, after in pairwise((WIDTH * (1 + self._count), *self.offsets, len(self.data))):
            if before > after:
                return f"a part begins or ends at byte {after}, before byte {before}, or beyond the message's end"
        return ""

    @cached_property
    def parts(self) -> tuple[bytes, ...]:
        """Channel, header, parent header, metadata, content, buffers as they crossed; none if there is a problem."""
        return () if self.problem else tuple(self.data[start:stop] for start, stop in pairwise(self.offsets))

    @property
    def channel(self) -> str:
        """The kernel's socket that it goes to or comes from."""
        return decode(self.parts[0]) if self.parts else ""

    @property
    def header(self) -> dict[str, Any]:
        """msg_id, msg_type, session, username, date, version."""
        return self._json(1)

    @property
    def parent_header(self) -> dict[str, Any]:
        """The header of the message that this one answers; empty if it answers none."""
        return self._json(2)

    @property
    def metadata(self) -> dict[str, Any]:
        """What is said about the content."""
        return self._json(3)

    @property
    def content(self) -> dict[str, Any]:
        """What is said; its keys depend on the type."""
        return self._json(4)

    @property
    def buffers(self) -> tuple[bytes, ...]:
        """What JSON could not carry, such as a widget's binary data."""
        return self.parts[len(PARTS) :]

    @property
    def type(self) -> str:
        """Its msg_type, such as ``execute_request``."""
        return str(self.header.get("msg_type", ""))

    def answers(self, request: JupyterMessage) -> bool:
        """Whether its parent is ``request``."""
        asked = request.header.get("msg_id")
        return asked is not None and self.parent_header.get("msg_id") == asked

    def _json(self, part: int) -> dict[str, Any]:
        try:
            read = json.loads(self.parts[part])
        except (IndexError, ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    def __str__(self) -> str:
        arrow = {Sender.CLIENT: "● page to kernel", Sender.SERVER: "■ kernel to page", None: "message"}[self.sender]
        if self.problem:
            return f"{arrow}: cannot be read: {self.problem}"
        numbers = f"{count(len(self.offsets), 'number')} of {WIDTH} bytes"
        rows = [("offsets", numbers, "where each part begins and the last ends")]
        rows += zip(PARTS, self._shown, self._meanings, strict=True)
        for number, data in enumerate(self.buffers):
            rows.append((f"buffer {number}", count(len(data), "byte"), "bytes that JSON could not carry"))
        lines = [f"{arrow}, {visible(self.channel)}: {visible(self.type)}"]
        lines += [f"    {name:<15}{shown}\n{'':19}{meaning}" for name, shown, meaning in rows]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def _shown(self) -> Iterator[str]:
        texts = [decode(part) for part in self.parts[: len(PARTS)]]
        for number in (1, 2):  # their values change with each message, or name this machine's user
            texts[number] = ", ".join(self._json(number)) or texts[number]
        for text in texts:
            for pattern, name in CHANGING:
                text = pattern.sub(name, text)
            yield harmless(text if len(text) <= MOST else text[:MOST] + "…")

    @property
    def _meanings(self) -> tuple[str, ...]:
        kind = visible(str(self.parent_header.get("msg_type") or ""))
        return (
            CHANNELS.get(self.channel, "no channel that the messaging protocol knows"),
            "which message this is, of what kind, who sends it, and when",
            f"the header of the {kind} that it answers" if kind else "it answers nothing",
            "about the content" if self.metadata else "nothing is said about the content",
            "what is said; what is in it depends on the kind",
        )


def encode(channel: str, type_: str, content: Mapping[str, Any] | None = None, *buffers: bytes) -> bytes:
    """A message of ``SUBPROTOCOL`` with a new header, for a client that speaks to a kernel.

    From a cell, ask on ``control``: the kernel answers on ``shell`` only after the cell that asks has ended.
    """
    header = {
        "msg_id": uuid.uuid4().hex, "msg_type": type_, "session": uuid.uuid4().hex, "username": "",
        "date": datetime.now(UTC).isoformat(), "version": "5.3",
    }  # fmt: skip
    parts = [channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, dict(content or {}))), *buffers]
    ends = [*accumulate(map(len, parts), initial=WIDTH * (len(parts) + 2))]
    return b"".join([number.to_bytes(WIDTH, "little") for number in (len(ends), *ends)] + parts)


def read(trace: Trace) -> list[JupyterMessage]:
    """The binary messages of a recording, in the order in which they were completed."""
    binary = (message for message in trace.messages if message.opcode == BINARY)
    return [JupyterMessage(message.data, message.sender) for message in binary if message.data is not None]
