"""A recorded client's stream: its frames, the reads that took them, and a picture of where both end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from ...anatomy.field import Sender
from ...drawing.cell import beside
from ...drawing.visible import count
from ...live.relay.bends import RandomChunks
from ...live.relay.stages import Spot
from ...protocol import parse_frame
from ...recording.trace import Trace
from .strips import Stretch, Strip, Strips

LARGEST = 24  # bytes of a piece into which the button cuts, at most


def frames_sent(trace: Trace, connection: int) -> bytes:
    """A client's stream after its handshake, without what it sent to say goodbye."""
    stream = trace.bytes_sent(connection, Sender.CLIENT).partition(b"\r\n\r\n")[2]
    return b"".join(frame for frame in cut_into_frames(stream) if frame[0] & 0b1111 < 8)


def cut_into_frames(stream: bytes) -> list[bytes]:
    """The frames of a stream, the last one perhaps without its end."""
    frames = []
    while stream:
        frame = parse_frame(stream)
        stop = frame.header_length + frame.payload_length
        frames.append(stream[:stop])
        stream = stream[stop:]
    return frames


def reads(trace: Trace, connection: int, sender: Sender = Sender.CLIENT) -> list[int]:
    """How many bytes each read of the other end took from a sender's frames, in order."""
    head = len(trace.bytes_sent(connection, sender).partition(b"\r\n\r\n")[0]) + 4
    return [
        chunk.length
        for chunk in trace.chunks
        if (chunk.connection, chunk.sender, chunk.seen_by) == (connection, sender, sender.peer) and chunk.offset >= head
    ]


def ruled(stream: bytes, sizes: Sequence[int]) -> Strip:
    """A client's stream with the ends of its frames above and those of its reads below.

    Args:
        stream: frames, one after the other.
        sizes: how many bytes each read took.
    """
    frames = cut_into_frames(stream)
    ends = [0, *accumulate(map(len, frames))]
    names = [(parse_frame(frame).data or b"").decode("utf-8", "replace") for frame in frames]
    stretches = [Stretch(f'TEXT "{name}"', *span) for name, span in zip(names, pairwise(ends), strict=True)]
    shape = f"{count(len(frames), 'frame')}, {count(len(sizes), 'read')}"
    edges = ("a frame ends", "a read ends")
    return Strip(shape, stream, stretches, ends[1:], [*accumulate(sizes)], edges, letters=False)


def rulers(trace: Trace, connections: Iterable[int]) -> Strips:
    """What recorded connections' reads took, a row for each."""
    rows = [ruled(frames_sent(trace, number), reads(trace, number)) for number in connections]
    return Strips("The same bytes, and how they were read", rows)


class CutStream:
    """A recorded client's stream, cut by chance, with the ends of its frames above and those of its reads below.

    In a notebook it has a button that cuts the stream elsewhere.

    Args:
        trace: what was recorded.
        connection: whose stream it is.
    """

    def __init__(self, trace: Trace, connection: int) -> None:
        self.stream, self.seed = frames_sent(trace, connection), 0

    def again(self) -> None:
        """Cut elsewhere."""
        self.seed += 1

    @property
    def strips(self) -> Strips:
        """The picture."""
        row = ruled(self.stream, chopped(len(self.stream), self.seed))
        return Strips("One stream, its frames and its reads", [row])

    def __repr__(self) -> str:
        return repr(self.strips)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = {"text/html": self.strips.svg(), "text/plain": repr(self)}
        return beside(still, lambda: _buttoned(self), **kwargs)


def chopped(size: int, seed: int) -> tuple[int, ...]:
    """The sizes of the pieces into which a relay with ``RandomChunks`` cuts so many bytes."""
    stage = RandomChunks(seed, LARGEST).stage(Spot(0, Sender.CLIENT, ""))
    return tuple(len(piece) for piece in stage.push(0.0, bytes(size)) if isinstance(piece, bytes) and piece)


def _buttoned(ruler: CutStream) -> Any:
    """The ruler with its button."""
    import ipywidgets

    from ..forms import form

    def again(_: object) -> None:
        ruler.again()
        page.value = ruler.strips.svg()

    page = ipywidgets.HTML(ruler.strips.svg())
    button = ipywidgets.Button(description="Cut elsewhere", tooltip="Let the relay cut the same bytes at other places")
    button.on_click(again)
    return form(button, page)
