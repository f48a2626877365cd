"""Odd frames, thousands of them, and the few on which two good libraries differ.

Each frame is the first on an open connection: every status code up to 1099, every first byte there is, lengths in
forms that are too long, and some rows of frames of which people have argued.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...drawing.blocks import Table
from ...drawing.sheet import Sheet, Shown
from ...drawing.table import Column
from ...live.judges.comparison import applied_rule, broken_rules
from ...live.judges.judge import judge
from ...live.judges.verdict import Judgement, Verdict
from ...protocol import build_close, build_frame

KEY = bytes(4)  # a masking key that changes nothing, so that the payload can be read
CODES = (*range(1100), 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 9999, 65535)
FORMS = {16: "two bytes", 64: "eight bytes"}
NAMES = {1: "a text frame", 2: "a binary frame", 8: "a close frame", 9: "a ping frame"}


class OddFrame(NamedTuple):
    """What one endpoint sends, and what it is about."""

    about: str
    name: str
    data: bytes
    as_client: bool = True


def odd_frames() -> list[OddFrame]:
    """All of them."""
    found = [OddFrame("a status code", f"a close frame with {code}", build_close(code, mask=KEY)) for code in CODES]
    for first in range(256):
        for payload in (b"", b"a", b"\xc3", b"\xff"):
            masked = bytes([first, 0x80 | len(payload)]) + KEY + payload
            found.append(
                OddFrame("a first byte", f"first byte {first:02x} before {payload.hex() or 'nothing'}", masked)
            )
        for payload in (b"", b"a"):
            data = bytes([first, len(payload)]) + payload
            found.append(
                OddFrame(
                    "a first byte",
                    f"first byte {first:02x} from a server, before {payload.hex() or 'nothing'}",
                    data,
                    as_client=False,
                )
            )
    for bits, form in FORMS.items():
        for opcode, name in NAMES.items():
            data = build_frame(b"\x03\xe8" if opcode == 8 else b"ab", opcode=opcode, mask=KEY, length_form=bits)
            found.append(OddFrame("a length", f"{name} of 2 bytes, its length in {form}", data))
    return [*found, *_argued_about()]


def _argued_about() -> Iterable[OddFrame]:
    close, text = build_close(1000, mask=KEY), build_frame("x", mask=KEY)
    begins = build_frame(b"\xff", opcode=1, fin=False, mask=KEY)
    empty = [build_frame("", opcode=opcode, fin=False, mask=KEY) for opcode in (1, 0)]
    for name, data in {
        "ff in the first fragment of a text, and a last one": begins + build_frame(b"a", opcode=0, mask=KEY),
        "a text after a close frame": close + text,
        "a ping after a close frame": close + build_frame("", opcode=9, mask=KEY),
        "two close frames": close + close,
        "empty fragments": b"".join(empty),
        "a surrogate": build_frame(b"\xed\xa0\x80", opcode=1, mask=KEY),
        "a slash in two bytes": build_frame(b"\xc0\xaf", opcode=1, mask=KEY),
        "a byte order mark": build_frame("\ufeffx", opcode=1, mask=KEY),
        "a zero byte": build_frame("\0", opcode=1, mask=KEY),
        "a close reason that is not UTF-8": build_frame(b"\x03\xe8\xff", opcode=8, mask=KEY),
    }.items():
        yield OddFrame("several frames in a row", name, data)
    longest = {"with the first bit set": "81ff8000000000000000", "of 16 TiB": "82ff00000fffffffffff"}
    for name, header in longest.items():
        yield OddFrame("a length", f"a length {name}", bytes.fromhex(header) + KEY)


def said(verdict: Verdict) -> str:
    """A verdict in a word or two: ``accepts``, ``waits``, ``refuses, 1002``."""
    if not verdict.accepted:
        return f"refuses, {verdict.code}"
    return "accepts" if verdict.events else "waits"


def differing(frames: Iterable[OddFrame]) -> dict[OddFrame, Judgement]:
    """The frames that one library accepts and the other does not, or that they refuse with different codes."""
    found = {frame: judge(frame.data, frame.as_client) for frame in frames}
    return {frame: both for frame, both in found.items() if said(both.websockets) != said(both.wsproto)}


def told(found: Mapping[OddFrame, Judgement]) -> dict[str, object]:
    """How many frames the libraries differ on, what most of them are about, and who refuses some of them, as cases."""
    about = [frame.about for frame in found]
    refused = {frame.name: _refusing(both) for frame, both in found.items()}
    return {
        "frames on which they differ": len(found),
        "most of these are about": max(about, key=about.count, default="nothing"),
        **{f"who refuses {name}": refused.get(name, "both or neither") for name in ASKED},
    }


ASKED = ("a close frame with 1014", "a text frame of 2 bytes, its length in two bytes", "a length of 16 TiB")


def _refusing(both: Judgement) -> str:
    names = [one.judge for one in both.verdicts if not one.accepted]
    return names[0] if len(names) == 1 else "both or neither"


def _rule(frame: OddFrame, both: Judgement) -> str:
    """The rule that a frame breaks; where it breaks none of wslab's, the one by which a library refuses it."""
    broken = broken_rules(frame.data, as_client=frame.as_client)
    applied = [applied_rule(one, broken, as_client=frame.as_client) for one in both.verdicts]
    rules = [*((one.section, one.sentence) for one in broken), *((one.section, one.sentence) for one in applied if one)]
    section, sentence = next(iter(rules), ("", ""))
    return f"{section.removeprefix('RFC 6455 ')}: {sentence}"


class Arguments(Shown):
    """The frames on which two libraries differ, those alike in one row, with what the RFC says.

    Args:
        found: what ``differing`` returned.
    """

    def __init__(self, found: Mapping[OddFrame, Judgement]) -> None:
        self.rows: dict[tuple[str, str, str], list[OddFrame]] = {}
        for frame, both in found.items():
            self.rows.setdefault((said(both.websockets), said(both.wsproto), _rule(frame, both)), []).append(frame)

    def _sheet(self) -> Sheet:
        columns = (Column("frames", right=True), "such as", "websockets", "wsproto", Column("RFC 6455", wraps=True))
        rows = [
            (str(len(alike)), alike[0].name, first, second, rule) for (first, second, rule), alike in self.rows.items()
        ]
        return Sheet("Where they differ", [Table(columns, rows, "The frames on which the libraries differ")])
