"""Damaged files of ``Trace.save``: each is refused with a sentence, or everything that reads a trace can read it.

A sample runs with the tests. All of it is a command: ``python tests/recording/damage.py [SECONDS [SEED]]``.
"""

from __future__ import annotations

import json
import random
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from packets import MASK
from recorded import conversation
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from wslab.anatomy.field import Sender
from wslab.anatomy.record import PACKED
from wslab.drawing.sheet import Shown
from wslab.panels.closing_panel.closing_panel import ClosingPanel
from wslab.panels.lab_panel.lab_panel import LabPanel
from wslab.protocol import build_frame, build_request, build_response
from wslab.recording.archive import TraceFileError
from wslab.recording.ledger import PLACE
from wslab.recording.tape import ENTRY
from wslab.recording.trace import Trace, dissections

SIZES = {"records.bin": PACKED.size, "places.bin": PLACE.size, "chunks.bin": ENTRY.size}
AGREED = (False, False, 15, 15)
ODD: list[Any] = [None, -1, 0, 3, 2**31, 2**62, 2**70, 0.5, 1e308, "x", "", "\ud800", [], {}, [0], True]


def everything() -> Trace:
    """A recording with one of all that a recording may hold; nothing of it was dropped."""
    trace = Trace()
    conversation(trace)
    client, server = trace.join(Sender.CLIENT, "deflate"), trace.join(Sender.SERVER, "deflate")
    client.sent(build_request(headers={"Sec-WebSocket-Extensions": "permessage-deflate", "Cookie": "session=sesame"}))
    server.sent(build_response(headers={"Sec-WebSocket-Extensions": "permessage-deflate"}))
    client.sent(Frame(Opcode.TEXT, b"deflated " * 9).serialize(mask=True, extensions=[PerMessageDeflate(*AGREED)]))
    server.sent(build_frame("one"))
    server.bend("a relay changed the mask")
    client.sent(build_frame("half a message", fin=False, mask=MASK)[:9])
    client.reset_sent()
    server.reset_received()
    alone = trace.join(Sender.SERVER, "alone", heads=(False, False))
    alone.sent(build_frame("masked by a server", mask=MASK))
    alone.note("RuntimeError: no")
    alone.sent(build_frame("x" * 300)[:200])
    alone.lost("100 bytes of the server's stream were not captured")
    alone.sent(b"garbage")
    alone.left()
    trace.notes = ("a note of a file that it was read from",)
    return trace


def saved(trace: Trace, folder: Path) -> dict[str, bytes]:
    """The parts of the recording's file."""
    trace.save(folder / "whole.wslab")
    with zipfile.ZipFile(folder / "whole.wslab") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def seen(shown: Shown) -> None:
    assert repr(shown)
    assert shown._repr_html_()


def read_all(trace: Trace, folder: Path) -> None:
    """Call all that reads a trace, and write to it. Raises what it must not."""
    for record in trace.records:
        shown = trace.explain(record.number)
        seen(shown)
        trace.lanes(record.number)
        if record.connection in trace.connections:
            trace.states_at(record.connection, record.number)
    assert len(trace.chunks) + len(trace.frames) + len(trace.messages) + len(trace.steps()) + len(trace.violations) >= 0
    for number in trace.connections:
        trace.states(number), trace.transitions(number), trace.heads(number), trace.closings(number)
        assert trace.connection(number).frames is not None
        for view in (trace.connection(number), trace.handshake(number), trace.closing(number)):
            seen(view)
        for sender in Sender:
            trace.messages_of(number, sender)
            with suppress(LookupError):
                trace.bytes_sent(number, sender)
        trace.foresee(number, Sender.CLIENT, [build_frame("next", mask=MASK)])
    seen(trace)
    trace[:].svg()
    for number, dissection in dissections(trace):
        seen(dissection)
        json.dumps([*dissection.json_objects(number)], allow_nan=False)
    for panel in (LabPanel(trace), ClosingPanel(trace)):
        assert panel._repr_mimebundle_()
        panel.close()
    json.dumps(trace.to_har(), allow_nan=False)
    trace.to_dataframe()
    trace.to_pcapng(folder / "again.pcapng")
    trace.save(folder / "again.wslab")
    for again in ("again.pcapng", "again.wslab"):
        repr(Trace.open(folder / again))
    trace.on_its_way()
    trace.join(Sender.CLIENT, object()).sent(build_request())
    trace.note("and on it goes")
    trace.update()


def refused(path: Path) -> bool:
    """Whether the file is refused; if not, everything that reads it must be able to."""
    try:
        trace = Trace.load(path)
    except TraceFileError as error:
        told = str(error)
    else:
        read_all(trace, path.parent)
        return False
    assert str(path) in told
    assert 20 < len(told) < 600, told
    return True


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value in some JSON, those that hold others included."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))


def a_byte(whole: bytes, parts: dict[str, bytes], path: Path, rng: random.Random) -> object:
    at, value = rng.randrange(len(whole)), rng.randrange(256)
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    return at, value


def a_byte_of_a_part(whole: bytes, parts: dict[str, bytes], path: Path, rng: random.Random) -> object:
    name = rng.choice([*parts])
    data, at = bytearray(parts[name]), rng.randrange(len(parts[name]))
    data[at] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, data[at] ^ 1 << rng.randrange(8), *b'0123456789-"{}[],:.e'])
    zipped(path, {**parts, name: bytes(data)})
    return name, at, data[at]


def a_cut(whole: bytes, parts: dict[str, bytes], path: Path, rng: random.Random) -> object:
    name = rng.choice(["the file", *parts])
    length = rng.randrange(len(parts.get(name, whole)))
    if name in parts:
        zipped(path, {**parts, name: parts[name][:length]})
    else:
        path.write_bytes(whole[:length])
    return name, length


def a_field(whole: bytes, parts: dict[str, bytes], path: Path, rng: random.Random) -> object:
    story = json.loads(parts["trace.json"])
    *way, last = rng.choice([*leaves(story)])
    holder = reduce(lambda holder, key: holder[key], way, story)
    if rng.random() < 0.4:
        del holder[last]
        other: Any = "gone"
    else:
        other = holder[last] = rng.choice(ODD)
    zipped(path, {**parts, "trace.json": json.dumps(story).encode()})
    return way, last, other


Damage = Callable[[bytes, dict[str, bytes], Path, random.Random], object]
DAMAGES: list[Damage] = [a_byte, a_byte_of_a_part, a_cut, a_field]


def damaged(
    folder: Path, damage: Damage, rng: random.Random, *, most: int = 10**9, seconds: float = 1e9
) -> tuple[int, int]:
    """Damage a file again and again; how often it was done, and how often the file was refused."""
    end = time.monotonic() + seconds
    parts = saved(everything(), folder)
    whole, times, refusals = (folder / "whole.wslab").read_bytes(), 0, 0
    while times < most and time.monotonic() < end:
        told = damage(whole, parts, folder / "damaged.wslab", rng)
        times += 1
        try:
            refusals += refused(folder / "damaged.wslab")
        except Exception as error:
            error.add_note(f"{damage.__name__}: {told}")
            raise
    return times, refusals


if __name__ == "__main__":
    seconds, seed = [*map(float, sys.argv[1:]), 60, 1][:2]
    for kind in DAMAGES:
        with TemporaryDirectory() as there:
            files, refusals = damaged(Path(there), kind, random.Random(seed), seconds=seconds / len(DAMAGES))
        sys.stdout.write(f"{kind.__name__}: {files} files, {refusals} of them refused, the others read in every way\n")
