"""What JPEG and PNG files say before their pixels: the EXIF block, and whether the end is there at all."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from imaged.api import TooLargeError

from .sequence import broken, cut_short

_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length (ITU-T T.81, table B.1)
_EXIF = b"Exif\x00\x00"
_NO_FILL = re.compile(rb"[^\xff]")
_ANCILLARY = 0x20  # the bit of a PNG chunk's first letter that says that a decoder may skip it (PNG 5.4)
_TRANSPARENT = b"tRNS"
MAXIMUM_PARTS = 100_000  # markers or chunks: pictures have a few thousand; very many tiny ones only waste our time


def read_jpeg(blob: bytes) -> bytes:
    """Return the EXIF block of a JPEG, empty where it has none.

    Raises NotAPictureError for one without an end-of-image marker after its scan: decoders fill what is missing with
    grey and say so at best in a warning.
    """
    at, exif = 2, b""
    for _ in range(MAXIMUM_PARTS):
        at = blob.find(b"\xff", at)
        beyond = _NO_FILL.search(blob, at) if at >= 0 else None  # fill bytes (B.1.1.2)
        if beyond is None:
            raise cut_short("JPEG")
        at = beyond.start()
        marker, at = blob[at], at + 1
        if marker in _ALONE or marker == 0:
            continue
        if marker == _END_OF_IMAGE:
            raise broken("JPEG", "it has no picture")
        length = int.from_bytes(blob[at : at + 2], "big")
        if marker == _APP1 and not exif and blob[at + 2 : at + 8] == _EXIF:
            exif = blob[at + 8 : at + length]
        at += length
        if marker == _START_OF_SCAN:
            break
    else:
        raise too_many("JPEG")
    if blob.find(b"\xff\xd9", at) < 0:
        raise cut_short("JPEG")
    return exif


def read_png(blob: bytes) -> bytes:
    """Return the EXIF block of a PNG, empty where it has none.

    Raises NotAPictureError for one that ends before its last chunk, IEND.
    """
    exif = b""
    for name, start, end in png_chunks(blob):
        if name == b"eXIf" and not exif:
            exif = blob[start + 8 : end - 4]
    return exif


def bare_png(blob: bytes) -> bytes:
    """Return a complete PNG without the chunks that are neither pixels nor their transparency.

    They never reach ImageMagick: it unpacks every text and profile, a gigabyte from a megabyte, and ends the whole
    process over a profile in a text that announces a senseless length.
    """
    kept = [(start, end) for name, start, end in png_chunks(blob) if not name[0] & _ANCILLARY or name == _TRANSPARENT]
    return blob[:8] + b"".join(blob[start:end] for start, end in kept)


def png_chunks(blob: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk up to IEND: its name, where it starts and where it ends.

    Raises NotAPictureError where the file ends before, and TooLargeError for very many.
    """
    at = 8
    for _ in range(MAXIMUM_PARTS):
        if at + 12 > len(blob):
            raise cut_short("PNG")
        length, name = struct.unpack_from(">I4s", blob, at)
        start, at = at, at + 12 + length
        if at > len(blob):
            raise cut_short("PNG")
        yield name, start, at
        if name == b"IEND":
            return
    raise too_many("PNG")


def too_many(format: str) -> TooLargeError:
    """Return the error for a file of more parts than are worth looking at."""
    return TooLargeError(f"this {format} has more than {MAXIMUM_PARTS} parts: save it anew with another program")


def read_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, of an EXIF block (CIPA DC-008, tag 0x0112 of IFD 0); 1 where it tells none."""
    exif = exif.removeprefix(_EXIF)  # some writers keep JPEG's prefix in PNG and WebP
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (ifd,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, ifd)
        for entry in range(entries):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, ifd + 2 + 12 * entry)
            if (tag, kind, count) == (0x0112, 3, 1):
                return value if 1 <= value <= 8 else 1  # noqa: PLR2004 -- the values of the tag
    except struct.error:
        pass
    return 1
