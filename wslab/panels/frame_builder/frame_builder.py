"""``FrameBuilder``: one frame, bit by bit: its bytes, what they mean, and what two judges say of them.

Theory. All views share the settings; everything else is computed from them at each change. What a page types may be
wrong, so it asks for a change instead of setting a trait, and a refusal stands beside the field.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, ClassVar, Final

from traitlets import Bool, Dict, Int, List, TraitError, validate

from ...anatomy.explained import explanation_sheet
from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender, Violation
from ...drawing.blocks import Only, Table, Words
from ...drawing.sheet import Sheet
from ...drawing.table import Column
from ...drawing.visible import count, shows
from ...live.judges.comparison import broken_rules, comparison, verdict_rows, verdicts_json
from ...live.judges.judge import Judgement, judge
from ...protocol import build_frame, explain_frame, parse_frame
from ...protocol.header import EXTENDED, shortest_form
from ...protocol.words import LENGTH, opcode_name
from ..kit.frame_fields import CannotCompose, FrameFields, masking_key, typed, within, written
from ..kit.panel import Question

MOST_PAYLOAD = 1 << 17  # bytes of payload: more than 65,536, so that every form of the length can be the right one
MOST_HEX = 4096  # bytes that are shown as hex to copy
MOST_CALL = 2000  # characters of a payload that the Python call spells out

# By name: the traits in which a preset differs from the RFC's masked ``Hello``.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Hello (RFC 5.7)": {},
    "non-minimal length": {"length_form": 16},
    "reserved opcode 3": {"opcode": 3},
    "fragmented ping": {"opcode": 9, "fin": False, "payload": "?"},
    "unmasked from a client": {"masked": False},
    "close 1005": {"opcode": 8, "payload_as": "hex", "payload": "03 ed"},
}

_LIMITS = {
    "length": ((1 << 64) - 1, "a length is 0 to 2**64 - 1 bytes; None for the right one"),
    "length_bits": (LENGTH, "seven bits hold 0 to 127; None for the right one"),
}
# The values with which the Python call leaves an argument out.
_UNLESS = {"fin": True, "rsv1": False, "rsv2": False, "rsv3": False, "mask": None, "length_form": None, "length": None}
_COLUMNS = (Column(""), Column("websockets", wraps=True), Column("wsproto", wraps=True))


class FrameBuilder(FrameFields):
    """Builds one frame, legal or not, and shows what it means and whether two implementations accept it.

    Args:
        payload: text, or bytes, which are shown as hex.
        as_client: whether a client sends it, so that servers judge it; otherwise clients do.
        kwargs: any of the traits below, as first values.

    It sends nothing. The frame is judged as the first of a connection without extensions. Its payload has at most
    131,072 bytes. Raises TraitError where a value does not fit into its bits.
    """

    masked = Bool(True, help="The MASK bit: whether the payload is masked and its key sent along.")
    length = Int(None, allow_none=True, help="The length that the header states, in bytes; None for the true one.")
    length_bits = Int(
        None,
        allow_none=True,
        help="0 to 127: the seven bits of Payload len as they are, whatever the payload; None for the right ones.",
    )
    as_client = Bool(True, help="Whether a client sends the frame.")
    picked = Int(None, allow_none=True, help="The byte that is looked at, or None.")
    presets = List(list(PRESETS), read_only=True, help="Names that ``preset`` takes.")

    built = Dict(read_only=True, help="The bytes as hex, and the Python call that builds them.")
    explanation = Dict(read_only=True, help="Every bit explained, as Explanation.to_json() gives it.")
    verdicts = Dict(read_only=True, help="What each judge makes of it, and by which rule.")
    refused = Dict(read_only=True, help="By field: why what a page wrote into it was not taken.")

    _STATE: ClassVar = (*FrameFields.FIELDS, "masked", "length", "length_bits", "as_client")

    def __init__(self, payload: str | bytes = "Hello", *, as_client: bool = True, **kwargs: Any) -> None:
        if isinstance(payload, bytes | bytearray | memoryview):
            kwargs |= {"payload_as": "hex", "payload": bytes(payload).hex(" ")}
        else:
            kwargs["payload"] = payload
        super().__init__(**{"masked": as_client, **kwargs, "as_client": as_client})
        self.observe(self._changed, names=list(self._STATE))
        self._compute()

    @property
    def data(self) -> bytes:
        """The frame's bytes."""
        return build_frame(typed(self.payload, self.payload_as), **self._header())

    @property
    def judgement(self) -> Judgement:
        """What ``websockets`` and ``wsproto`` say of it, on an open connection without extensions."""
        return judge(self.data, self.as_client, handshake=False)

    @property
    def call(self) -> str:
        """The call that builds these bytes, after ``from wslab import build_frame``; a long payload is ``payload``."""
        given = {name: value for name, value in self._header().items() if value != _UNLESS.get(name, "")}
        words = [f"{name}={_from_hex(value) if name == 'mask' else value}" for name, value in given.items()]
        return f"build_frame({', '.join([_spelled(self.payload, self.payload_as), *words])})"

    def explain(self) -> Explanation:
        """Every bit of it, and the rules that it breaks on an open connection without extensions."""
        data, sender = self.data, Sender.CLIENT if self.as_client else Sender.SERVER
        frame = parse_frame(data)
        own = data[: frame.header_length + frame.payload_length]  # bytes after its end may break others
        return explain_frame(data, sender=sender, violations=broken_rules(own, as_client=self.as_client))

    def preset(self, name: str) -> None:
        """Set all traits as one of ``PRESETS`` says, such as ``"non-minimal length"``; else KeyError names them."""
        if name not in PRESETS:
            raise KeyError(f"no preset {name!r}; there are {', '.join(map(repr, PRESETS))}")
        state = {**{trait: self.traits()[trait].default() for trait in self._STATE}, **PRESETS[name]}
        with self._one_change():
            self.payload = ""  # readable as text and as hex, until ``payload_as`` is set
            for trait in sorted(state, key=lambda trait: trait == "payload"):
                self.set_trait(trait, state[trait])
            self.set_trait("refused", {})

    def fresh_key(self) -> None:
        """Draw a masking key at random, as a client must for every frame (RFC 6455 5.3)."""
        # RFC 6455 5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong
        # source of entropy".
        self.masking_key = secrets.token_bytes(4).hex(" ")

    def right_length(self) -> None:
        """State the payload's true length again, in the fewest bits."""
        with self._one_change():
            self.length_bits = self.length = self.length_form = None

    def _sheet(self) -> Sheet:
        data, broken, judgement = self._judged()
        verdicts = Table(_COLUMNS, verdict_rows(judgement, broken), comparison(judgement, broken), row_heading=0)
        blocks = [Only(["text"], [Words(self.call)]), *explanation_sheet(self.explain()).blocks, verdicts]
        sender = "client" if self.as_client else "server"
        title = f"A {opcode_name(self.opcode)} frame of {count(len(data), 'byte')} from a {sender}"
        return Sheet(title, blocks, "frame")

    def _header(self) -> dict[str, Any]:
        """What ``build_frame`` takes beside the payload."""
        mask, bits = bytes.fromhex(self.masking_key) if self.masked else None, self.length_bits
        form, length = (self.length_form, self.length) if bits is None else (7, bits)
        return {**self.bits, "mask": mask, "length_form": form, "length": length}

    def _judged(self) -> tuple[bytes, tuple[Violation, ...], Judgement]:
        data = self.data
        return data, broken_rules(data, as_client=self.as_client), judge(data, self.as_client, handshake=False)

    def _changed(self, change: Any) -> None:
        name, payload = change["name"], None
        if name == "payload_as" and not self._held:
            try:
                payload = written(self.payload, change["old"], self.payload_as)
            except CannotCompose:
                with self._one_change():
                    self.payload_as = change["old"]
                raise
        with self._one_change():
            self._due = True
            if payload is not None:
                self.payload = payload
            self._refuse(name, None)
            if name in ("length", "length_form") and change["new"] is not None:
                self.length_bits = None  # the last wish counts

    def _compute(self) -> None:
        with self._lock:
            self._due = False
            data, broken, judgement = self._judged()
            payload = typed(self.payload, self.payload_as)
            right = build_frame(payload, **{**self._header(), "length": None, "length_form": None})
            size, stated = len(payload), len(payload) if self.length is None else self.length
            sizes = {"length": len(data), "payload": size, "stated": str(stated)}
            bits = {"shortest": shortest_form(stated).bits, "seven": data[1] & LENGTH, "right": right[1] & LENGTH}
            shown = {"hex": data[:MOST_HEX].hex(" "), "call": self.call, "lie": _lie(data, size)}
            self.set_trait("built", {**shown, **sizes, **bits})
            self.set_trait("explanation", self.explain().to_json())
            self.set_trait("verdicts", verdicts_json(judgement, broken))

    def _refuse(self, name: str, why: str | None) -> None:
        """Say beside a field why what was written into it was not taken; None for nothing."""
        with self._lock:
            others = {field: said for field, said in self.refused.items() if field != name}
            self.set_trait("refused", others if why is None else {**others, name: why})

    @validate("masking_key")
    def _valid_key(self, proposal: Any) -> str:
        return masking_key(proposal["value"]).hex(" ")

    @validate("payload")
    def _valid_payload(self, proposal: Any) -> Any:
        typed(proposal["value"], self.payload_as, MOST_PAYLOAD)
        return proposal["value"]

    @validate("length", "length_bits")
    def _valid_length(self, proposal: Any) -> int | None:
        name, value = proposal["trait"].name, proposal["value"]
        return None if value is None else within(name, value, *_LIMITS[name])

    def _answer_change(self, question: Question) -> None:
        name, value = str(question["name"]), question["value"]
        if name not in _FROM_PAGE:
            raise ValueError(f"a page wanted to change {name!r}, which it may not")
        why = None
        try:
            with self._one_change() if name != "payload_as" else nullcontext():
                self.set_trait(name, _FROM_PAGE[name](value))
                if name in ("length", "length_form"):
                    self.length_bits = None
        except (TraitError, ValueError) as error:
            why = str(error)
        self._refuse(name, why)

    def _answer_right_length(self, _: Question) -> None:
        self.right_length()
        self._refuse("length", None)

    answers: ClassVar[Mapping[str, Any]] = {
        "change": _answer_change,
        "preset": lambda self, question: self.preset(str(question["name"])),
        "fresh key": lambda self, _: self.fresh_key(),
        "right length": _answer_right_length,
    }


