"""The text painter: blocks as plain text, readable in a terminal without colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from .blocks import (
    LINE,
    ROW,
    Block,
    Cell,
    Dump,
    Faults,
    Gap,
    Items,
    Ladder,
    Line,
    Notes,
    Pairs,
    Ruler,
    Rung,
    Stack,
    States,
    Stroke,
    Table,
    Tip,
    Title,
    Words,
    seen_by,
)
from .style import lane_mark
from .table import pairs_text, table_text
from .visible import cells, clip, harmless, pad, wrap

INDENT = "    "
NO_BREAK = "\u00a0"  # Holds a section's name together while lines are broken; it occurs in no text made harmless.
MARGIN = "     "  # Before a ruler.
NARROWEST = 40  # Columns that a ladder needs.


def text_of(blocks: Iterable[Block], width: int = 80) -> str:
    """The blocks one below the other, a blank line between, at most ``width`` columns wide."""
    said = ""
    for block in seen_by("text", blocks):
        if said:
            close = isinstance(block, Notes) or (isinstance(block, Words) and block.close)
            said += "\n" if close else "\n\n"
        said += _painted(block, width)
    return said


def _painted(block: Block, width: int) -> str:
    match block:
        case Title():
            return "\n".join(line for said in (block.said, block.place) if said for line in wrap(said, width))
        case Words():
            return "\n".join(map(harmless, block.said.split("\n")))
        case Notes():
            return "\n".join(f"note: {harmless(note)}" for note in block.said)
        case Table():
            return table_text(block.columns, block.rows, caption=block.caption, width=width)
        case Pairs():
            return pairs_text(block.rows, width=width)
        case Stack():
            size = max(cells(name) for name, _, _ in block.rows)
            lines = [f"{pad(name, size, right=True)}  {said}  {more}".rstrip() for name, said, more in block.rows]
            return "\n".join([block.caption, *lines])
        case Items():
            return _items(block, width)
        case Faults():
            return _faults(block, width)
        case Ruler():
            return "\n".join([*([block.caption] if block.caption else []), *_ruler(block)])
        case Dump():
            return _dump(block)
        case Ladder():
            return "\n".join([*([block.caption] if block.caption else []), *_ladder(block, width)])
        case States():
            return "\n\n".join(_machine(block, lane) for lane in block.moves)
        case _:
            raise TypeError(f"no text for {block!r}")


def _indented(said: str, width: int) -> list[str]:
    return [INDENT + part.replace(NO_BREAK, " ") for part in wrap(said, width - len(INDENT))]


def _items(block: Items, width: int) -> str:
    lines: list[str] = []
    for item in block.items:
        lines += [clip(part, width) for part in wrap(item.said, width)]
        for said, section in item.notes:
            cited = f"[{section}]".replace(" ", NO_BREAK) if section else ""
            lines += _indented(f"{said} {cited}".rstrip(" "), width)
    return "\n".join([*lines, block.left_out]).rstrip("\n")


def _faults(block: Faults, width: int) -> str:
    lines = [block.heading]
    for fault in block.faults:
        lines += wrap(f"! {fault.rule}, {fault.section}", width)
        for said in (f"“{fault.sentence}”", fault.found, *([fault.place] if fault.place else [])):
            lines += _indented(said, width)
        lines += [INDENT + said for said in fault.pointed]
    return "\n".join(lines)


# The ruler


def _ruler(block: Ruler) -> list[str]:
    # 70 columns: a margin with each row's first byte, then two columns a bit.
    rows = block.rows
    if not rows or not rows[0]:
        return []
    lines = [
        MARGIN + " " + " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(ROW)).rstrip(),
        MARGIN + " " + " ".join(str(bit % 10) for bit in range(ROW)),
        MARGIN + _border([], rows[0]),
    ]
    for row, below in pairwise([*rows, []]):
        lines += _ruler_row(row)
        lines.append(MARGIN + _border(row, below))
    lines += [f"{MARGIN} {block.beyond}"] if block.beyond else []
    return [line.rstrip() for line in lines]


def _ruler_row(row: Sequence[Cell]) -> list[str]:
    # The lines of one row: names from the top, what crossed on one line, the numbers that it makes below.
    names = [list(cell.name) if cell.width == 1 else wrap(cell.label, 2 * cell.width - 1) for cell in row]
    height = max(map(len, names))
    insides = [[*name, *[""] * (height - len(name)), _spread(cell)] for name, cell in zip(names, row, strict=True)]
    if any(cell.number for cell in row):
        insides = [[*inside, cell.number] for inside, cell in zip(insides, row, strict=True)]
    edge = "|" if row[-1].ends or row[-1].stop % ROW == 0 else ":"
    lines = []
    for line, texts in enumerate(zip(*insides, strict=True)):
        label = f"{row[0].start // 8:>{len(MARGIN) - 1}} " if line == 0 else MARGIN
        body = "|".join(text.center(2 * cell.width - 1) for text, cell in zip(texts, row, strict=True))
        lines.append(f"{label}|{body}{edge}")
    return lines


def _spread(cell: Cell) -> str:
    # What crossed, each piece in the middle of its share.
    share = 2 * cell.width // len(cell.pieces) - 1
    return " ".join(piece.center(share) for piece in cell.pieces)


def _border(above: Sequence[Cell], below: Sequence[Cell]) -> str:
    # The line between two rows: ``+`` where a cell begins or ends, gaps inside a field that goes on.
    upper, lower = _owners(above), _owners(below)
    edges = {cell.start % ROW for cell in [*above, *below]}
    line = ""
    for bit in range(max(*upper, *lower) + 1):
        goes_on = bit in upper and upper[bit] == lower.get(bit)
        ends = bit in edges or (bit not in upper and bit - 1 in upper) or (bit not in lower and bit - 1 in lower)
        line += ("+" if ends else "-") + (" " if goes_on else "-")
    return line + "+"


def _owners(row: Sequence[Cell]) -> dict[int, int]:
    # Which field has each bit of a row.
    return {bit % ROW: cell.owner for cell in row for bit in range(cell.start, cell.stop)}


# The dump


def _dump(block: Dump) -> str:
    # 76 columns: hex and characters, a bar where a field begins.
    lines = [block.caption] if block.caption else []
    lines += [f"       {line}" if isinstance(line, str) else _dump_line(line) for line in block.lines]
    if block.numbered:
        lines += [""] if block.entries else []
        for place, (name, value, meaning, section, _) in enumerate(block.entries, 1):
            said = f"{name} {value}".rstrip() + (f": {meaning}" if meaning else "")
            lines.append(f"{place}. {said}" + (f" ({section})" if section else ""))
    return "\n".join(lines)


def _dump_line(line: Line) -> str:
    pairs = "".join(("|" if byte.begins else " ") + byte.hex for byte in line.data) + ("|" if line.closed else " ")
    return f"{line.at:6d} {pairs:<{3 * LINE + 1}}  {''.join(byte.character for byte in line.data)}"


# The ladder


_LINES = {Stroke.DOTTED: "─ ", Stroke.JAGGED: "~"}


def tip_of(rung: Rung) -> str:
    """The arrow's head as a character."""
    return rung.tip.value if rung.tip in (Tip.CROSS, Tip.QUESTION) else "" if rung.tip is Tip.NONE else "►◄"[rung.lane]


