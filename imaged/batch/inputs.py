"""The inputs of a batch, read one by one: a list may have millions of lines. Blocking: a worker thread only."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from imaged.batch.errors import UsageError
from imaged.batch.items import Item, read_line, read_path
from imaged.core.errors import MalformedRequestError, StoreError
from imaged.core.formats import SNIFF_BYTES, Formats
from imaged.core.hashes import shorten

STDIN = "-"
_LOOK_BYTES = 4096
_LINE_BYTES = 65_536

Entry = Item | tuple[str, MalformedRequestError]
"""An item, or a line that is not an item and its error."""


def check(name: str, formats: Formats | None = None) -> None:
    """Raise UsageError when an input can be no input, before the first item is done.

    Without `formats`, which only the plugins know, see only whether it can be read.
    """
    try:
        if _is_stream(name):
            return
        with Path(name).open("rb") as file:
            head = file.read(_LOOK_BYTES)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    if formats is not None and not _is_picture(name, head, formats) and not _is_text(head):
        kinds = ", ".join(format.extension for format in formats.reads)
        raise UsageError(f"{name}: neither a picture ({kinds}) nor a list in UTF-8")


def read(names: Sequence[str], namespace: str, formats: Formats) -> Iterator[Entry]:
    """Yield the items of all inputs in order. Raises StoreError when an input cannot be read."""
    for name in names:
        try:
            yield from _read_one(name, namespace, formats)
        except OSError as error:
            raise StoreError(f"{name} cannot be read: {error.strerror}") from error


def _read_one(name: str, namespace: str, formats: Formats) -> Iterator[Entry]:
    # A separate file object of descriptor 0: at exit the interpreter would wait for a thread that reads from sys.stdin.
    with open(0, "rb", closefd=False) if name == STDIN else Path(name).open("rb") as file:
        if not _is_stream(name):
            if _is_picture(name, file.read(SNIFF_BYTES), formats):
                yield read_path(name, namespace)
                return
            file.seek(0)
        yield from _read_lines(file, namespace)


def _read_lines(file: BinaryIO, namespace: str) -> Iterator[Entry]:
    first = True
    while raw := file.readline(_LINE_BYTES):
        if len(raw) == _LINE_BYTES and not raw.endswith(b"\n"):
            while (rest := file.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield shorten(raw.decode(errors="replace")), MalformedRequestError(f"more than {_LINE_BYTES} bytes")
            continue
        raw, first = raw.removeprefix(codecs.BOM_UTF8) if first else raw, False
        line = raw.decode(errors="surrogateescape")  # a path may hold any bytes
        if not line.strip():
            continue
        try:
            yield read_line(line, namespace)
        except MalformedRequestError as error:
            yield line.strip(), error


def _is_stream(name: str) -> bool:
    """Say whether it is a pipe or a device, which can be read once and is taken for a list."""
    return name == STDIN or not (stat.S_ISREG(mode := Path(name).stat().st_mode) or stat.S_ISDIR(mode))


def _is_picture(name: str, head: bytes, formats: Formats) -> bool:
    """Say whether a file is a picture, by its first bytes or by its path, which may name an image."""
    return formats.sniff(head) is not None or read_path(name, "p").hash is not None


def _is_text(head: bytes) -> bool:
    """Say whether these first bytes are UTF-8; a character may be cut at their end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < _LOOK_BYTES)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
