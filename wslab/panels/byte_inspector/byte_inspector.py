"""``ByteInspector``: explains every bit of bytes that are typed, pasted or given.

Theory. The edited text (``data_hex``) is the state, so that two views show the same and a program can set it. Its
explanation grows with the bytes, so it is no trait: the views are told. A view asks to have its text read and never
sets it, since half a byte is no state and yet must not be lost while a person types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

import traitlets

from ...anatomy.explanation import Explanation, explanation_sheet
from ...anatomy.field import Sender
from ...anatomy.hex_text import HexError, hex_text, parse_hex
from ...anatomy.view import View
from ...drawing.sheet import Sheet
from ...drawing.visible import count, harmless
from ...protocol import Frame, Head, Unread, dissect, explain, explain_frame, explain_head, parse_frame, parse_head
from ...protocol.deflate import NAME as DEFLATE
from ...protocol.head import begins_like_head
from ...protocol.rules import judge_head
from ..kit.panel import Panel, Question, guarded

MOST_TEXT = 4096
"""Bytes, at most, that the editable text holds: the first ones."""
MOST_PARTS = 500
"""Frames of a stream, at most, that a page offers to choose from."""
GIVEN = "given"

READINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client": "a frame from a client",
        "server": "a frame from a server",
        "unknown": "a frame, sender not known",
        "head": "an HTTP head",
        "client stream": "a client's stream, frame after frame",
        "server stream": "a server's stream, frame after frame",
    }
)
"""What bytes can be read as, in words. Beside these there is ``given``: an explanation as it was given."""

_SENDERS = {"client": Sender.CLIENT, "server": Sender.SERVER, "unknown": None}


class Part(NamedTuple):
    """One thing that was read: all the bytes, or one frame or head of a stream."""

    start: int
    """Of its first byte in the bytes."""
    explanation: Explanation


class ByteInspector(Panel):
    """Explains every bit of some bytes: a frame, a handshake's head, or a stream of them.

    Args:
        data: bytes; or a string of hex digits, ``"81 05 48 65 6c 6c 6f"``; or an ``Explanation`` such as
            ``lab.trace.explain(3)``; or a frame or a head of a trace.
        sender: who sent them, ``"client"`` or ``"server"``. Without it masking is not judged.
        inflate: whether permessage-deflate was agreed on, so that payloads with RSV1 are inflated (RFC 7692).
        kwargs: traits: ``read_as``, ``which``, ``picked``.

    Raises:
        HexError: a string is no hex.
        TypeError: ``data`` is none of these.

    The bytes can be edited in the panel. It does not know what came before them, so compressed frames are inflated as
    the first of their connection. Credentials in a head are withheld; the text has ``··`` for them.
    """

    data_hex = traitlets.Unicode("", help="The bytes as hex. Setting it reads them; a text that is no hex is refused.")
    read_as = traitlets.Enum(
        (*READINGS, GIVEN), "unknown", help=f"What they are read as: {', '.join(READINGS)}, or {GIVEN}."
    )
    inflate = traitlets.Bool(False, help="Whether payloads with RSV1 set are inflated.")
    which = traitlets.Int(0, help="In a stream: which head or frame is shown, counted from 0.")
    picked = traitlets.Int(
        None, allow_none=True, help="The byte that is picked, counted from 0 in what is shown, or None."
    )

    def __init__(
        self,
        data: bytes | bytearray | memoryview | str | Explanation | Frame | Head = b"",
        *,
        sender: Sender | str | None = None,
        inflate: bool = False,
        **kwargs: Any,
    ) -> None:
        speaker = _sender(sender)
        self._data, self._given = _taken(data)
        self._withheld: list[int] = []
        self._written = ""  # the text that stands for ``_data``
        self._parts: tuple[Part, ...] = ()
        later = {name: kwargs.pop(name) for name in ("which", "picked") if name in kwargs}
        super().__init__(**kwargs)
        with self._lock:
            if "read_as" not in kwargs:
                self.set_trait("read_as", self._natural(speaker))
            self.inflate = inflate
            self._write()
            self._read()
        for name, value in later.items():
            setattr(self, name, value)

    _ready = False
    """Whether a change of a trait comes from outside, and not from another change."""

    @property
    def explanation(self) -> Explanation:
        """What is shown."""
        return self._parts[self.which].explanation

    @property
    def explanations(self) -> tuple[Explanation, ...]:
        """Every head and frame of a stream, in order; otherwise the one explanation that is shown."""
        return tuple(part.explanation for part in self._parts)

    def _sheet(self) -> Sheet:
        return explanation_sheet(self.explanation)

    # --- from traits to what is shown ----------------------------------------------------

    def _natural(self, sender: Sender | None) -> str:
        """What the bytes are read as by default."""
        if self._given is not None:
            return GIVEN
        if begins_like_head(self._data):
            return "head"
        return "unknown" if sender is None else sender.label

    def _write(self) -> None:
        """Set the text to the bytes, without credentials."""
        parts = tuple(_PARTS[self.read_as](self))
        hidden = [
            range(span.start + part.start, span.stop + part.start)
            for part in parts
            for span in View(part.explanation, steady=False).hidden
        ]
        shown = self._data[:MOST_TEXT]
        self._withheld = [shown[place] for span in hidden for place in span if place < len(shown)]
        self._written = hex_text(shown, hidden)
        self.data_hex = self._written

    def _read(self) -> None:
        """Read the bytes again, keep the chosen part and byte where they still exist, and tell the views."""
        with self._lock:
            self._ready = False
            self._parts = tuple(_PARTS[self.read_as](self))
            self.which = min(self.which, len(self._parts) - 1)
            self._ready = True
            if self.picked is not None and self.picked >= len(self.explanation.data):
                self.picked = None
            self._tell()

    def _tell(self) -> None:
        self.tell(
            "reading",
            explanation=self.explanation.to_json(),
            parts=[_label(part) for part in self._parts[:MOST_PARTS]],
            total=len(self._parts),
            given=self._given is not None,
            left=max(0, len(self._data) - MOST_TEXT) if self.data_hex == self._written else 0,
        )

    @traitlets.validate("data_hex")
    def _is_hex(self, proposal: Mapping[str, Any]) -> str:
        text: str = proposal["value"]
        if self._ready:
            try:
                parse_hex(text, self._withheld)
            except HexError as error:
                raise traitlets.TraitError(f"data_hex: {error}") from None
        return text

    @traitlets.validate("read_as")
    def _is_there(self, proposal: Mapping[str, Any]) -> str:
        value: str = proposal["value"]
        if value == GIVEN and self._given is None:
            raise traitlets.TraitError(
                f"read_as={value!r}: nothing explained was given; {', '.join(READINGS)} are left"
            )
        return value

    @traitlets.validate("which")
    def _is_part(self, proposal: Mapping[str, Any]) -> int:
        value: int = proposal["value"]
        if self._ready and not 0 <= value < max(1, len(self._parts)):
            raise traitlets.TraitError(
                f"which={value}: there {'is' if len(self._parts) == 1 else 'are'} {len(self._parts)} to choose from, "
                f"counted from 0"
            )
        return value

    @traitlets.validate("picked")
    def _is_byte(self, proposal: Mapping[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        if value is not None and self._parts and not 0 <= value < len(self.explanation.data):
            raise traitlets.TraitError(
                f"picked={value}: {count(len(self.explanation.data), 'byte')} shown, counted from 0; None picks none"
            )
        return value

    @traitlets.observe("data_hex")
    @guarded
    def _text_changed(self, change: Mapping[str, Any]) -> None:
        if not self._ready or change["new"] == self._written:
            return
        with self._lock:
            self._data = parse_hex(change["new"], self._withheld)
            self._given = None
            if self.read_as == GIVEN:
                self.read_as = self._natural(None)
            self._read()

    @traitlets.observe("read_as", "inflate")
    @guarded
    def _reading_changed(self, _: Mapping[str, Any]) -> None:
        if self._ready:
            self._read()

    @traitlets.observe("which")
    @guarded
    def _part_changed(self, _: Mapping[str, Any]) -> None:
        if self._ready:
            with self._lock:
                self.picked = None
                self._tell()

    # --- what views ask ------------------------------------------------------------------

    def _greeted(self, question: Question) -> None:
        super()._greeted(question)
        self._tell()

    def _answer_read(self, question: Question) -> None:
        text = str(question["text"])
        with self._lock:
            try:
                parse_hex(text, self._withheld)
            except HexError as error:
                self.tell("unreadable", text=text, trouble=str(error), start=error.start, stop=error.stop)
                return
            if text == self.data_hex:
                self._tell()
            self.data_hex = text

    answers: ClassVar[Mapping[str, Any]] = {"read": _answer_read}


# --- what bytes can be read as -----------------------------------------------------------


def _frame_parts(inspector: ByteInspector) -> Iterator[Part]:
    data, sender = inspector._data, _SENDERS[inspector.read_as]
    violations = parse_frame(data, sender=sender).violations
    explanation = explain_frame(data, sender=sender, violations=violations)
    if inspector.inflate and data:
        masked = len(data) > 1 and bool(data[1] & 0b1000_0000)
        streams = {"client" if masked else "server": data}
        frames = dissect(**streams, heads=False, extensions=DEFLATE).frames
        if frames and frames[0].complete:
            explanation = explain_frame(data, sender=sender, violations=violations, inflated=frames[0].inflated)
            if frames[0].note:
                explanation = replace(explanation, facts=(*explanation.facts, ("Not read", frames[0].note)))
    yield Part(0, explanation)


def _head_parts(inspector: ByteInspector) -> Iterator[Part]:
    data = inspector._data
    if begins_like_head(data):
        yield Part(0, explain(data))
    else:  # a person chose to read it as one, so say what is wrong with it
        sender = Sender.SERVER if data.startswith(b"HTTP/") else Sender.CLIENT
        yield Part(0, explain_head(data, sender, violations=judge_head(parse_head(data, sender))))


def _stream_parts(inspector: ByteInspector) -> Iterator[Part]:
    sender = _SENDERS[inspector.read_as.removesuffix(" stream")]
    data = inspector._data
    extensions = DEFLATE if inspector.inflate else None
    found = dissect(
        client=data if sender is Sender.CLIENT else b"",
        server=data if sender is Sender.SERVER else b"",
        extensions=extensions,
    )
    things: tuple[Head | Frame, ...] = (*found.heads, *found.frames)
    parts = [Part(thing.offset, thing.explain()) for thing in things if thing.offset < len(data)]
    parts += [Part(rest.offset, _rest(data[rest.offset :], rest)) for rest in found.unread]
    yield from parts or [Part(0, explain_frame(data, sender=sender))]


def _rest(data: bytes, unread: Unread) -> Explanation:
    """Explain, as far as it goes, what is left over at a stream's end."""
    if begins_like_head(data):
        explanation = explain_head(data, unread.sender, offset=unread.offset, violations=unread.violations)
    else:
        explanation = explain_frame(data, sender=unread.sender, offset=unread.offset, violations=unread.violations)
    return replace(explanation, facts=(*explanation.facts, ("Left over", unread.what)))


