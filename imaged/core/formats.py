"""Picture formats: what each is called, how its first bytes announce it, and which of them a server knows.

Only this file defines JPEG, PNG, GIF and WebP, the core formats. Other code asks a `Formats` what it reads and writes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from imaged.core import picture_headers
from imaged.core.errors import PolicyError
from imaged.core.files import Record
from imaged.core.geometry import Size
from imaged.core.outputs import Output, parse

SNIFF_BYTES = 16
"""How many leading bytes `Formats.sniff` needs. Every signature ends within them."""

Signature = tuple[tuple[int, bytes], ...]
"""Pieces of a header, each with its offset. A file matches when it has all of them."""


@dataclass(frozen=True)
class Format:
    """One picture format.

    `extension` names it in URLs and settings, `content_type` on the wire. `maximum_side_px` is the largest width or
    height that it can hold. A file of this format matches one of `signatures`. `read_header` returns the width and
    height that a file's header states, in pixels; it raises ValueError, IndexError or struct.error for a broken header.
    """

    extension: str
    content_type: str
    alpha: bool
    animation: bool
    maximum_side_px: int
    signatures: tuple[Signature, ...]
    read_header: Callable[[bytes], tuple[int, int]]

    def announced_by(self, head: bytes) -> bool:
        """Say whether a file with these first bytes is of this format."""
        return any(all(head.startswith(piece, at) for at, piece in signature) for signature in self.signatures)

    def read_size(self, body: bytes) -> Size | None:
        """Return the size that the header of `body` states, or None when the header is broken."""
        try:
            return Size(*self.read_header(body))
        except (struct.error, ValueError, IndexError):
            return None


@dataclass(frozen=True)
class Formats:
    """The formats that processors read, and those that they write."""

    reads: tuple[Format, ...]
    writes: tuple[Format, ...]

    @cached_property
    def known(self) -> tuple[Format, ...]:
        """Each format once: those that are read come first."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    @cached_property
    def content_types(self) -> frozenset[str]:
        """The content types of all known formats."""
        return frozenset(format.content_type for format in self.known)

    @cached_property
    def _written(self) -> dict[str, Format]:
        return {format.extension: format for format in self.writes}

    def sniff(self, head: bytes) -> Format | None:
        """Return the first known format that the first `SNIFF_BYTES` bytes of a file announce, or None."""
        return next((format for format in self.known if format.announced_by(head[:SNIFF_BYTES])), None)

    def writes_extension(self, extension: str) -> bool:
        """Say whether a format with this extension is written."""
        return extension in self._written

    def of(self, output: Output) -> Format:
        """Return the format that an output is written in. Raises PolicyError when no processor writes it."""
        format = self._written.get(output.extension)
        if format is None:
            raise PolicyError(f"extension {output.extension!r} is not one of {', '.join(self._written)}")
        return format

    def content_type(self, file: Output | Record) -> str:
        """Return the content type of a file. The record of an original says what type the original has.

        Raises PolicyError when no processor writes the format.
        """
        return "application/json" if isinstance(file, Record) else self.of(file).content_type

    def parse(self, name: str) -> Output:
        """Read the name of an output that can be made.

        Raises NotFoundError for a text that is no output name, and PolicyError when no processor writes its format.
        """
        output = parse(name)
        self.of(output)
        return output


# The signatures are those of the formats' own specifications: JPEG's SOI marker (ITU-T T.81 B.1.1.3), PNG's signature
# (PNG 5.2), GIF's header (GIF89a, section 17) and the RIFF container of WebP (RFC 9649, 2.3). 65,500 is libjpeg's
# JPEG_MAX_DIMENSION, a little less than the format's own bound.
JPEG = Format(
    "jpg",
    "image/jpeg",
    alpha=False,
    animation=False,
    maximum_side_px=65_500,
    signatures=(((0, b"\xff\xd8\xff"),),),
    read_header=picture_headers.read_jpeg,
)
PNG = Format(
    "png",
    "image/png",
    alpha=True,
    animation=False,
    maximum_side_px=2**31 - 1,
    signatures=(((0, b"\x89PNG\r\n\x1a\n"),),),
    read_header=picture_headers.read_png,
)
GIF = Format(
    "gif",
    "image/gif",
    alpha=True,
    animation=True,
    maximum_side_px=65_535,
    signatures=(((0, b"GIF87a"),), ((0, b"GIF89a"),)),
    read_header=picture_headers.read_gif,
)
WEBP = Format(
    "webp",
    "image/webp",
    alpha=True,
    animation=True,
    maximum_side_px=16_383,
    signatures=(((0, b"RIFF"), (8, b"WEBP")),),
    read_header=picture_headers.read_webp,
)

CORE = (JPEG, PNG, GIF, WEBP)
"""The formats that a processor brings unless it says otherwise, in the order of the default settings."""

FORMATS = Formats(CORE, CORE)
"""The formats of a server whose processors bring no others."""
