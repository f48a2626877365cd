"""Bytes taken apart at once: ``dissect`` for both directions of a connection, ``explain`` for one frame or head."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from ..anatomy.explanation import Explanation
from ..anatomy.field import Sender, Violation
from ..anatomy.hex_text import bytes_of
from ..drawing.sheet import Sheet, Shown, sheet_of
from ..drawing.visible import both_ends
from .connection import Connection, Thing, Unread
from .frame import Frame, explain_frame, parse_frame
from .head import Head, begins_like_head, explain_head, head_end, head_fields, parse_head
from .message import Message
from .rules import judge_head
from .states import State, Transition

WITHHELD = "(withheld)"


@dataclass(frozen=True, repr=False)
class Dissection(Shown):
    """All that two streams hold. Each sequence has the client's things first, then the server's, in stream order. A
    cell shows the first 48 and the last 12 heads, frames and runs of unread bytes; ``str`` tells all."""

    heads: tuple[Head, ...]
    frames: tuple[Frame, ...]
    messages: tuple[Message, ...]
    unread: tuple[Unread, ...]  # bodies of HTTP messages, and what is left at the end of each stream
    # What the frames made of each endpoint's state; the end of the TCP connection is not among them.
    states: dict[Sender, State]
    transitions: tuple[Transition, ...]

    @property
    def violations(self) -> tuple[tuple[Head | Frame | Unread, Violation], ...]:
        """Every broken rule with the thing that breaks it."""
        return tuple((thing, violation) for thing in self._things for violation in thing.violations)

    @property
    def _things(self) -> tuple[Head | Frame | Unread, ...]:
        return (*self.heads, *self.frames, *self.unread)

    def explanations(self) -> Iterator[Explanation]:
        """Each head and each frame explained, in the order of the sequences."""
        yield from map(self._explain, self.heads)
        yield from map(self._explain, self.frames)

    def _explain(self, thing: Head | Frame) -> Explanation:
        if isinstance(thing, Frame) or thing.sender is Sender.CLIENT:
            return thing.explain()
        return thing.explain(request=self._answered[thing.offset])

    @cached_property
    def _answered(self) -> dict[int, Head | None]:
        """By a response's offset, the request that it answers; the last one where there are fewer."""
        requests: Sequence[Head | None] = [head for head in self.heads if head.sender is Sender.CLIENT] or (None,)
        responses = [head for head in self.heads if head.sender is Sender.SERVER]
        before = accumulate((head.final for head in responses), initial=0)
        return {head.offset: requests[min(n, len(requests) - 1)] for head, n in zip(responses, before, strict=False)}

    def json_objects(self, connection: int = 0) -> Iterator[dict[str, Any]]:
        """What ``wslab dissect --json`` prints, one object a line: handshakes, then frames, then unread bytes.
        Credentials in headers are withheld. ``connection`` is that number throughout."""
        for thing in self._things:
            kind, said = _told(thing)
            sender = None if thing.sender is None else thing.sender.label
            broken = [{"rule": violation.rule, "section": violation.section} for violation in thing.violations]
            yield {"kind": kind, "connection": connection, "sender": sender, **said, "violations": broken}

    def __str__(self) -> str:
        return self._sheet_of(self._things).text()

    def _sheet(self) -> Sheet:
        start, missing, end = both_ends(self._things)
        left_out = [f"… {missing:,} heads, frames and runs of unread bytes not shown …"] if missing else []
        return self._sheet_of([*start, *left_out, *end])

    def _sheet_of(self, things: Iterable[Head | Frame | Unread | str]) -> Sheet:
        from ..drawing.blocks import Block, Words  # loaded when something is shown

        blocks: list[Block] = []
        for thing in things:
            if isinstance(thing, Head | Frame):
                blocks += sheet_of(self._explain(thing)).blocks
            else:
                blocks.append(Words(str(thing)))
        return Sheet("Dissection", blocks or [Words("no bytes")])


