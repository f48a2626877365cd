"""The text painter: blocks as plain text, readable in a terminal without colours."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest

from . import blocks
from .style import lane_mark
from .table import pairs_text, table_text
from .visible import cells, clip, harmless, pad, wrap

INDENT = "    "
NO_BREAK = "\u00a0"  # holds a section's name together while lines are broken; it occurs in no text made harmless
MARGIN = "     "  # before a ruler
NARROWEST = 40  # columns that a ladder needs


def text_of(shown: Iterable[blocks.Block], width: int = 80) -> str:
    """The blocks one below the other, a blank line between, at most ``width`` columns wide."""
    said = ""
    for block in blocks.seen_by("text", shown):
        if said:
            close = isinstance(block, blocks.Notes) or (isinstance(block, blocks.Words) and block.close)
            said += "\n" if close else "\n\n"
        said += _painted(block, width)
    return said


def _painted(block: blocks.Painted, width: int) -> str:
    match block:
        case blocks.Title():
            return "\n".join(line for said in block if said for line in wrap(said, width))
        case blocks.Words():
            return "\n".join(map(harmless, block.said.split("\n")))
        case blocks.Notes():
            return "\n".join(f"note: {harmless(note)}" for note in block.said)
        case blocks.Table():
            return table_text(block.columns, block.rows, caption=block.caption, width=width)
        case blocks.Pairs():
            return pairs_text(block.rows, width=width)
        case blocks.Stack():
            size = max(cells(name) for name, _, _ in block.rows)
            lines = [f"{pad(name, size, right=True)}  {said}  {more}".rstrip() for name, said, more in block.rows]
            return "\n".join([block.caption, *lines])
        case blocks.Items():
            return "\n".join([*_items(block, width), block.left_out]).rstrip("\n")
        case blocks.Faults():
            return "\n".join([block.heading, *_faults(block, width)])
        case blocks.Ruler():
            return _captioned(block.caption, map(str.rstrip, _ruler(block)))
        case blocks.Dump():
            return _captioned(block.caption, _dump(block))
        case blocks.Ladder():
            return _captioned(block.caption, _ladder(block, width))
        case blocks.States():
            return "\n\n".join("\n".join(_machine(block, lane)) for lane in block.moves)


def _captioned(caption: str, lines: Iterable[str]) -> str:
    return "\n".join([caption, *lines] if caption else lines)


def _indented(said: str, width: int) -> list[str]:
    return [INDENT + part.replace(NO_BREAK, " ") for part in wrap(said, width - len(INDENT))]


def _items(block: blocks.Items, width: int) -> Iterator[str]:
    for line, notes in block.items:
        yield from (clip(part, width) for part in wrap(line, width))
        for said, section in notes:
            cited = f"[{section}]".replace(" ", NO_BREAK) if section else ""
            yield from _indented(f"{said} {cited}".rstrip(" "), width)


def _faults(block: blocks.Faults, width: int) -> Iterator[str]:
    for fault in block.faults:
        yield from wrap(f"! {fault.rule}, {fault.section}", width)
        for said in (f"“{fault.sentence}”", fault.found, *([fault.place] if fault.place else [])):
            yield from _indented(said, width)
        yield from (INDENT + said for said in fault.pointed)


def _ruler(block: blocks.Ruler) -> Iterator[str]:
    # 70 columns: a margin with each row's first byte, then two columns a bit.
    if block.rows and block.rows[0]:
        yield MARGIN + " " + " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(blocks.ROW))
        yield MARGIN + " " + " ".join(str(bit % 10) for bit in range(blocks.ROW))
        yield MARGIN + _border([], block.rows[0])
        for row, below in pairwise([*block.rows, []]):
            yield from _ruler_row(row)
            yield MARGIN + _border(row, below)
        if block.beyond:
            yield f"{MARGIN} {block.beyond}"


def _ruler_row(row: Sequence[blocks.Cell]) -> Iterator[str]:
    # The lines of one row: names from the top, what crossed on one line, the numbers that it makes below.
    names = [list(cell.name) if cell.width == 1 else wrap(cell.label, 2 * cell.width - 1) for cell in row]
    lines: list[Sequence[str]] = [*zip_longest(*names, fillvalue="")]
    # Each piece stands in the middle of its share.
    lines.append([" ".join(one.center(2 * cell.width // len(cell.pieces) - 1) for one in cell.pieces) for cell in row])
    if any(cell.number for cell in row):
        lines.append([cell.number for cell in row])
    edge = "|" if row[-1].ends or row[-1].stop % blocks.ROW == 0 else ":"
    margin = f"{row[0].start // 8:>{len(MARGIN) - 1}} "
    for texts in lines:
        body = "|".join(text.center(2 * cell.width - 1) for text, cell in zip(texts, row, strict=True))
        yield f"{margin}|{body}{edge}"
        margin = MARGIN


def _border(above: Sequence[blocks.Cell], below: Sequence[blocks.Cell]) -> str:
    # The line between two rows: ``+`` where a cell begins or ends, gaps inside a field that goes on.
    upper, lower = (
        {bit % blocks.ROW: cell.owner for cell in row for bit in range(cell.start, cell.stop)} for row in (above, below)
    )
    edges = {cell.start % blocks.ROW for cell in [*above, *below]}
    line = ""
    for bit in range(max(*upper, *lower) + 1):
        goes_on = bit in upper and upper[bit] == lower.get(bit)
        ends = bit in edges or (bit not in upper and bit - 1 in upper) or (bit not in lower and bit - 1 in lower)
        line += ("+" if ends else "-") + (" " if goes_on else "-")
    return line + "+"


def _dump(block: blocks.Dump) -> Iterator[str]:
    # 76 columns: hex and characters, a bar where a field begins.
    yield from (f"       {line}" if isinstance(line, str) else _dump_line(line) for line in block.lines)
    if block.numbered and block.entries:
        yield ""
        for place, field in enumerate(block.entries, 1):
            said = f"{field.name} {field.value}".rstrip() + (f": {field.meaning}" if field.meaning else "")
            yield f"{place}. {said}" + (f" ({field.section})" if field.section else "")


def _dump_line(line: blocks.Line) -> str:
    pairs = "".join(("|" if byte.begins else " ") + byte.hex for byte in line.data) + ("|" if line.closed else " ")
    return f"{line.at:6d} {pairs:<{3 * blocks.LINE + 1}}  {''.join(byte.character for byte in line.data)}"


_STROKES = {"dotted": "─ ", "jagged": "~"}


def tip_of(rung: blocks.Rung) -> str:
    """The arrow's head as a character."""
    return {"×": "×", "?": "?", "none": ""}.get(rung.tip, "►◄"[rung.lane])


