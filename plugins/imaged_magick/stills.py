"""What JPEG and PNG files say before their pixels: the EXIF block, and whether the end is there at all."""

from __future__ import annotations

import struct

from .sequence import broken, cut_short

_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length (ITU-T T.81, table B.1)
_EXIF = b"Exif\x00\x00"


def read_jpeg(blob: bytes) -> bytes:
    """Return the EXIF block of a JPEG, empty where it has none.

    Raises NotAPictureError for one without an end-of-image marker after its scan: decoders fill what is missing with
    grey and say so at best in a warning.
    """
    at, exif = 2, b""
    while True:
        at = blob.find(b"\xff", at)
        while blob[at : at + 1] == b"\xff":  # fill bytes (B.1.1.2)
            at += 1
        if at < 0 or at >= len(blob):
            raise cut_short("JPEG")
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
    if blob.find(b"\xff\xd9", at) < 0:
        raise cut_short("JPEG")
    return exif


def read_png(blob: bytes) -> bytes:
    """Return the EXIF block of a PNG, empty where it has none.

    Raises NotAPictureError for one that ends before its last chunk, IEND.
    """
    at, exif = 8, b""
    while at + 12 <= len(blob):
        length, name = struct.unpack_from(">I4s", blob, at)
        if name == b"eXIf" and not exif:
            exif = blob[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IEND" and at <= len(blob):
            return exif
    raise cut_short("PNG")


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
