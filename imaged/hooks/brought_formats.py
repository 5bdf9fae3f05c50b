"""The formats that processors bring: each one checked, then all of them in one registry for the generation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from imaged.core.formats import CORE, SNIFF_BYTES, Format, Formats
from imaged.core.outputs import EXTENSION

_CONTENT_TYPE = re.compile(r"image/[a-z0-9][a-z0-9.+-]{0,60}")


def find_wrong(formats: object) -> str | None:
    """Return what is wrong with the `reads` or `writes` of a processor, or None. Runs no code of the plugin."""
    if not isinstance(formats, tuple) or not all(type(format) is Format for format in formats):
        return "is not a tuple of Format"
    return next(filter(None, map(_find_wrong, formats)), None)


def combine(brought: Iterable[Formats], conflict: Callable[[int, str], None]) -> Formats:
    """Return the registry of a generation: the core formats that were brought, then the others in order.

    Calls `conflict` with the index of a processor and the reason if two formats cannot be distinguished.
    """
    brought = list(brought)
    known: list[Format] = list(CORE)
    for index, formats in enumerate(brought):
        for format in formats.known:
            if format in known:
                continue
            rival = next((each for each in known if _share_a_name(each, format)), None)
            if rival is None:
                known.append(format)
            else:
                conflict(index, f"brings another format called {format.extension} or {format.content_type}")
    reads = {format for formats in brought for format in formats.reads}
    writes = {format for formats in brought for format in formats.writes}
    return Formats(
        tuple(format for format in known if format in reads),
        tuple(format for format in known if format in writes),
    )


def _find_wrong(format: Any) -> str | None:
    if not isinstance(format.extension, str) or not re.fullmatch(EXTENSION, format.extension):
        return "has a format whose extension is not 1 to 8 lower-case letters and digits"
    wrong = next(_wrong_fields(format), None)
    return f"has the format {format.extension}, whose {wrong}" if wrong else None


def _wrong_fields(format: Any) -> Iterator[str]:
    if not isinstance(format.content_type, str) or not _CONTENT_TYPE.fullmatch(format.content_type):
        yield "content_type is not image/ and a name in lower case"
    if not isinstance(format.alpha, bool) or not isinstance(format.animation, bool):
        yield "alpha and animation are not True or False"
    if type(format.maximum_side_px) is not int or format.maximum_side_px < 1:
        yield "maximum_side_px is not a whole number from 1"
    if not _is_filled(format.signatures, _is_signature):
        yield f"signatures are not tuples of (offset, bytes) within the first {SNIFF_BYTES} bytes"
    if not callable(format.read_header):
        yield "read_header is not a function"


def _is_signature(signature: object) -> bool:
    return _is_filled(signature, _is_piece)


def _is_piece(piece: object) -> bool:
    match piece:
        case (int() as at, bytes() as octets):
            return at >= 0 and 0 < len(octets) <= SNIFF_BYTES - at
    return False


def _is_filled(things: object, is_sound: Callable[[object], bool]) -> bool:
    return isinstance(things, tuple) and len(things) > 0 and all(map(is_sound, things))


def _share_a_name(one: Format, other: Format) -> bool:
    return one.extension == other.extension or one.content_type == other.content_type
