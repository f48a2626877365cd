"""``facts.js``: tables for JavaScript, written from those in Python by ``python -m wslab.panels.kit.facts``."""

import json
import struct
import textwrap
from pathlib import Path
from typing import Any, Final

from ...anatomy.field import Sender
from ...anatomy.record import LAYOUT, OPCODES, PACKED, PREVIEW, UNKNOWN, Kind
from ...drawing.visible import INVISIBLE
from ...protocol.states import State
from ...protocol.words import RSV1, RSV2, RSV3
from .record_filter import CONTROL, DIRECTIONS, GROUPS, KINDS

FILE = Path(__file__).with_suffix(".js")
WIDTH = 120

# By the name in JavaScript: what it is, and its value. A string is JavaScript already; a tuple is written in hex.
FACTS: Final[dict[str, tuple[str, Any]]] = {
    "RECORD_SIZE": ("Bytes of a packed record (wslab/anatomy/record.py).", str(PACKED.size)),
    "RECORD_AT": (
        "Where each value of a packed record lies.",
        {name: struct.calcsize("<" + "".join([*LAYOUT.values()][:place])) for place, name in enumerate(LAYOUT)},
    ),
    "PREVIEW": ("The most bytes of a preview.", str(PREVIEW)),
    "UNKNOWN": ("The delay of a record that is not known to be received.", hex(UNKNOWN)),
    "SENDERS": ("By a packed record's sender.", [sender.label for sender in Sender]),
    "RECORD_KINDS": ("By a packed record's kind.", [kind.name.lower() for kind in Kind]),
    "DIRECTIONS": ("What the filter can be told of senders (wslab/panels/kit/record_filter.py).", [*DIRECTIONS]),
    "FILTER_KINDS": ("The kinds that the filter tells apart.", [*KINDS]),
    "GROUPS": (
        "By a record's kind: its kind for the filter. A frame's first byte tells the rest.",
        {kind.name.lower(): group for kind, group in GROUPS.items()},
    ),
    "CONTROL": ("The opcode bit that control frames have (RFC 6455 5.5).", f"{CONTROL:#b}"),
    "OPCODES": ("The names of the opcodes that are defined (RFC 6455 11.8).", OPCODES),
    "RSV1": ("The reserved bits in a frame's first byte (RFC 6455 5.2).", f"{RSV1:#010b}"),
    "RSV2": ("The second of them.", f"{RSV2:#010b}"),
    "RSV3": ("The third.", f"{RSV3:#010b}"),
    "STATES": ("A connection's states (RFC 6455 4 and 7), in the order of readyState.", [s.value for s in State]),
    "INVISIBLE": (
        "Characters without a glyph (wslab/drawing/visible.py): the first and the last of each range, in turn.",
        tuple(point for span in INVISIBLE for point in span),
    ),
}


def facts_js() -> str:
    """The text of ``facts.js``, laid out as the formatter of JavaScript lays it out."""
    text = "/** Generated from tables in Python by wslab/panels/kit/facts.py; change those instead. */\n"
    for name, (said, value) in FACTS.items():
        begin = f"export const {name} = "
        text += f"\n/** {said} */\n{begin}{_written(value, WIDTH - len(begin) - 1)};\n"
    return text


def _written(value: Any, room: int) -> str:
    """A value in JavaScript: in one line where it fits into that many columns, else each item in its own."""
    match value:
        case str():
            return value
        case tuple():
            filled = textwrap.fill(", ".join(map(hex, value)), WIDTH, initial_indent="  ", subsequent_indent="  ")
            return f"[\n{filled},\n]"
        case dict():
            opening, items, closing = "{ ", [f"{key}: {json.dumps(each)}" for key, each in value.items()], " }"
        case _:
            opening, items, closing = "[", [*map(json.dumps, value)], "]"
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= room:
        return line
    return "\n".join([opening.strip(), *(f"  {item}," for item in items), closing.strip()])


if __name__ == "__main__":
    FILE.write_text(facts_js(), encoding="utf-8")