def _ladder(block: Ladder, width: int) -> list[str]:
    # An arrow in each line, between the lanes.
    width = max(width, NARROWEST)
    rungs = [rung for rung in block.rungs if isinstance(rung, Rung)]
    digits = max(len(str(rung.number)) for rung in rungs)
    names = max(len(f" {rung.name}".rstrip()) for rung in rungs)
    margin = digits + names + 1
    inside = width - margin - 2
    left, right = (lane_mark(lane, said) for lane, said in enumerate(block.lanes))
    lines = [" " * margin + pad(left, width - margin - cells(right)) + right]
    for rung in block.rungs:
        if isinstance(rung, Gap):
            lines.append(f"{' ' * margin}│{rung.said.center(inside)}│")
        else:
            name = f" {rung.name}".ljust(names) if names else ""
            lines.append(f"{str(rung.number).rjust(digits)}{name} {_arrow(rung, inside)}")
    return lines


def _arrow(rung: Rung, inside: int) -> str:
    if rung.stroke is Stroke.NONE:
        text = clip(rung.said, inside - 2)
        return f"│{pad(f'{text} ' if rung.lane else f' {text}', inside, right=bool(rung.lane))}│"
    said = clip(rung.said, inside - 8)
    rest = inside - cells(said) - 4
    line = (_LINES.get(rung.stroke, "─") * rest)[:rest]
    if rung.stroke is Stroke.JAGGED:
        return f"│~{line} {said} ~┤" if rung.lane else f"├~ {said} {line}~│"
    return f"│{tip_of(rung)}{line[::-1]} {said} ─┤" if rung.lane else f"├─ {said} {line}{tip_of(rung)}│"


# The states


def _machine(block: States, lane: int) -> str:
    # The state that a lane is in, the changes made, under their numbers, and those not made.
    made = [(place, tuple(step)) for place, (whose, *step) in enumerate(block.taken, 1) if whose == lane]
    sections = {move[:3]: move[3] for move in block.moves[lane]}
    now = made[-1][1][2] if made else block.states[0]
    lines = [f"{lane_mark(lane, block.lanes[lane])}, now {now}"]
    lines += [f"  {place}. {_change(step, sections)}" for place, step in made]
    others = [move for move in sections if move not in {step for _, step in made}]
    lines += ["  not made:", *(f"    {_change(move, sections)}" for move in others)] if others else []
    return "\n".join(lines)


def _change(step: Sequence[str], sections: dict[tuple[str, str, str], str]) -> str:
    old, event, new = step
    section = sections.get((old, event, new), "")
    return f"{old} to {new}: {event}" + (f" ({section})" if section else "")