def dissect(
    client: bytes | str = b"", server: bytes | str = b"", *, heads: bool | None = None, extensions: str | None = None
) -> Dissection:
    """Take apart what the two endpoints of one connection sent. Never raises on bytes, and loses none.

    Args:
        client: all that the client sent, as bytes or as a string of hex digits, from any byte at which a head or a
            frame begins.
        server: likewise. Where one stream is empty, the other is not held to what the missing one might have said.
        heads: whether the streams begin with an opening handshake; None looks at each stream's first bytes.
        extensions: for streams without a handshake, the Sec-WebSocket-Extensions line that was agreed on; the
            empty string for none, None where it is not known, so that no reserved bit is judged.
    """
    client, server = bytes_of(client, "dissect"), bytes_of(server, "dissect")
    expected = [bool(stream) and (begins_like_head(stream) if heads is None else heads) for stream in (client, server)]
    longest = max(len(client), len(server))
    kept = max(longest, 1 << 24)
    connection = Connection(keep=longest, payloads=kept, heads=(expected[0], expected[1]), extensions=extensions)
    found: dict[Sender, list[Thing]] = {sender: [] for sender in Sender}
    left = {Sender.CLIENT: memoryview(client), Sender.SERVER: memoryview(server)}

    def feed(sender: Sender, size: int) -> list[Thing]:
        told = connection.feed(sender, left[sender][:size])
        left[sender] = left[sender][size:]
        found[sender] += told
        return told

    # Nothing tells when these bytes crossed, but a response is judged by the request that it answers, and what a client
    # says behind a request by the response to it. So heads are fed in turn, a request first, up to the upgrade.
    while all(expected) and (end := head_end(left[Sender.CLIENT])) >= 0:
        feed(Sender.CLIENT, end)
        answer: Head | None = None
        while (answer is None or not answer.final) and (end := head_end(left[Sender.SERVER])) >= 0:
            answer = next((thing for thing in feed(Sender.SERVER, end) if isinstance(thing, Head)), answer)
        if answer is None or answer.status in (None, 101):
            break
    feed(Sender.SERVER, len(server))
    feed(Sender.CLIENT, len(client))
    things = found[Sender.CLIENT] + found[Sender.SERVER]
    unread = [thing for thing in things if isinstance(thing, Unread)]
    unread += [rest for sender in Sender if (rest := connection.rest(sender)) is not None]
    found_heads = tuple(thing for thing in things if isinstance(thing, Head))
    frames = tuple(thing for thing in things if isinstance(thing, Frame))
    messages = tuple(thing for thing in things if isinstance(thing, Message))
    states, transitions = dict(connection.states), tuple(connection.transitions)
    return Dissection(found_heads, frames, messages, tuple(unread), states, transitions)


def explain(data: bytes | str, sender: Sender | None = None) -> Explanation:
    """Explain one frame, or one request or response head, whichever ``data`` is, with the rules that it breaks.

    Args:
        data: its bytes, also as a string of hex digits. Those after its end are shown and not explained.
        sender: who sent it; without it, a request is taken to be the client's, a response the server's, and
            masking is not judged.

    It knows nothing of what came before: no message, and not the handshake's extensions, so no reserved bit is judged.
    """
    data = bytes_of(data, "explain")
    if begins_like_head(data):
        speaker = (Sender.SERVER if data.startswith(b"HTTP/") else Sender.CLIENT) if sender is None else sender
        return explain_head(data, speaker, violations=judge_head(parse_head(data, speaker)))
    return explain_frame(data, sender=sender, violations=parse_frame(data, sender=sender).violations)


def _told(thing: Head | Frame | Unread) -> tuple[str, dict[str, Any]]:
    """What ``--json`` calls a thing, and what it tells of it besides its sender and the rules that it breaks."""
    match thing:
        case Head():
            secret = {field.start // 8 for field in head_fields(thing, None) if field.secret}
            return "handshake", {
                "offset": thing.offset,
                "length": thing.length,
                "start_line": WITHHELD if 0 in secret else thing.start_line,
                "headers": [[line.name, WITHHELD if line.start in secret else line.value] for line in thing.lines],
                "malformed": thing.malformed,
            }
        case Frame():
            return "frame", {
                **{name: getattr(thing, name) for name in _OF_FRAMES},
                "masking_key": None if thing.masking_key is None else thing.masking_key.hex(),
                "payload_sha256": hashlib.sha256(thing.data or b"").hexdigest(),
                "status_code": thing.status_code,
                "close_reason": thing.close_reason,
            }
        case Unread():
            return "unread", {"offset": thing.offset, "length": thing.length, "what": thing.what}


_OF_FRAMES = ("index", "offset", "header_length", "payload_length", "fin", "rsv1", "rsv2", "rsv3", "opcode", "mask")
