"""The picture formats that imaged reads and writes, and how their first bytes tell them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One picture format.

    `extension` names it in URLs and settings, `content_type` on the wire. `maximum_side_px` is the largest width or
    height that it can hold.
    """

    extension: str
    content_type: str
    alpha: bool
    animation: bool
    maximum_side_px: int


# 65,500 is libjpeg's JPEG_MAX_DIMENSION, a little less than the format's own bound.
JPEG = Format("jpg", "image/jpeg", alpha=False, animation=False, maximum_side_px=65_500)
PNG = Format("png", "image/png", alpha=True, animation=False, maximum_side_px=2**31 - 1)
GIF = Format("gif", "image/gif", alpha=True, animation=True, maximum_side_px=65_535)
WEBP = Format("webp", "image/webp", alpha=True, animation=True, maximum_side_px=16_383)

FORMATS: dict[str, Format] = {format.extension: format for format in (JPEG, PNG, GIF, WEBP)}
"""Every format by its extension, in the order of the default settings."""

SNIFF_BYTES = 16
"""How many leading bytes `sniff` wants."""


def sniff(head: bytes) -> Format | None:
    """Return the format that the first `SNIFF_BYTES` bytes announce, or None.

    The signatures are those of the formats' own specifications: JPEG's SOI marker (ITU-T T.81 B.1.1.3), PNG's
    signature (PNG 5.2), GIF's header (GIF89a, section 17) and the RIFF container of WebP (RFC 9649, 2.3).
    """
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return None
