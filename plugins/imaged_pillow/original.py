"""What a file says of its picture, and the bytes that a decoder needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imaged.api import DeclinedError, Format, Size, oriented


@dataclass(frozen=True)
class Original:
    """A parsed file.

    `as_still` returns a file of its first picture without metadata, so that Pillow parses none. It raises DeclinedError
    for damage that no header shows. `stored` is the size as stored. `orientation` is EXIF's, 1 to 8. `profile` is the
    ICC profile that takes its colours to sRGB, empty where they are sRGB; `profile_name` is the name of the one in the
    file. A file that is `animated` has more pictures. `decoder_turns` is the orientation from which the decoder itself
    turns the picture.
    `decoded_pixels` are those that a decoder fills, tiles and transparency included, or are 0.
    """

    format: Format
    as_still: Callable[[], bytes]
    stored: Size
    orientation: int = 1
    profile: bytes = b""
    animated: bool = False
    profile_name: str | None = None
    decoder_turns: int = 1
    decoded_pixels: int = 0

    @property
    def size(self) -> Size:
        """The upright size."""
        return oriented(self.stored, self.orientation)


def declined(format: str, reason: str) -> DeclinedError:
    """Return the error that leaves a file to the next processor; `reason` is a short clause about it."""
    return DeclinedError(
        f"this server does not render this {format}: {reason}; convert it, or save it again with another program"
    )