def _lie(data: bytes, payload: int) -> str:
    """What follows from a header that does not state the length of ``payload`` bytes; empty where it does."""
    frame, more = parse_frame(data), EXTENDED[data[1]]
    if frame.header_length > len(data) - payload:
        said = f"{data[1] & LENGTH} announces {more} more bytes of length, and nobody wrote them"
        return f"{said}: the {more} bytes that follow are taken for them."
    promised, there = frame.payload_length, len(data) - frame.header_length
    said = f"The header promises {count(promised, 'byte')} of payload and {count(there, 'byte')} came: a receiver "
    if promised > there:
        return f"{said}waits for {promised - there:,} more."
    if promised < there:
        last = "byte" if there - promised == 1 else f"{there - promised:,} bytes"
        return f"{said}reads the last {last} as the beginning of the next frame."
    return ""


def _length_said(value: Any) -> int | None:
    """The length that was typed; None, for the true one, where nothing was."""
    said = str(value if value is not None else "").replace(",", "").replace("_", "").strip()
    try:
        return int(said, 0) if said else None
    except ValueError:
        raise ValueError(f"{str(value)[:40]!r} is no length: a whole number of bytes is wanted, such as 3") from None


# What a page may change, and how the value that it sends is read.
_FROM_PAGE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "payload": str,
    "payload_as": str,
    "masking_key": str,
    "length": _length_said,
    "length_form": lambda value: value,
}


def _spelled(said: str, way: str) -> str:
    given = typed(said, way) if way == "hex" else said
    if len(given) > 16 and given == given[:1] * len(given):
        return f"{_literal(given[:1]) if isinstance(given, str) else repr(given[:1])} * {len(given)}"
    if len(given) * (3 if way == "hex" else 1) > MOST_CALL:
        return "payload"
    return _literal(given) if isinstance(given, str) else _from_hex(given)


def _from_hex(data: bytes) -> str:
    return f'bytes.fromhex("{data.hex(" ")}")'


def _literal(said: str) -> str:
    spelled = repr(said) if shows(said) else ascii(said)
    # As everywhere in the course, in double quotes; where Python takes single ones there may be a double one inside.
    return f'"{spelled[1:-1]}"' if '"' not in said else spelled
