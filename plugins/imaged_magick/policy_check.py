"""Try what our policy forbids. ImageMagick must refuse each attempt before it opens, starts or connects to anything.

An attempt that fails for another reason got past the policy: a Ghostscript that is missing here may be there tomorrow.
The attempts leave nothing behind if they succeed: no file exists where they point, and no port 9 answers.
"""

from __future__ import annotations

import ctypes
import os
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from wand.api import libmagick, library
from wand.exceptions import MissingDelegateError, PolicyError
from wand.resource import limits

from imaged.api import Format

from .deadline import Deadline
from .memory import Limits
from .picture import WAND_ERRORS, Picture, coder

_NOWHERE = "/nonexistent/imaged"
_TOO_LONG_PX = 1_000_001
"""A pixel more than a side may have by our policy.xml."""
_LITTLE_BYTES = 2**20
_LARGE_PX = 1000
"""A picture with such sides takes more than `_LITTLE_BYTES` in every version."""

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
_BMP_HEADERS = ("<2sIHHI", b"BM", 58, 0, 0, 54), ("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 1, 1, 0, 0)
_BMP = b"".join(struct.pack(*header) for header in _BMP_HEADERS) + bytes(4)
_TIFF_TAGS = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1))
"""The tags of a TIFF with one grey pixel, which is at offset 8."""
_TIFF = (
    struct.pack("<2sHI4sH", b"II", 42, 12, bytes(4), len(_TIFF_TAGS))
    + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in _TIFF_TAGS)
    + bytes(4)
)
_FTYP = b"\0\0\0\x18ftyp%b\0\0\0\0mif1miaf"
_BLOBS = {
    "MSL": b"<msl></msl>",  # ImageMagick 6 crashes on a script that does something
    "MVG": b"viewbox 0 0 9 9 fill red rectangle 0,0 5,5",
    "SVG": _SVG,
    "MSVG": _SVG,
    "PS": b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "PDF": b"%PDF-1.4\n",
    "TIFF": _TIFF,
    "BMP": _BMP,
    "PPM": b"P3 1 1 255 1 2 3",
    "HEIC": _FTYP % b"heic",
    "AVIF": _FTYP % b"avif",
    "JXL": b"\xff\x0a",
}
_NAMES = {
    "TEXT": f"text:{_NOWHERE}",
    "LABEL": "label:x",
    "CAPTION": "caption:x",
    "@file": f"label:@{_NOWHERE}",
    "@file as a list": f"@{_NOWHERE}",
    "HTTP": "http://127.0.0.1:9/x.png",
    "HTTPS": "https://127.0.0.1:9/x.png",
    "FTP": "ftp://127.0.0.1:9/x.png",
    "URL": "url:http://127.0.0.1:9/x.png",
    "MPR": "mpr:x",
    "INLINE": "inline:data:image/png;base64,iVBORw0KGgo=",
    "EPHEMERAL": f"ephemeral:{_NOWHERE}",
    "CLIPBOARD": "clipboard:x",
    "VID": f"vid:{_NOWHERE}",
    "XC": "xc:red",
    "files": f"png:{_NOWHERE}",
}
_WRITES = ("TIFF", "BMP", "PS", "PDF", "SVG", "MVG", "MSL", "MPR", "INLINE", "JSON")
_READ, _WRITE, _EXECUTE = 1, 2, 4
_RULES = {
    "delegates": (2, _EXECUTE, "ps:alpha"),
    "filters": (3, _EXECUTE, "analyze"),
    "standard input": (4, _READ, "-"),
    "standard output": (4, _WRITE, "-"),
}
"""Asked, not tried: nothing in MagickWand runs these two, and a terminal as standard input would block. The numbers
are PolicyDomain and PolicyRights of policy.h, the same in ImageMagick 6 and 7."""


