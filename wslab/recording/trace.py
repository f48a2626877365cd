"""The recording as a learner holds it: ``Trace`` is written to and read from, shows itself, and is saved and opened.

It stands above all that it is made of: ``reading`` answers questions, ``views`` show parts of it, ``archive`` and
``files`` read and write it. Those are loaded when they are first used.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, overload

from ..anatomy.record import Record
from ..drawing.blocks import Notes
from ..drawing.sheet import Sheet, Shown, sheet_of
from ..drawing.visible import visible
from .entries import Chunk
from .ledger import Dropped
from .reading import Reading
from .tape import Tap
from .views import Closing, Handshake, Slice

if TYPE_CHECKING:
    import pandas

__all__ = ["Chunk", "Dropped", "Tap", "Trace"]


class Trace(Shown, Reading):
    """Everything that crossed, and what it meant.

    Args:
        max_bytes: how many bytes of traffic are kept; older ones are dropped and counted.
        max_entries: how many records are kept, and twice as many chunks.

    Every reader (``records``, ``frames``, ``explain``, ...) first derives what is queued. Offsets and record
    numbers are absolute: they do not shift when something is dropped.
    """

    def connection(self, number: int) -> Slice:
        """One connection's records, as a view that shows itself."""
        self.update()
        self.conversation(number)
        return Slice(self, connection=number)

    def handshake(self, connection: int = 0) -> Handshake:
        """One connection's opening handshake, as a view that shows itself."""
        self.update()
        self.conversation(connection)
        return Handshake(self, connection)

    def closing(self, connection: int = 0) -> Closing:
        """How one connection ended, as a view that shows itself."""
        self.update()
        self.conversation(connection)
        return Closing(self, connection)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Slice: ...
    def __getitem__(self, key: int | slice) -> Record | Slice:
        """``trace[3]`` is record number 3, ``trace[3:9]`` a view of records 3 to 8 that shows itself."""
        if isinstance(key, int):
            return self.record(key if key >= 0 else self.total + key)
        start, stop, step = key.indices(self.total)
        if step != 1:
            raise ValueError(f"step {step} given: a slice of a trace is a run of records, so leave the step out")
        return Slice(self, start, stop)

    def save(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace to one file, which ``Trace.load`` reads back to an equal trace.

        Cookie and Authorization values are overwritten with ``*`` in the file unless ``reveal`` is true.
        """
        from .archive import save

        save(self, path, reveal=reveal)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """The trace that ``save`` wrote. Raises TraceFileError, which says what is wrong with the file."""
        from .archive import load

        return load(path, cls)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """The trace in a file of any format that is read here, told by its content: ``save``'s, HAR, pcap or pcapng.

        Raises TraceFileError, which says what is wrong with the file, where nothing in it can be read. Where something
        can, ``notes`` says what could not.
        """
        from .files.opening import open_trace

        return open_trace(path, cls)

    def to_har(self, path: str | PathLike[str] | None = None, *, reveal: bool = False) -> dict[str, Any]:
        """The trace as an HTTP Archive (HAR 1.2) with ``_webSocketMessages``, as browsers' developer tools write it.

        Args:
            path: where to write it, as JSON; None writes nothing.
            reveal: whether the values of Cookie and Authorization are written out, and not overwritten with ``*``.

        Returns the archive. A HAR holds handshakes and messages. It carries no masking keys, fragments, control
        frames, close codes, chunks or unread bytes; its ``comment`` says so, and how many there were.
        """
        from .files.har import to_har

        return to_har(self, path, reveal=reveal)

    @classmethod
    def from_har(cls, path: str | PathLike[str]) -> Self:
        """The WebSocket conversations in a HAR file (Chrome's, Playwright's, ``to_har``'s).

        A HAR tells messages, not bytes. Each message is built again as one whole frame, the client's with a masking
        key of zeros, and the handshake from the headers that the file lists; ``rebuilt`` is true and ``notes`` says so.
        Raises TraceFileError where the file is no HAR.
        """
        from .files.har import from_har

        return from_har(path, cls)

    def to_pcapng(self, path: str | PathLike[str], *, reveal: bool = False) -> None:
        """Write the trace as a pcapng file, which Wireshark and tshark read.

        Args:
            path: where to.
            reveal: whether the values of Cookie and Authorization are written out, and not overwritten with ``*``.

        Addresses, ports and TCP's numbers are made up, as the file's comment says; times, chunks and bytes are
        those of the trace, and ``from_pcapng`` gives them back. Not written: errors, bends, close reports.
        """
        from .files.capture_out import save_capture

        save_capture(self, path, reveal=reveal)

    @classmethod
    def from_pcapng(cls, path: str | PathLike[str]) -> Self:
        """The WebSocket connections in a pcapng or pcap file, in either byte order.

        Reads Ethernet with VLAN tags, Linux cooked, loopback and raw IP links, IPv4 and IPv6, and puts TCP segments
        together, whether sent again, out of order or lost. A connection's number is its place among all TCP connections
        of the capture, in the order of first packets. ``notes`` says what is damaged, missing or left out. Not read: IP
        fragments, TLS, HTTP/2, compressed files. Raises TraceFileError where the file is no capture.
        """
        from .files.capture_in import load_capture

        return load_capture(path, cls)

    def to_dataframe(self) -> pandas.DataFrame:
        """The frames that are kept as a pandas data frame, one row a frame.

        Columns: ``record`` (its number), ``time`` and ``received`` (seconds since the trace began), ``connection``,
        ``sender``, ``opcode`` (its name), ``fin``, ``rsv1`` to ``rsv3``, ``masked``, ``header_length`` and ``length``
        (bytes), ``text`` (a text frame's start), ``start`` (a payload's first bytes, unmasked and inflated),
        ``status_code`` and ``close_reason`` (of a close frame), ``violations`` (names of the rules that it breaks).

        Raises ImportError, which says what to run, where pandas is not installed.
        """
        from .files.dataframe import data_frame

        return data_frame(self)

    def _sheet(self) -> Sheet:
        sheet = sheet_of(Slice(self))
        notes = [Notes([visible(note) for note in self.notes])] if self.notes else []
        return replace(sheet, blocks=[*sheet.blocks, *notes])
