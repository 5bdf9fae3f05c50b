"""Faults of the settings: the place and a message for the operator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from imaged.core.errors import ImagedError
from imaged.core.hashes import shorten

KeyPath = tuple[str | int, ...]
"""The place of a value: keys of mappings and indexes of lists, from the top of the document."""

_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Fault:
    """One fault. `line` counts from 1; it is None where the value has no line, as in `--set`."""

    file: str
    line: int | None
    path: KeyPath
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join([place, dotted(self.path), self.message] if self.path else [place, self.message])


class ConfigurationError(ImagedError):
    """The settings cannot be used. Its text has one fault a line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return each fault once, in the order of the file; faults without a line come last."""

    def place(fault: Fault) -> tuple[bool, int, str, str]:
        return fault.line is None, fault.line or 0, fault.file, dotted(fault.path)

    return tuple(sorted(dict.fromkeys(faults), key=place))


def begins(path: KeyPath, beginning: KeyPath) -> bool:
    """Return whether `path` is `beginning` or below it."""
    return path[: len(beginning)] == beginning


def dotted(path: KeyPath) -> str:
    """Return `path` as an operator writes it: `images.outputs.0`. A key that is not a plain word is quoted."""
    return ".".join(_key(part) for part in path)


def _key(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _PLAIN_KEY.fullmatch(part) else quote(part)


def quote(text: str) -> str:
    """Return `text` in double quotes, shortened, on one line and without unprintable characters."""
    written = json.dumps(shorten(text), ensure_ascii=False)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in written)