def find_allowed(expected: Limits, reads: Sequence[Format]) -> Iterator[str]:
    """Yield what ImageMagick does although our policy forbids it. Call it while nothing renders in this process.

    The coders of formats that the processor `reads` are open.
    """
    expected.apply()
    opened = {coder(format) for format in reads}
    with _empty_pipe() as descriptor:
        yield from (what for what, attempt in _attempts(descriptor, opened) if _passes(attempt))
    for what, (domain, right, pattern) in _RULES.items():
        if libmagick.IsRightsAuthorized(domain, right, pattern.encode()):
            yield what
    yield from _find_loose_limits(expected)


def _attempts(descriptor: int, opened: Collection[str]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what our policy forbids, each with a function that tries it."""
    for name, blob in _BLOBS.items():
        if name not in opened:
            yield f"reading {name}", partial(_read, blob, name)
    for name, source in _NAMES.items():
        yield f"reading {name}", partial(_open, source)
    yield "reading a descriptor", partial(_open, f"png:fd:{descriptor}")
    for name in _WRITES:
        if name in opened:
            continue
        yield f"writing {name}", partial(_write, name)
    yield "writing files", partial(_save, f"png:{_NOWHERE}/x.png")


def _find_loose_limits(expected: Limits) -> Iterator[str]:
    for width_px, height_px in ((_TOO_LONG_PX, 1), (1, _TOO_LONG_PX)):
        if _opens(_png(width_px, height_px)):
            yield f"pictures of {width_px}x{height_px} pixels"
    try:
        limits["memory"] = _LITTLE_BYTES
        if _opens(_png(_LARGE_PX, _LARGE_PX)):
            yield "pixels on disk or in mapped files"
    finally:
        expected.apply()
    if limits["memory"] > expected.memory_bytes:
        yield f"{limits['memory']} bytes of memory"
    if limits["area"] > expected.area_pixels:
        yield f"an area of {limits['area']} pixels"
    if limits["thread"] != 1:
        yield f"{limits['thread']} threads in one operation"


def _passes(attempt: Callable[[], None]) -> bool:
    """Return whether an attempt gets past the policy. Version 7 does not load the modules that the policy forbids."""
    try:
        attempt()
    except (PolicyError, MissingDelegateError):
        return False
    except WAND_ERRORS:
        pass
    return True


def _opens(blob: bytes) -> bool:
    try:
        _read(blob, "PNG")
    except WAND_ERRORS:
        return False
    return True


def _new() -> Picture:
    return Picture(Deadline(10, interrupts=False))


def _read(blob: bytes, coder: str) -> None:
    with _new() as picture:
        library.MagickSetFormat(picture.wand, coder.encode())
        library.MagickSetFilename(picture.wand, f"original.{coder}".encode())
        picture.require(library.MagickReadImageBlob(picture.wand, blob, len(blob)))


def _open(name: str) -> None:
    with _new() as picture:
        picture.require(library.MagickReadImage(picture.wand, name.encode()))


def _write(coder: str) -> None:
    with _pixel() as picture:
        if not library.MagickSetFormat(picture.wand, coder.encode()):
            raise MissingDelegateError(coder)
        length = ctypes.c_size_t(0)
        body = library.MagickGetImageBlob(picture.wand, ctypes.byref(length))
        if body:
            library.MagickRelinquishMemory(body)
        picture.require(body)


def _save(name: str) -> None:
    with _pixel() as picture:
        picture.require(library.MagickWriteImage(picture.wand, name.encode()))


@contextmanager
def _pixel() -> Iterator[Picture]:
    with _new() as picture:
        blob = _png(1, 1)
        library.MagickSetFormat(picture.wand, b"PNG")
        picture.require(library.MagickReadImageBlob(picture.wand, blob, len(blob)))
        yield picture


@contextmanager
def _empty_pipe() -> Iterator[int]:
    """Give a descriptor at whose end every reader is at once."""
    reader, writer = os.pipe()
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)


def _png(width_px: int, height_px: int) -> bytes:
    """Return a black PNG of one bit a pixel."""
    pixels = zlib.compress(bytes(1 + (width_px + 7) // 8) * height_px, 1)
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
