"""A frame's fields as a person sets them (``FrameFields``), and typed bytes, or why they are none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from traitlets import Bool, Enum, Int, TraitError, Unicode, validate

from ...anatomy.hex_text import HexError, parse_hex
from ...drawing.visible import count
from ...protocol.words import TEXT
from .panel import Panel

RFC_KEY: Final = "37 fa 21 3d"  # the masking key of the RFC's own example (RFC 6455 5.7)


class CannotCompose(ValueError, TraitError):  # noqa: N818 - it says what is the case
    """What was typed makes no bytes."""


class FrameFields(Panel):
    """A panel whose traits are the bits and the payload of a frame, from which it computes everything else."""

    FIELDS: ClassVar = ("opcode", "fin", "rsv1", "rsv2", "rsv3", "payload", "payload_as", "masking_key", "length_form")

    fin = Bool(True, help="Whether the frame is its message's last.")
    rsv1 = Bool(False, help="A reserved bit.")
    rsv2 = Bool(False, help="A reserved bit.")
    rsv3 = Bool(False, help="A reserved bit.")
    opcode = Int(TEXT, help="0 to 15.")
    payload = Unicode("Hello", help="The payload before masking, as ``payload_as`` says.")
    payload_as = Enum(("text", "hex"), "text", help="Written as UTF-8; or hex digits.")
    masking_key = Unicode(RFC_KEY, help="Four bytes as hex; used where a key of one's own is asked for.")
    length_form = Enum((7, 16, 64), None, allow_none=True, help="How many bits hold the length; None for the fewest.")

    _held = _due = False

    @property
    def bits(self) -> dict[str, Any]:
        """Opcode, FIN and the reserved bits, as ``build_frame`` takes them."""
        return {name: getattr(self, name) for name in self.FIELDS[:5]}

    @validate("opcode")
    def _four_bits(self, proposal: Any) -> int:
        return within("opcode", proposal["value"], 15, "four bits hold 0 to 15; 1 is TEXT, 2 BINARY, 8 CLOSE, 9 PING")

    @contextmanager
    def _one_change(self) -> Iterator[None]:
        """Treat all changes inside as one: if any makes computing ``_due``, compute once, at the end."""
        with self._lock:
            outer, self._held = self._held, True
            try:
                yield
            finally:
                self._held = outer
                if not outer and self._due:
                    self._compute()

    def _compute(self) -> None:
        raise NotImplementedError


def within(name: str, value: int, most: int, words: str) -> int:
    """``value``. Raises TraitError with ``words`` unless it is 0 to ``most``."""
    if not 0 <= value <= most:
        raise TraitError(f"{name}={value}: {words}")
    return value


def typed(text: str, way: str, most: int | None = None) -> bytes:
    """The payload that was typed as ``"text"`` or ``"hex"``, of at most so many bytes; else CannotCompose."""
    try:
        data = from_hex(text) if way == "hex" else text.encode()
    except UnicodeEncodeError as error:
        half = f"character {error.start} is half of a surrogate pair"
        raise CannotCompose(f"{half}, which UTF-8 cannot write; write the bytes as hex") from None
    if most is not None and len(data) > most:
        unlimited = "build_frame(...) and `await end.write(data)` with an end of lab.ends have no such limit"
        size = count(len(data), "byte")
        raise CannotCompose(f"a payload of {size}: this panel takes at most {most:,}. In Python, {unlimited}")
    return data


def written(text: str, way: str, other: str) -> str:
    """The payload that was typed one way, written the other way, if it is one; CannotCompose if it is no text."""
    if {way, other} != {"text", "hex"}:
        return text
    try:
        data = typed(text, way)
        return data.hex(" ") if other == "hex" else data.decode()
    except CannotCompose:
        return text
    except UnicodeDecodeError as error:
        raise CannotCompose(f"these bytes are no text: byte {error.start} is no UTF-8. They stay hex") from None


def from_hex(text: str) -> bytes:
    """Bytes as ``parse_hex`` reads them; else CannotCompose."""
    try:
        return parse_hex(text)
    except HexError as error:
        raise CannotCompose(str(error)) from None


def masking_key(text: str) -> bytes:
    """The masking key that was typed as hex; CannotCompose unless it is four bytes."""
    try:
        key = from_hex(text)
        why = f"{count(len(key), 'byte')} given"
    except CannotCompose as error:
        key, why = b"", str(error)
    if len(key) != 4:
        raise CannotCompose(f"a masking key is four bytes as hex, such as {RFC_KEY}; {why}")
    return key
