"""What every foreign file needs to become a trace: its bytes, what is wrong with it, and its events played in order."""

from collections import Counter
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Final, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind
from ..archive import R, TraceFileError
from ..derive import RECORDS_EACH
from ..tape import LossNote, ResetNote
from ..work import watched

PROBLEMS: Final = 100  # different problems that are told; more are counted


def read_file(path: str | PathLike[str], most: int, expected: str) -> bytes:
    """A file's bytes, at most ``most + 1``. Raises TraceFileError, which names what was ``expected``."""
    data = bytearray()  # memory is taken only for bytes that there are
    try:
        with Path(path).open("rb") as file:
            while len(data) <= most and (piece := file.read(min(2**20, most + 1 - len(data)))):
                data += piece
    except OSError as error:
        raise TraceFileError(f"{path}: expected a {expected}, but it cannot be read: {error.strerror}") from None
    return bytes(data)


class Problems(Counter[str]):
    """What is wrong with a file, in words, each with how often it was met."""

    def note(self, text: str) -> None:
        """Note a problem."""
        self[text if text in self or len(self) < PROBLEMS else "more problems"] += 1

    def told(self) -> list[str]:
        """The problems, a line each."""
        return [text if times == 1 else f"{text} ({times:,} times)" for text, times in self.items()]


class FileEvent(NamedTuple):
    """Something that happened on a connection, as a file tells it."""

    order: int  # its place in the file
    time: float
    wire: int  # the connection's number in the trace
    end: Sender  # which end saw it
    sender: Sender  # whose stream it is about
    # Bytes of the stream, a note, the stream's end (FIN or RESET), or how many of its bytes ``end`` read.
    what: bytes | str | Kind | int


def play(
    kind: type[R], events: list[FileEvent], ends: Iterable[tuple[int, Sender]], heads: dict[int, tuple[bool, bool]], *,
    source: str, began: float, base: float = 0, unit: float = 1,
) -> R:  # fmt: skip
    """A recording of this ``kind`` in which all this happened, in the order of the list, which is emptied.

    Args:
        ends: the connections' ends that tell of it, by number.
        heads: by connection, whether the client's and the server's stream begin with the opening handshake.
        source: the format's name.
        began: when the recording began, in seconds since 1970.
        base, unit: the events' ``time`` at that moment, and how much of it is a second.
    """
    size = sum(len(event.what) for event in events if isinstance(event.what, bytes))
    # A quarter of the bytes may be inflated ones, which is what the least is for.
    wires = len({event.wire for event in events})  # all of them are kept, though they are over
    trace = kind(max_bytes=max(2**24, 2 * size), max_entries=max(200_000, 2 * len(events), RECORDS_EACH * wires))
    trace.began = began
    taps = {
        (wire, end): trace.join(end, (source, wire), number=wire, heads=heads.get(wire, (True, True)))
        for wire, end in sorted(ends)
    }
    events.reverse()
    for place in watched(range(len(events)), "reading frames"):
        _, time, wire, end, sender, what = events.pop()  # its bytes are not kept twice
        if place % 4096 == 4095:
            trace.update()  # a part now and then, so that the whole is seen to go on
        tap, at = taps[wire, end], (time - base) / unit
        match what:
            case bytes():
                (tap.sent if end is sender else tap.received)(what, at)
            case LossNote():
                taps[wire, sender].lost(what, at)
            case ResetNote():
                tap.reset_sent(at, what)
            case str():
                tap.note(what, at)
            case Kind():
                ways = (tap.fin_sent, tap.fin_received) if what is Kind.FIN else (tap.reset_sent, tap.reset_received)
                ways[end is not sender](at)
            case int() if (wire, sender) in taps:
                # Else the bytes are kept as this end read them, and that is told already.
                tap.received(bytes(what), at)
    for tap in taps.values():
        tap.left()
    return trace