def _given_parts(inspector: ByteInspector) -> Iterator[Part]:
    assert inspector._given is not None, "read_as is validated"
    yield Part(0, inspector._given)


_PARTS: Final[Mapping[str, Callable[[ByteInspector], Iterator[Part]]]] = {
    "client": _frame_parts,
    "server": _frame_parts,
    "unknown": _frame_parts,
    "head": _head_parts,
    "client stream": _stream_parts,
    "server stream": _stream_parts,
    GIVEN: _given_parts,
}


def _label(part: Part) -> str:
    """A part in a few words, for the list to choose from."""
    explanation = part.explanation
    return harmless(f"byte {part.start}: {explanation.title}, {count(len(explanation.data), 'byte')}")


def _sender(sender: Sender | str | None) -> Sender | None:
    if sender is None or isinstance(sender, Sender):
        return sender
    for one in Sender:
        if sender == one.label:
            return one
    raise ValueError(f"sender={sender!r}: 'client' or 'server' is wanted, or None where it is not known")


def _taken(data: Any) -> tuple[bytes, Explanation | None]:
    """The bytes that were given, and the explanation if they came with one."""
    if isinstance(data, str):
        return parse_hex(data), None
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), None
    if isinstance(data, Frame | Head):
        data = data.explain()
    if isinstance(data, Explanation):
        return data.data, data
    raise TypeError(
        f"ByteInspector({type(data).__name__}): bytes, a string of hex digits, or an explanation is wanted, "
        f"such as ByteInspector(lab.trace.explain(3))"
    )
