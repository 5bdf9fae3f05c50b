"""What a PNG says of its colours (PNG 3rd edition, 4.3 and 11.3.2)."""

from __future__ import annotations

from .profiles import inflate_profile
from .stills import png_chunks


def png_profile(blob: bytes) -> bytes:
    """Return the colour profile of a PNG, empty where it has none that can be used."""
    for name, start, end in png_chunks(blob):
        if name == b"iCCP":
            return inflate_profile(blob[start + 8 : end - 4].partition(b"\x00")[2][1:])
        if name in (b"PLTE", b"IDAT"):
            break
    return b""
