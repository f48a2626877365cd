"""One opening handshake sent to a lab's server exactly as it is written, and what server and client make of it.

A request in an editor has lines. On the wire each line ends in CRLF and an empty line ends the head (RFC 9112 2.1).
``written`` adds both, or nothing where the exact bytes are typed. ``attempt`` sends them over a bare TCP connection,
which is recorded like all traffic, and leaves nothing open: it closes a connection that the server accepted with 1000.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...drawing.visible import count, decode
from ...protocol import Head, build_close, explain_head, parse_head
from ...protocol.head import head_end
from ...protocol.rules import judge_head
from ..errors import StreamEnded
from ..raw import RawEndpoint
from ..tap import SAMPLE_MASK

TIMEOUT = 5.0  # seconds that a server has for its response
LEAVING = 1.0  # seconds that a server has for its part of the closing handshake

_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[rnt\\])")
_SHORT = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def written(text: str, *, exactly: bool = False) -> bytes:
    r"""The bytes of a request that was typed as text.

    Args:
        text: a line for the request and one for each header. What follows an empty line is sent after the head.
        exactly: send what is typed and nothing else: a line ends in a bare LF, nothing is added at the end, and
            ``\r``, ``\n``, ``\t``, ``\\`` and ``\x00`` to ``\xff`` stand for these bytes.
    """
    if exactly:
        typed = text.encode("utf-8", "surrogatepass")
        return _ESCAPE.sub(lambda found: _SHORT.get(found[1]) or bytes.fromhex(found[1][1:].decode()), typed)
    lines = text.replace("\r\n", "\n").rstrip("\n")
    lines += "" if "\n\n" in lines else "\n\n"
    return lines.replace("\n", "\r\n").encode("utf-8", "surrogatepass")


def request_head(data: bytes) -> Head:
    """The request with which ``data`` begins, as far as it is one, and the rules that it breaks."""
    end = head_end(data)
    head = parse_head(data if end < 0 else data[:end], Sender.CLIENT)
    return replace(head, violations=judge_head(head, meant=True))


def explain_request(data: bytes) -> Explanation:
    """The bytes of a request, explained, and what follows the head too."""
    return explain_head(data, Sender.CLIENT, violations=request_head(data).violations)


class Check(NamedTuple):
    """One of the checks with which a client reads a response (RFC 6455 section 4.1), and how it went."""

    what: str
    outcome: str  # ``holds``, ``fails``, or ``not reached``
    found: str = ""  # what was found, where it fails


HOLDS, FAILS, NOT_REACHED = "holds", "fails", "not reached"

_CHECKS: Final = (  # in the order of RFC 6455 4.1, each with the rules that it is made of
    ("the status is 101", ("response-malformed",)),
    ("Upgrade is websocket", ("response-upgrade",)),
    ("Connection names Upgrade", ("response-connection",)),
    ("Sec-WebSocket-Accept answers the key", ("accept-missing", "accept-wrong", "accept-doubled")),
    ("only extensions that were asked for",
     ("response-extensions-malformed", "extension-not-asked-for", "extensions-doubled", "window-bits-not-offered",
      "takeover-limit-ignored", "window-limit-ignored", "deflate-accepted-twice", "deflate-response-invalid")),
    ("only a subprotocol that was asked for", ("subprotocol-not-asked-for", "subprotocol-doubled")),
)  # fmt: skip

_SECTIONS: Final = {  # where a standard says what a status means in an answer to this request
    101: "RFC 6455 4.2.2", 400: "RFC 6455 4.2.1", 401: "RFC 9110 15.5.2", 403: "RFC 6455 4.2.2", 404: "RFC 6455 4.2.2",
    405: "RFC 9110 15.5.6", 426: "RFC 9110 15.5.22", 500: "RFC 9110 15.6.1", 503: "RFC 9110 15.6.4",
    505: "RFC 9110 15.6.6",
}  # fmt: skip

_PREAMBLE = "Failed to open a WebSocket connection: "  # what ``websockets`` begins its reasons with


@dataclass(frozen=True)
class Attempt:
    """A request that was sent, and what came of it."""

    data: bytes  # what was sent
    connection: int | None  # its number in the trace
    response: Head | None
    body: bytes = b""  # what came after the response's head; what came at all, if no head did
    silence: str = ""  # what the server did instead of answering, in words; empty where it answered

    @property
    def request(self) -> Head:
        """The head of what was sent."""
        return request_head(self.data)

    @property
    def status(self) -> int | None:
        """The response's status; None where none came."""
        return None if self.response is None else self.response.status

    @property
    def reason(self) -> str:
        """Why: the first line of the response's body; where no response came, ``silence``."""
        if self.response is None:
            return self.silence
        return decode(self.body).partition("\n")[0].rstrip("\r").removeprefix(_PREAMBLE)

    def explain_request(self) -> Explanation:
        """What was sent, explained."""
        return explain_request(self.data)

    def explain_response(self) -> Explanation | None:
        """The response's head, explained; None where none came."""
        if (response := self.response) is None:
            return None
        return explain_head(response.data, Sender.SERVER, request=self.request, violations=response.violations)

    @property
    def meaning(self) -> tuple[str, str]:
        """What the answer means for the handshake, in one sentence, and where that is written."""
        explanation = self.explain_response()
        if explanation is None:
            return f"{self.silence}. A client may only give up", "RFC 6455 4.1"
        try:
            return explanation["Status-Code"].meaning, _SECTIONS.get(self.status or 0, "RFC 6455 4.1")
        except KeyError:
            return "this is no HTTP response, so no WebSocket connection is made", "RFC 6455 4.1"

    @property
    def checks(self) -> tuple[Check, ...]:
        """What a client checks in the response, in order (RFC 6455 section 4.1)."""
        if self.response is None or self.status != 101:
            found = "there is no response" if self.status is None else f"it is {self.status}"
            return (Check(_CHECKS[0][0], FAILS, found), *(Check(what, NOT_REACHED) for what, _ in _CHECKS[1:]))
        broken = {violation.rule: violation.found for violation in self.response.violations}
        faults = {what: "; ".join(broken[rule] for rule in rules if rule in broken) for what, rules in _CHECKS}
        return tuple(Check(what, FAILS if fault else HOLDS, fault) for what, fault in faults.items())

    @property
    def accepted(self) -> bool:
        """Whether a client may take the connection as open."""
        return all(check.outcome == HOLDS for check in self.checks)


