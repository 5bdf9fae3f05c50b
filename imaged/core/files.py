"""The files that belong to an image: its original, its record, and its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from imaged.core.errors import NotFoundError
from imaged.core.outputs import Output, parse, parse_stored


@dataclass(frozen=True)
class Original:
    """The bytes that a client posted or imaged fetched, unchanged."""

    def __str__(self) -> str:
        return "original"


@dataclass(frozen=True)
class Record:
    """What imaged knows about an original, in JSON."""

    def __str__(self) -> str:
        return "info.json"


ORIGINAL = Original()
RECORD = Record()

ImageFile = Output | Original | Record
"""One file of an image. Its text form is its name, in URLs, in keys and on disk."""

_FIXED: dict[str, Original | Record] = {str(file): file for file in (ORIGINAL, RECORD)}


def parse_file(name: str) -> ImageFile:
    """Read a file's name, as clients write it. Raises NotFoundError."""
    return _FIXED.get(name) or parse(name)


def parse_stored_file(name: str) -> ImageFile:
    """Read the name of a stored file: the inverse of `str`. Raises NotFoundError."""
    return _FIXED.get(name) or parse_stored(name)


def read_stored_files(names: Iterable[str]) -> list[ImageFile]:
    """Return the files with these names, each once. Other names, such as those of another version, are left out."""
    files: dict[ImageFile, None] = {}
    for name in names:
        with suppress(NotFoundError):
            files[parse_stored_file(name)] = None
    return list(files)
