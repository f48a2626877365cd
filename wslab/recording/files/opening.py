"""Opening a file of any format that holds a recording, told by its content and never by its name."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..archive import TraceFileError
from .container import is_capture

if TYPE_CHECKING:
    from ..trace import Trace

_ZIP = b"PK\x03\x04"
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bzip2"}
"""What captures are compressed with. They are not unpacked here: a small file may hold any amount of nothing."""


def open_trace(path: str | PathLike[str]) -> Trace:
    """See ``Trace.open``."""
    from ..trace import Trace

    try:
        with Path(path).open("rb") as file:
            beginning = file.read(64)
    except FileNotFoundError:
        raise TraceFileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise TraceFileError(f"{path}: it cannot be read: {error.strerror}") from None
    if is_capture(beginning):
        return Trace.from_pcapng(path)
    if beginning.startswith(_ZIP):
        return Trace.load(path)
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return Trace.from_har(path)
    for magic, name in _COMPRESSED.items():
        if beginning.startswith(magic):
            raise TraceFileError(f"{path}: it is compressed with {name}: unpack it first, and open what comes out")
    raise TraceFileError(
        f"{path}: expected a recording of wslab, a HAR, pcap or pcapng file, but it begins with "
        f"{beginning[:4].hex(' ') or 'nothing'}; the raw bytes of one connection are what "
        "`wslab dissect --client FILE --server FILE` explains"
    )
