"""``Verdict``: what one library makes of bytes; ``Judgement``: what two make of them; ``Delivery``: the words."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ...anatomy.view import cut_bytes, cut_text
from ...drawing.blocks import Table
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...drawing.visible import count, decode, shows

Parameters = dict[str, int | bool]  # the parameters of an agreed permessage-deflate (RFC 7692 7.1), by name
COLUMNS = (Column(""), Column("websockets", wraps=True), Column("wsproto", wraps=True))


@dataclass(frozen=True)
class Verdict:
    """What one library made of the bytes."""

    judge: str  # ``websockets`` or ``wsproto``
    accepted: bool  # Whether it found no fault. Too few bytes are no fault.
    events: tuple[str, ...] = ()  # what a program was given before it found a fault, in words
    code: int | None = None  # the status code with which it fails the connection, or that it accepted in a close frame
    reason: str | None = None  # its own words for the fault, or the accepted close frame's reason
    status: int | None = None  # the HTTP status with which it answers a request, or the one that it read in a response

    @property
    def fault(self) -> str:
        """Why it refuses, in its own words; empty where it accepts."""
        return "" if self.accepted else self.reason or ""

    @property
    def sentence(self) -> str:
        """The verdict in a few words."""
        if self.accepted:
            return "accepted" if self.events else "waits for more bytes"
        if self.code is not None:
            return f"fails the connection with {self.code}"
        return "refuses" if self.status is None else f"refuses: {self.status}"

    def __str__(self) -> str:
        fault = [f"because: {self.fault}"] if self.fault else []
        return "\n  ".join([f"{self.judge}: {self.sentence}", *self.events, *fault])

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Judgement(Shown):
    """Two verdicts on the same bytes."""

    data: bytes
    as_client: bool
    websockets: Verdict
    wsproto: Verdict

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """Both, ``websockets``' first."""
        return self.websockets, self.wsproto

    @property
    def agree(self) -> bool:
        """Whether both accept or both refuse."""
        return self.websockets.accepted == self.wsproto.accepted

    @property
    def _caption(self) -> str:
        sender = "client" if self.as_client else "server"
        answers = {(verdict.accepted, verdict.code, verdict.status) for verdict in self.verdicts}
        said = "the judges agree" if self.agree else "the judges disagree"
        if self.agree and len(answers) > 1:
            both = "both judges accept" if self.websockets.accepted else "both refuse"
            said = f"{both}, in different ways"
        return f"{count(len(self.data), 'byte')} from a {sender}: {said}"

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        both = self.verdicts
        rows = [("verdict", *(verdict.sentence for verdict in both))]
        if any(verdict.status for verdict in both):
            rows.append(("HTTP status", *(str(verdict.status or "none") for verdict in both)))
        events = zip_longest(*(verdict.events for verdict in both), fillvalue="")
        rows += [(f"event {number}", *cells) for number, cells in enumerate(events, 1)]
        if not all(verdict.accepted for verdict in both):
            rows.append(("because", *(verdict.fault for verdict in both)))
        return rows

    def _sheet(self) -> Sheet:
        return Sheet("Judgement", [Table(COLUMNS, self._rows, self._caption, row_heading=0)])


class Delivery:
    """What a judge delivers to a program, in words. Pieces of a message are put together."""

    def __init__(self, *before: str) -> None:
        self._words = [*before]
        self._pieces: list[Any] = []

    def control(self, name: str, payload: bytes) -> None:
        """A ping or a pong was delivered."""
        text = decode(payload)
        shown = cut_text(text, len(payload)) if shows(text) else cut_bytes(payload)
        self._words.append(f"{name} {shown}" if payload else name)

    def close(self, code: int, reason: str) -> None:
        """A close frame was accepted."""
        # RFC 6455 7.1.5: "If this Close control frame contains no status code, _The WebSocket Connection Close Code_ is
        # considered to be 1005."
        said = "close without a status code" if code == 1005 else f"close {code}"
        self._words.append(f"{said} {cut_text(reason, len(reason.encode()))}" if reason else said)

    def piece(self, piece: str | bytes, *, last: bool) -> None:
        """A piece of a message was delivered: of text as ``str``, of binary data as ``bytes``."""
        self._pieces.append(piece)
        if last:
            self._words.append(self._message())
            self._pieces.clear()

    def _message(self) -> str:
        whole = self._pieces[0][:0].join(self._pieces)
        if isinstance(whole, str):
            return f"text message {cut_text(whole, len(whole.encode()))}"
        return f"binary message {cut_bytes(whole)}".rstrip()

    def words(self) -> tuple[str, ...]:
        """Everything so far, and at last a message whose end has not come."""
        return (*self._words, f"{self._message()}, not finished") if self._pieces else tuple(self._words)
