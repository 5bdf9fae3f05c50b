"""Picture formats: what each is called, how its first bytes announce it, and which of them a server knows.

Only this file defines JPEG, PNG, GIF and WebP, the core formats, and the further ones that built-in plugins may bring.
Other code asks a `Formats` what it reads and writes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from imaged.core import bmp_header, heif_header, jxl_header, picture_headers, tiff_header
from imaged.core.errors import PolicyError
from imaged.core.files import Record
from imaged.core.geometry import Size
from imaged.core.outputs import AUTO, Output, parse

SNIFF_BYTES = 32
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
        """Read the name of an output that can be made, or of an `auto` one.

        Raises NotFoundError for a text that is no output name, and PolicyError when no processor writes its format.
        """
        output = parse(name)
        if output.extension != AUTO:
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

# The signatures of the further formats: the file type box (ISO/IEC 14496-12, 4.3) with the brands of AVIF (AV1 Image
# File Format, 6) and of HEVC pictures (ISO/IEC 23008-12, B.4); TIFF's header (TIFF 6.0, section 2); BITMAPFILEHEADER
# and the lengths of the headers behind it (wingdi.h); the codestream and the container of JPEG XL (ISO/IEC 18181-2).
# A file of the brand mif1 or msf1 may be either: one of the first four compatible brands decides.


def _ftyp(brands: tuple[bytes, ...]) -> tuple[Signature, ...]:
    """Return the signatures of files with one of these brands, or of mif1 or msf1 and compatible with one of them."""
    major = tuple(((4, b"ftyp"), (8, brand)) for brand in brands)
    general = product((b"mif1", b"msf1"), range(16, SNIFF_BYTES, 4), brands)
    return major + tuple(((4, b"ftyp"), (8, brand), (at, compatible)) for brand, at, compatible in general)


AVIF = Format(
    "avif",
    "image/avif",
    alpha=True,
    animation=False,
    maximum_side_px=16_384,
    signatures=_ftyp((b"avif", b"avis")),
    read_header=heif_header.read_heif_size,
)
HEIC = Format(
    "heic",
    "image/heic",
    alpha=True,
    animation=False,
    maximum_side_px=16_384,
    signatures=_ftyp((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")),
    read_header=heif_header.read_heif_size,
)
TIFF = Format(
    "tiff",
    "image/tiff",
    alpha=True,
    animation=False,
    maximum_side_px=2**31 - 1,
    signatures=(((0, b"II*\x00"),), ((0, b"MM\x00*"),)),
    read_header=tiff_header.read_tiff_size,
)
BMP = Format(
    "bmp",
    "image/bmp",
    alpha=False,
    animation=False,
    maximum_side_px=2**31 - 1,
    signatures=tuple(((0, b"BM"), (14, bytes((length, 0, 0, 0)))) for length in (12, 40, 52, 56, 64, 108, 124)),
    read_header=bmp_header.read_bmp_size,
)
JXL = Format(
    "jxl",
    "image/jxl",
    alpha=True,
    animation=False,
    maximum_side_px=2**18,
    signatures=(((0, jxl_header.CODESTREAM),), ((0, jxl_header.CONTAINER),)),
    read_header=jxl_header.read_jxl_size,
)

CORE = (JPEG, PNG, GIF, WEBP)
"""The formats that a processor brings unless it says otherwise, in the order of the default settings."""

FURTHER = (AVIF, HEIC, TIFF, BMP, JXL)
"""The formats that built-in plugins bring where a namespace names them and the machine's libraries have them."""

FORMATS = Formats(CORE, CORE)
"""The formats of a server whose processors bring no others."""