async def attempt(connect: Callable[[], Awaitable[RawEndpoint]], data: bytes, *, timeout: float = TIMEOUT) -> Attempt:
    """Send ``data`` to a lab's server over a connection of its own, and read the answer.

    Args:
        connect: makes that connection, as ``lab.raw`` does.
        data: the request, right or wrong. Nothing is added to it.
        timeout: seconds that the server has for its response. Its silence is no error.

    Raises LabClosed and NoServer as ``lab.raw`` does, ValueError where there is nothing to send, and ConnectionError
    where the connection was lost before everything was sent.
    """
    if not data:
        raise ValueError("there is nothing to send: type a request")
    async with await connect() as raw:
        await raw.send(data)
        try:
            response = await raw.recv_head(timeout)
        except (TimeoutError, StreamEnded):
            return Attempt(data, raw.connection, None, bytes(raw.received), _silence(raw, timeout))
        if response.status == 101:
            body = b""
            # RFC 6455 7.1.1: "The underlying TCP connection, in most normal cases, SHOULD be closed first by the
            # server".
            with contextlib.suppress(ConnectionError, TimeoutError):
                await raw.send(build_close(1000, mask=SAMPLE_MASK))
                await raw.recv_to_end(LEAVING)
        else:
            body = await _body(raw, response, timeout)
        response = replace(response, violations=judge_head(response, request_head(data)))
        return Attempt(data, raw.connection, response, body)


def _silence(raw: RawEndpoint, timeout: float) -> str:
    came = f"sent {count(len(raw.received), 'byte')}, no whole HTTP response" if raw.received else "said nothing"
    ends = {"": f"within {timeout:g} s", "RST": "and reset the connection"}
    return f"the server {came} {ends.get(raw.ended, 'and ended the connection')}"


async def _body(raw: RawEndpoint, response: Head, timeout: float) -> bytes:
    length = "".join(response.get("Content-Length")[:1])
    with contextlib.suppress(TimeoutError):
        if re.fullmatch(r"[0-9]{1,9}", length):
            return await raw.recv(int(length), timeout) if int(length) else b""
        return await raw.recv_to_end(timeout)
    return await raw.recv_until_quiet(timeout=timeout)
