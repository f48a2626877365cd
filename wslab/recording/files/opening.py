"""Opening a file of any format that holds a recording, told by its content and never by its name."""

from os import PathLike
from pathlib import Path

from ..archive import R, TraceFileError, load
from .capture_in import load_capture
from .har import from_har
from .har_files import holds_har
from .pcapng import is_capture

_ZIP = b"PK\x03\x04"
# What captures are compressed with. They are not unpacked here: a small file may hold any amount of nothing.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bzip2"}


def open_trace(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a file holds, as one of that kind; see ``Trace.open``."""
    try:
        with Path(path).open("rb") as file:
            beginning = file.read(64)
    except FileNotFoundError:
        raise TraceFileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise TraceFileError(f"{path}: it cannot be read: {error.strerror}") from None
    if is_capture(beginning):
        return load_capture(path, kind)
    if beginning.startswith(_ZIP):
        return (from_har if holds_har(path) else load)(path, kind)
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return from_har(path, kind)
    for magic, name in _COMPRESSED.items():
        if beginning.startswith(magic):
            raise TraceFileError(f"{path}: it is compressed with {name}: unpack it first, and open what comes out")
    raise TraceFileError(
        f"{path}: expected a recording of wslab, a HAR, pcap or pcapng file, but it begins with "
        f"{beginning[:4].hex(' ') or 'nothing'}; the raw bytes of one connection are what "
        "`wslab dissect --client FILE --server FILE` explains"
    )