def _ladder(block: blocks.Ladder, width: int) -> Iterator[str]:
    # An arrow in each line, between the lanes.
    width = max(width, NARROWEST)
    rungs = [rung for rung in block.rungs if isinstance(rung, blocks.Rung)]
    digits = max(len(str(rung.number)) for rung in rungs)
    names = max(len(f" {rung.name}".rstrip()) for rung in rungs)
    margin = digits + names + 1
    inside = width - margin - 2
    left, right = map(lane_mark, (0, 1), block.lanes)
    yield " " * margin + pad(left, width - margin - cells(right)) + right
    for rung in block.rungs:
        if isinstance(rung, blocks.Gap):
            yield f"{' ' * margin}│{rung.said.center(inside)}│"
        else:
            yield f"{rung.number:>{digits}}{f' {rung.name}'.rstrip():<{names}} {_arrow(rung, inside)}"


def _arrow(rung: blocks.Rung, inside: int) -> str:
    if rung.stroke == "none":
        text = clip(rung.said, inside - 2)
        return f"│{pad(f'{text} ' if rung.lane else f' {text}', inside, right=bool(rung.lane))}│"
    said = clip(rung.said, inside - 8)
    rest = inside - cells(said) - 4
    line = (_STROKES.get(rung.stroke, "─") * rest)[:rest]
    if rung.stroke == "jagged":
        return f"│~{line} {said} ~┤" if rung.lane else f"├~ {said} {line}~│"
    return f"│{tip_of(rung)}{line[::-1]} {said} ─┤" if rung.lane else f"├─ {said} {line}{tip_of(rung)}│"


def _machine(block: blocks.States, lane: int) -> Iterator[str]:
    # The state that a lane is in, the changes made, under their numbers, and those not made.
    made = {place: tuple(step) for place, (whose, *step) in enumerate(block.taken, 1) if whose == lane}
    sections: dict[tuple[str, ...], str] = {move[:3]: move[3] for move in block.moves[lane]}
    now = [block.states[0], *(new for _, _, new in made.values())][-1]
    yield f"{lane_mark(lane, block.lanes[lane])}, now {now}"
    yield from (f"  {place}. {_change(step, sections)}" for place, step in made.items())
    if others := [move for move in sections if move not in made.values()]:
        yield "  not made:"
        yield from (f"    {_change(move, sections)}" for move in others)


def _change(step: tuple[str, ...], sections: Mapping[tuple[str, ...], str]) -> str:
    (old, event, new), section = step, sections.get(step)
    return f"{old} to {new}: {event}" + (f" ({section})" if section else "")
