"""``Composer``: sends by the ends of live connections, through their library, or exactly the bytes that it shows.

Theory. The settings are the state, which all views share. The bytes are computed from it at each change, and judged in
their place by a copy of what the trace knows of the connection. Masking keys are drawn anew only after a sending, so
what is shown is what is sent. A page asks for changes, and is answered in order: a click sends what was typed before.
"""

import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar

from traitlets import Enum, Int, Unicode

from ...anatomy.explained import explanation_sheet
from ...anatomy.explanation import Explanation
from ...anatomy.field import Sender
from ...anatomy.record import Record
from ...anatomy.records import is_close
from ...drawing.blocks import DRAWN, READ, Block, Only, Table
from ...drawing.sheet import Sheet
from ...drawing.table import Column
from ...drawing.visible import count, quote, visible
from ...live.ends import RAW_KIND, End, masking_keys, open_client, open_raw
from ...live.errors import CannotSend, NoServer
from ...protocol.words import OPCODE, opcode_name
from ...recording.trace import Trace
from ..kit.frame_fields import CannotCompose, FrameFields, masking_key, typed, written
from ..kit.panel import Question, Underway
from ..kit.trace_panel import TracePanel
from .composition import CODES, FRESH, MOST_FRAGMENTS, Preview, Series, TargetEnd, close_body, code_meaning, placed

MOST_PAYLOAD = 1 << 16  # bytes of payload, at most, that are sent by hand
MOST_SENT = 20  # sendings that are remembered
MOST_ANSWERS, LOOKED_THROUGH = 4, 256  # records after a sending that are shown as its answer, out of so many
PAUSE = 0.25
# While records stream in, what they change is computed after ``PAUSE`` seconds, or ``SHARE`` times what that takes.
SHARE = 20
_WORDS = (Column("setting"), Column("value", wraps=True))
_FRAMES = (Column("frame"), Column("what"), Column("bytes", right=True), Column("as hex", wraps=True, code=True))
_SENT = (Column("sent"), Column("by"), Column("how"))

Sent = Coroutine[Any, Any, int | None]  # what an end's methods return: awaited, it gives the record's number


