"""Where a HAR comes from: a file, or a zip archive that holds it, and files beside it that hold messages.

Playwright writes both. With ``content: attach`` an entry names a file beside the HAR, each line of which is one message
as JSON; with a path that ends in ``.zip`` everything is in one archive. Nothing is unpacked to the disk, no more than
``LARGEST`` bytes are read in all, and a name that leads out of the HAR's own folder is not followed.
"""

import json
import zipfile
import zlib
from io import BytesIO
from itertools import islice
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ...drawing.visible import clip
from ..archive import TraceFileError, unpacked
from .imported import read_file

LARGEST: Final = 2**28  # bytes that are read, of the archive, and of all that it holds: JSON cannot be read in part
_DAMAGED: Final = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError)


def holds_har(path: str | PathLike[str]) -> bool:
    """Whether the file is a zip archive with a HAR in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(_hars(archive))
    except _DAMAGED:
        return False


def _hars(archive: zipfile.ZipFile) -> list[str]:
    # Beside each file macOS may put another of its name in a folder __MACOSX.
    return [name for name in archive.namelist() if name.lower().endswith(".har") and not name.startswith("__MACOSX/")]


def integer(text: str) -> float:
    """An integer of a JSON text, which may have a million digits; JavaScript too reads a long one as a float."""
    return int(text) if len(text) < 64 else float(text)


class HarFiles:
    """A HAR and what is beside it. Raises TraceFileError where there is no HAR."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path, self._left = Path(path), LARGEST
        data = read_file(path, LARGEST, "HAR file")
        self._archive: zipfile.ZipFile | None = None
        if data.startswith(b"PK\x03\x04") and len(data) <= LARGEST:
            try:
                self._archive = zipfile.ZipFile(BytesIO(data))
                there = _hars(self._archive)
                if len(there) != 1:
                    raise ValueError(f"it holds {len(there)} files that end in .har, and one is expected")
                self._inside = PurePosixPath(there[0]).parent
                data = unpacked(self._archive, there[0], LARGEST + 1)
            except _DAMAGED as error:
                said = clip(str(error), 200)
                raise TraceFileError(f"{path}: expected an archive with a HAR in it, but {said}") from None
        if len(data) > LARGEST:
            raise TraceFileError(f"{path}: it is longer than {LARGEST:,} bytes, and JSON cannot be read in part")
        self.data = data

    def attached(self, name: str, most: int) -> list[Any] | str:
        """The first ``most`` messages in the file of that name beside the HAR; or what is wrong with it."""
        try:
            if self._archive is not None:
                data = unpacked(self._archive, str(self._inside / name), self._left + 1)
            else:
                folder, inside = self.path.parent.resolve(), PurePosixPath(name)
                found = folder.joinpath(*inside.parts).resolve()
                if inside.is_absolute() or ".." in inside.parts or not found.is_relative_to(folder):
                    return "lies outside the HAR's folder"
                if not found.is_file():
                    return "is missing"
                data = read_file(found, self._left, "file of messages")
        except _DAMAGED:
            return "is missing or damaged"
        if len(data) > self._left:
            return f"makes more than {LARGEST:,} bytes with the others"
        self._left -= len(data)
        return [_line(line) for line in islice(BytesIO(data), most)]


def _line(line: bytes) -> Any:
    try:
        return json.loads(line.decode(), parse_int=integer)
    except (ValueError, RecursionError):
        return None  # which is no message, as is told of any other
