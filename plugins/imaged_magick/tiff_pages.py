"""Reduce a TIFF to its first picture, and to the tags that its pixels need."""

from __future__ import annotations

import struct

from imaged.api import TiffHeader

_KEPT = {
    256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339, 347,
    529, 530, 531, 532,
}  # fmt: skip
"""Sizes, samples, compression with its options and tables, strips and tiles, colours (TIFF 6.0, sections 8 to 22)."""


def first_page(blob: bytes, header: TiffHeader) -> bytes:
    """Return a TIFF with one directory, which is behind the file's bytes, so that all offsets stay valid.

    Without metadata, further directories and private tags, libtiff and ImageMagick parse none of them.
    """
    entries = [entry for tag, entry in sorted(header.entries.items()) if tag in _KEPT]
    at = len(blob) + len(blob) % 2
    directory = struct.pack(header.order + "H", len(entries)) + b"".join(entries) + bytes(4)
    head = blob[:4] + struct.pack(header.order + "I", at)
    return head + blob[8:] + bytes(at - len(blob)) + directory