class Composer(FrameFields, TracePanel):
    """Sends by a live end of a lab: text or hex as frames of any kind, with the bytes shown before; ping, pong, close.

    Args:
        lab: sends by its ends; the panel does not keep it alive.
        kwargs: any of the traits below, as first values, such as ``target="server 0"``.

    ``send_bytes()`` sends what is shown and refuses nothing. The other four ways to send go through ``websockets``,
    which refuses what the protocol forbids; a raw end sends one frame as its side must. Each may be awaited; a failure
    stands in the panel as well. What was sent becomes the selected record. Raises TypeError for a trace without a lab.
    """

    target = Unicode(
        "", help='The end that sends: "client 0" is the client of connection 0. Empty: the first that is open.'
    )
    payload_as = Enum(
        ("text", "hex", "close"), "text", help="Written as UTF-8; hex digits; or made of ``code`` and ``reason``."
    )
    mask = Enum(
        ("right", "none", "fresh", "key"), "right", help="As the sender must; none; a fresh key; ``masking_key``."
    )
    fragments = Int(1, min=1, max=MOST_FRAGMENTS, help="How many frames carry the payload.")
    code = Int(1000, allow_none=True, help="A close frame's status code; None leaves it out.")
    reason = Unicode("", help="A close frame's reason.")
    picked = Int(0, min=0, help="The frame that is looked at, from 0.")

    _STATE: ClassVar = (*FrameFields.FIELDS, "target", "mask", "fragments", "code", "reason", "picked")
    _way = "text"  # the last value of ``payload_as`` that was text or hex: how the payload is written
    _not_before = 0.0
    _begun = 0  # frames of the series that were sent, one alone at a time

    def __init__(self, lab: Any, **kwargs: Any) -> None:
        if isinstance(lab, Trace) or not hasattr(lab, "ends"):
            raise TypeError(f"Composer({lab!r}): a Lab is wanted; a recording alone holds no connections to send by")
        self._steady = lab.seed is not None
        self._fresh = masking_keys(lab.seed, "composer")
        self._keys: list[bytes] = []
        self._sent: deque[dict[str, Any]] = deque(maxlen=MOST_SENT)
        self._preview = Preview(TargetEnd("", None))
        super().__init__(lab, **kwargs)
        self._way = "hex" if self.payload_as == "hex" else "text"
        self.observe(self._changed, names=list(self._STATE))
        self._compute()

    @property
    def end(self) -> End | None:
        """The end that ``target`` names; None when it is gone, or was never there."""
        return self._target().end

    def _ends(self) -> tuple[End, ...]:
        lab = self._open_lab
        return () if lab is None else lab.ends

    def _target(self) -> TargetEnd:
        return TargetEnd(self.target, next((end for end in self._ends() if end.key == self.target), None))

    @property
    def frames(self) -> tuple[bytes, ...]:
        """Each frame's bytes as ``send_bytes()`` would send them now. Raises CannotCompose where there are none."""
        with self._lock:
            self._compute()
            if self._preview.field:
                raise CannotCompose(self._preview.why)
            return self._preview.frames[self._begun :]

    def explain(self) -> Explanation:
        """The picked frame: every bit of it, and the rules that it would break in its connection."""
        with self._lock:
            return self._preview.explain(self._picked)

    def send_bytes(self, *, alone: bool = False) -> Underway[int | None]:
        """Send the frames that are shown, or ``alone`` the next; awaited, the first one's record number or None.

        Raises CannotSend when the end cannot send, and CannotCompose when the settings make no bytes.
        """
        with self._lock:
            end, left = self._living(), self.frames
            series = left[:1] if alone else left
            data = b"".join(series)
            name, size = opcode_name(data[0] & OPCODE), count(len(data), "byte")
            what = f"{name}, {size}" if len(series) == 1 else f"{count(len(series), 'frame')} from {name} on, {size}"
            underway = self._begin_sending(end, end.write(data), what, "exact bytes")
            done = self._begun + len(series)
            with self._one_change():
                for index in range(self._begun, min(done, len(self._keys))):
                    self._keys[index] = next(self._fresh)
                self._begun = self.picked = 0 if series == left else done
                self._due = True
        return underway

    def send_message(self) -> Underway[int | None]:
        """Have the library send the payload as a message: TEXT where it was typed as text, BINARY otherwise."""
        if self.payload_as == "text":
            return self._send_payload("TEXT", lambda end, _: end.send(self.payload))
        return self._send_payload("BINARY", lambda end, data: end.send(data))

    def ping(self) -> Underway[int | None]:
        """Have the library send a ping with the payload (RFC 6455 5.5.2)."""
        return self._send_payload("PING", lambda end, data: end.ping(data))

    def pong(self) -> Underway[int | None]:
        """Have the library send an unsolicited pong with the payload (RFC 6455 5.5.3)."""
        return self._send_payload("PONG", lambda end, data: end.pong(data))

    def _send_payload(self, name: str, send: Callable[[End, bytes], Sent]) -> Underway[int | None]:
        with self._lock:
            end, data = self._living(), self._payload()
            return self._begin_sending(end, send(end, data), f"{name}, {count(len(data), 'byte')} of payload")

    def close_connection(self) -> Underway[int | None]:
        """Have the library send a close frame with ``code`` and ``reason`` and do what follows (RFC 6455 7.1.2)."""
        with self._lock:
            end, code = self._living(), [] if self.code is None else [str(self.code)]
            what = " ".join(["CLOSE", *code, *([quote(self.reason)] if self.reason else [])])
            return self._begin_sending(end, end.close(self.code, self.reason), what)

    def open_client(self) -> Underway[End]:
        """Connect a ``websockets`` client on the server's loop, so that it works while a cell computes."""
        return self._open(open_client)

    def open_raw(self) -> Underway[End]:
        """Connect a raw end to the lab's server, with its opening handshake done; it answers nothing by itself."""
        return self._open(open_raw)

    def reset(self) -> None:
        """Reset the settings to what a library would send: one TEXT frame, masked as the side must."""
        with self._one_change():
            for name in (*self.FIELDS[:5], "mask", "length_form", "fragments"):
                self.set_trait(name, self.traits()[name].default())
            if self.payload_as == "close":
                self.payload_as = "text"

    def _sheet(self) -> Sheet:
        with self._lock:
            self._compute()
            blocks: list[Block] = [Table(_WORDS, self._settings(), "What the composer would send", row_heading=0)]
            if self._preview.frames:
                rows = self._preview.rows
                picked = explanation_sheet(self._preview.explain(self._picked)).blocks
                several = f"The bytes; frame {self._picked + 1} below" if len(rows) > 1 else "The bytes"
                blocks += [
                    Only(READ, [Table(_FRAMES, rows, "The bytes", row_heading=0)]),
                    Only(READ, explanation_sheet(self._preview.explain_steadily(self._picked)).blocks),
                    Only(DRAWN, [Table(_FRAMES, rows, several), *picked]),
                ]
            if self._sent:
                sent = [(each["what"], each["end"], each["how"]) for each in reversed(self._sent)]
                blocks.append(Table(_SENT, sent, "What was sent, the latest first"))
        return Sheet("Composed frames", blocks, "composer")

    def _settings(self) -> list[tuple[str, str]]:
        preview, series, target = self._preview, self._preview.series, self._target()
        by = f"{target.label}, {target.end.state.value}" if target.end else target.label or "nobody yet"
        if series is None:
            return [("sent by", by), (preview.field, f"makes no bytes: {preview.why}")]
        said = quote(self.payload) if self.payload_as == "text" else series.payload[:16].hex(" ")
        if self.payload_as == "close":
            code = "no status code" if self.code is None else f"{self.code} {code_meaning(self.code, target.sender)[0]}"
            said = f"{code} {quote(self.reason)}"
        return [
            ("sent by", by),
            ("payload", f"{said}, {count(len(series.payload), 'byte')}"),
            ("opcode", f"{series.opcode} {opcode_name(series.opcode)}"),
            ("bits", ", ".join(f"{name.upper()} {int(getattr(series, name))}" for name in self.FIELDS[1:5])),
            ("mask", f"under {visible(self.masking_key) if series.key else FRESH}" if series.masked else "not masked"),
            ("length", "in the fewest bits" if series.length_form is None else f"in {series.length_form} bits"),
            ("fragments", count(series.fragments, "frame")),
        ]

    def _push(self) -> bool:
        begun = time.monotonic()
        if begun < self._not_before:
            return True
        self._compute()
        self._not_before = begun + max(PAUSE, SHARE * (time.monotonic() - begun))
        return False

    def _greeted(self, question: Question) -> None:
        super()._greeted(question)
        self._compute()

    def _compute(self) -> None:
        with self._lock:
            self._due = False
            ends = self._ends()
            if not self.target and (first := next((end for end in ends if end.open), None)) is not None:
                self.set_trait("target", first.key)
                return
            target = self._target()
            self._preview = self._composed(target)
            if self.comm is None:
                return
            lab, preview, index = self._open_lab, self._preview, self._picked
            shown = preview.explain(index).to_json() if preview.frames else None
            said = {
                "notes": preview.notes(self.payload_as == "close"),
                "meaning": code_meaning(self.code, target.sender),
            }
            size = len(self.reason.encode("utf-8", "replace"))
            facts: dict[str, dict[str, Any]] = {
                "codes": {"codes": CODES},
                "ends": {**target.among(ends), "serving": lab is not None and lab.server is not None},
                "preview": {**preview.facts, **said, "index": index, "explanation": shown, "reason": size},
                "sent": {"sent": [*reversed(self._sent)]},
                "answer": self._answer(),
            }
            for what, news in facts.items():
                if self.is_news(what, news):
                    self.tell(what, **news)

    def _answer(self) -> dict[str, Any]:
        """What was sent last, and what its peer has sent since, as JSON values."""
        last = self._sent[-1] if self._sent else {"number": None}
        start, found = last["number"], []
        if start is not None:
            after = self.trace.between(start + 1, start + 1 + LOOKED_THROUGH)
            same = (one for one in after if one.connection == last["connection"])
            found = [_answering(one) for one in same if one.sender.label != last["sender"]]
        return {"sent": last, "records": found[:MOST_ANSWERS], "more": len(found[MOST_ANSWERS:])}

    @property
    def _picked(self) -> int:
        return max(0, min(self.picked, len(self._preview.frames) - 1))

    def _payload(self) -> bytes:
        made = self.payload_as == "close"
        return close_body(self.code, self.reason) if made else typed(self.payload, self.payload_as, MOST_PAYLOAD)

    def _composed(self, target: TargetEnd) -> Preview:
        field = "status code and reason" if self.payload_as == "close" else "payload"
        try:
            payload = self._payload()
            field = "masking key"
            key = masking_key(self.masking_key) if self.mask == "key" else None
        except CannotCompose as error:
            return Preview(target, field=field, why=str(error))
        sender = target.sender or Sender.CLIENT
        # RFC 6455 5.1: "a client MUST mask all frames that it sends to the server", and "A server MUST NOT mask any
        # frames that it sends to the client."
        masked = sender is Sender.CLIENT if self.mask == "right" else self.mask != "none"
        form, fragments = self.length_form, self.fragments
        series = Series(payload, **self.bits, masked=masked, key=key, length_form=form, fragments=fragments)
        frames, begun = tuple(series.frames(self._key)), self._begun
        # What was sent of the series stays as it was.
        places = (*self._preview.places[:begun], *placed(self.trace, target.end, sender, frames[begun:]))
        return Preview(target, series, frames, places, begun, hides=masked and key is None and not self._steady)

    def _key(self, index: int) -> bytes:
        while len(self._keys) <= index:
            self._keys.append(next(self._fresh))
        return self._keys[index]

    def _living(self) -> End:
        target = self._target()
        if target.end is None or target.trouble:
            raise CannotSend(target.trouble)
        return target.end

    def _begin_sending(self, end: End, sending: Sent, what: str, how: str = "") -> Underway[int | None]:
        how = how or ("one frame" if end.kind == RAW_KIND else "websockets")
        by = {"end": end.label, "sender": end.end.label, "connection": end.connection, "how": how}

        def sent(number: int | None) -> None:
            with self._lock:
                self._sent.append({"what": what, **by, "number": number})
                self._compute()
            if number is not None:
                self.selected = number

        return self._run(end.loop, sending, sent)

    def _open(self, make: Callable[[Any], Coroutine[Any, Any, End]]) -> Underway[End]:
        lab = self._open_lab
        if lab is None:
            raise CannotSend("this lab was closed: run the cell with lab = Lab() again")
        if lab.loop is None or lab.server is None:
            raise NoServer("this lab has no server to connect to: run `await lab.serve()` first")
        return self._run(lab.loop, make(lab), lambda end: self.set_trait("target", end.key))

    def _changed(self, change: Any) -> None:
        with self._one_change():
            self._due = True
            self.problem = ""
            self._way = self._way if self.payload_as == "close" else self.payload_as
            unused = () if self.payload_as == "close" else ("code", "reason")
            if self._begun and change["name"] not in ("picked", *unused):
                self._begun = self.picked = 0  # it is another series now

    def _answer_change(self, question: Question) -> None:
        name, value = str(question["name"]), question["value"]
        if name not in self._STATE:
            raise ValueError(f"a page wanted to change {name!r}, which it may not")
        with self._one_change():
            if name == "payload_as" and self.payload:
                self.payload = written(self.payload, self._way, value)
            self.set_trait(name, value)

    answers: ClassVar[Mapping[str, Any]] = {
        "change": _answer_change,
        "send bytes": lambda self, question: self.send_bytes(alone=bool(question.get("alone"))),
        "send": lambda self, _: self.send_message(),
        "ping": lambda self, _: self.ping(),
        "pong": lambda self, _: self.pong(),
        "close": lambda self, _: self.close_connection(),
        "open client": lambda self, _: self.open_client(),
        "open raw": lambda self, _: self.open_raw(),
        "reset": lambda self, _: self.reset(),
    }


def _answering(record: Record) -> dict[str, Any]:
    meaning, where = code_meaning(record.status or None, record.sender) if is_close(record) else ("", "")
    said = {"sender": record.sender.label, "number": record.number, "words": record.summary}
    return {**said, "meaning": meaning, "where": where}
