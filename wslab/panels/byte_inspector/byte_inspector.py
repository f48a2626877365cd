"""``ByteInspector``: explains every bit of bytes that are typed, pasted or given.

Theory. The edited text (``data_hex``) is the state. Its explanation grows with the bytes, so the views are told of it.
A view asks to have its text read and never sets it, since half a byte is no state and must not be lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from traitlets import Bool, Enum, Int, TraitError, Unicode, observe, validate

from ...anatomy.explained import explanation_sheet
from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...anatomy.hex_text import HexError, hex_text, parse_hex
from ...anatomy.view import View
from ...drawing.sheet import Sheet
from ...drawing.visible import count, harmless
from ...protocol import Frame, Head, dissect, explain_frame, explain_head, parse_frame, parse_head
from ...protocol.deflate import NAME as DEFLATE
from ...protocol.head import begins_like_head
from ...protocol.rules import judge_head
from ..kit.panel import Panel, Question, guarded

MOST_TEXT = 4096  # bytes, at most, that the editable text holds: the first ones
MOST_PARTS = 500  # frames of a stream, at most, that a page offers to choose from
GIVEN = "given"

# What bytes can be read as, in words. Beside these there is ``given``: an explanation as it was given.
READINGS: Final[Mapping[str, str]] = {
    "client": "a frame from a client",
    "server": "a frame from a server",
    "unknown": "a frame, sender not known",
    "head": "an HTTP head",
    "client stream": "a client's stream, frame after frame",
    "server stream": "a server's stream, frame after frame",
}

_SENDERS: Final = {sender.label: sender for sender in Sender}
Given = bytes | bytearray | memoryview | str | Explanation | Frame | Head
Part = tuple[int, Explanation]  # the place of its first byte, and one thing that was read: a frame or a head


class ByteInspector(Panel):
    """Explains every bit of some bytes: a frame, a handshake's head, or a stream of them.

    Args:
        data: bytes; or a string of hex digits, ``"81 05 48 65 6c 6c 6f"``; or an ``Explanation`` such as
            ``lab.trace.explain(3)``; or a frame or a head of a trace.
        sender: who sent them, ``"client"`` or ``"server"``. Without it masking is not judged.
        inflate: whether permessage-deflate was agreed on, so that payloads with RSV1 are inflated (RFC 7692).
        kwargs: traits: ``read_as``, ``which``, ``picked``.

    Raises HexError for a string that is no hex, and TypeError where ``data`` is none of these. A compressed frame is
    inflated as the first of its connection. Credentials in a head are withheld; the text has ``··`` for them.
    """

    data_hex = Unicode("", help="The bytes as hex. Setting it reads them; a text that is no hex is refused.")
    read_as = Enum((*READINGS, GIVEN), "unknown", help=f"What they are read as: {', '.join(READINGS)}, or {GIVEN}.")
    inflate = Bool(False, help="Whether payloads with RSV1 set are inflated.")
    which = Int(0, help="In a stream: which head or frame is shown, counted from 0.")
    picked = Int(None, allow_none=True, help="The byte that is picked, counted from 0 in what is shown, or None.")

    _ready = False  # whether a change of a trait comes from outside, and not from another change

    def __init__(
        self, data: Given = b"", *, sender: Sender | str | None = None, inflate: bool = False, **kwargs: Any
    ) -> None:
        if not (sender is None or isinstance(sender, Sender) or sender in ("client", "server")):
            raise ValueError(f"sender={sender!r}: 'client' or 'server' is wanted, or None where it is not known")
        self._data, self._given = _taken(data)
        self._withheld: list[int] = []
        self._written = ""  # the text that stands for ``_data``
        self._parts: tuple[Part, ...] = ()
        later = {name: kwargs.pop(name) for name in ("which", "picked") if name in kwargs}
        super().__init__(**kwargs)
        with self._lock:
            if "read_as" not in kwargs:
                self.set_trait("read_as", self._natural(sender.label if isinstance(sender, Sender) else sender))
            self.inflate = inflate
            seen = [(start, View(explanation, steady=False)) for start, explanation in self._found()]
            hidden = [range(span.start + start, span.stop + start) for start, view in seen for span in view.hidden]
            shown = self._data[:MOST_TEXT]
            self._withheld = [shown[place] for span in hidden for place in span if place < len(shown)]
            self.data_hex = self._written = hex_text(shown, hidden)
            self._read()
        for name, value in later.items():
            setattr(self, name, value)

    @property
    def explanation(self) -> Explanation:
        """What is shown."""
        return self._parts[self.which][1]

    @property
    def explanations(self) -> tuple[Explanation, ...]:
        """Every head and frame of a stream, in order; otherwise the one explanation that is shown."""
        return tuple(explanation for _, explanation in self._parts)

    def _sheet(self) -> Sheet:
        return explanation_sheet(self.explanation)

    def _natural(self, sender: str | None = None) -> str:
        """What the bytes are read as by default."""
        if self._given is not None:
            return GIVEN
        return "head" if begins_like_head(self._data) else sender or "unknown"

    def _read(self) -> None:
        """Read the bytes again, keep the chosen part and byte where they still exist, and tell the views."""
        with self._lock:
            self._ready = False
            self._parts = tuple(self._found())
            self.which = min(self.which, len(self._parts) - 1)
            self._ready = True
            if self.picked is not None and self.picked >= len(self.explanation.data):
                self.picked = None
            self._tell()

    def _found(self) -> Iterator[Part]:
        """What the bytes are, read as they are to be read."""
        data, inflate, sender = self._data, self.inflate, _SENDERS.get(self.read_as.removesuffix(" stream"))
        if self.read_as == GIVEN and self._given is not None:
            yield (0, self._given)
        elif self.read_as == "head":  # a person may have chosen to read it as one: then say what is wrong with it
            speaker = Sender.SERVER if data.startswith(b"HTTP/") else Sender.CLIENT
            yield (0, explain_head(data, speaker, violations=judge_head(parse_head(data, speaker))))
        elif self.read_as.endswith(" stream"):
            yield from _stream(data, sender, inflate)
        else:
            yield (0, _frame(data, sender, inflate))

    def _tell(self) -> None:
        shown, total, given = self.explanation.to_json(), len(self._parts), self._given is not None
        titles = [f"byte {at}: {part.title}, {count(len(part.data), 'byte')}" for at, part in self._parts[:MOST_PARTS]]
        left = max(0, len(self._data) - MOST_TEXT) if self.data_hex == self._written else 0
        self.tell("reading", explanation=shown, parts=[*map(harmless, titles)], total=total, given=given, left=left)

    @validate("data_hex")
    def _is_hex(self, proposal: Mapping[str, Any]) -> Any:
        if self._ready:
            try:
                parse_hex(proposal["value"], self._withheld)
            except HexError as error:
                raise TraitError(f"data_hex: {error}") from None
        return proposal["value"]

    @validate("read_as")
    def _is_there(self, proposal: Mapping[str, Any]) -> Any:
        if proposal["value"] == GIVEN and self._given is None:
            raise TraitError(f"read_as={GIVEN!r}: nothing explained was given; {', '.join(READINGS)} are left")
        return proposal["value"]

    @validate("which")
    def _is_part(self, proposal: Mapping[str, Any]) -> int:
        value, there = int(proposal["value"]), len(self._parts)
        if self._ready and not 0 <= value < max(1, there):
            are = "is" if there == 1 else "are"
            raise TraitError(f"which={value}: there {are} {there} to choose from, counted from 0")
        return value

    @validate("picked")
    def _is_byte(self, proposal: Mapping[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        if value is not None and self._parts and not 0 <= value < (size := len(self.explanation.data)):
            raise TraitError(f"picked={value}: {count(size, 'byte')} shown, counted from 0; None picks none")
        return value

    @observe("data_hex", "read_as", "inflate", "which")
    @guarded
    def _changed(self, change: Mapping[str, Any]) -> None:
        name, new = change["name"], change["new"]
        if not self._ready or (name == "data_hex" and new == self._written):
            return
        with self._lock:
            if name == "which":
                self.picked = None
                return self._tell()
            if name == "data_hex":
                self._data, self._given = parse_hex(new, self._withheld), None
                if self.read_as == GIVEN:
                    self.read_as = self._natural()
            self._read()

    def _greeted(self, question: Question) -> None:
        super()._greeted(question)
        self._tell()

    def _answer_read(self, question: Question) -> None:
        text = str(question["text"])
        with self._lock:
            try:
                parse_hex(text, self._withheld)
            except HexError as error:
                return self.tell("unreadable", text=text, trouble=str(error), start=error.start, stop=error.stop)
            if text == self.data_hex:
                self._tell()
            self.data_hex = text

    answers: ClassVar[Mapping[str, Any]] = {"read": _answer_read}


def _frame(data: bytes, sender: Sender | None, inflate: bool) -> Explanation:
    violations = parse_frame(data, sender=sender).violations
    if inflate and data:
        by_client = len(data) > 1 and data[1] & 0b1000_0000
        frames = dissect(**{"client" if by_client else "server": data}, heads=False, extensions=DEFLATE).frames
        if frames and frames[0].complete:
            explanation = explain_frame(data, sender=sender, violations=violations, inflated=frames[0].inflated)
            note = [("Not read", frames[0].note)] if frames[0].note else []
            return replace(explanation, facts=(*explanation.facts, *note))
    return explain_frame(data, sender=sender, violations=violations)


def _stream(data: bytes, sender: Sender | None, inflate: bool) -> list[Part]:
    """The heads and frames of a stream and, as far as it goes, what is left over at its end."""
    client, server = (data, b"") if sender is Sender.CLIENT else (b"", data)
    found = dissect(client, server, extensions=DEFLATE if inflate else None)
    things: tuple[Head | Frame, ...] = (*found.heads, *found.frames)
    parts = [(thing.offset, thing.explain()) for thing in things if thing.offset < len(data)]
    for rest in found.unread:
        left = data[rest.offset :]
        look = explain_head if begins_like_head(left) else explain_frame
        explanation = look(left, sender=rest.sender, offset=rest.offset, violations=rest.violations)
        parts.append((rest.offset, replace(explanation, facts=(*explanation.facts, ("Left over", rest.what)))))
    return parts or [(0, explain_frame(data, sender=sender))]


def _taken(data: Any) -> tuple[bytes, Explanation | None]:
    """The bytes that were given, and the explanation if they came with one."""
    match data:
        case str():
            return parse_hex(data), None
        case bytes() | bytearray() | memoryview():
            return bytes(data), None
        case Explanation():
            return data.data, data
        case Frame() | Head():
            return _taken(data.explain())
    wanted = "bytes, a string of hex digits, or an explanation is wanted, such as ByteInspector(lab.trace.explain(3))"
    raise TypeError(f"ByteInspector({type(data).__name__}): {wanted}")
