"""An original's bytes, and all that they say before a pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imaged.api import SNIFF_BYTES, Format, NotAPictureError, Size, StoreError, sniff

from .deadline import Deadline
from .decoding import without_missing
from .gif import read_gif
from .jpeg import bare_jpeg, has_end, jpeg_exif, jpeg_profile, read_segments
from .picture import Picture, coder, translated
from .png_colours import png_profile
from .profiles import usable_profile
from .sequence import Sequence, broken
from .shaping import swap_sides
from .stills import bare_png, read_orientation, read_png
from .webp import read_webp

HEADER_TIMEOUT_S = 10.0
"""For looking at headers, and at the last frame of a GIF that ends in it."""


@dataclass(frozen=True)
class Original:
    """A file without what its pixels do not need; `sequence` are its frames, None for JPEG and PNG.

    `orientation` is EXIF's, 1 to 8; `profile` takes its colours to sRGB, and is empty where they are sRGB. `cut` says
    that the end of a JPEG was missing, and perhaps pixels before it.
    """

    format: Format
    blob: bytes
    profile: bytes
    orientation: int
    sequence: Sequence | None
    cut: bool = False

    @property
    def frames(self) -> int:
        """How many frames it has, 1 for a still picture."""
        return len(self.sequence.frames) if self.sequence else 1

    def size(self, deadline: Deadline) -> Size:
        """Return the upright size, as the decoder that will read the pixels understands the header."""
        if self.sequence:
            return swap_sides(self.sequence.canvas, self.orientation)
        with Picture(deadline) as picture:
            with translated(deadline, f"reading this {coder(self.format)}'s header"):
                picture.read_header(self.format, self.blob)
            if not picture.width or not picture.height:
                raise broken(coder(self.format), "its header is damaged")
            return swap_sides(Size(picture.width, picture.height), self.orientation)


def read_original(source: Path) -> Original:
    """Read a file and what its container says. Raises NotAPictureError for a format that is none of ours, or broken."""
    try:
        blob = source.read_bytes()
    except OSError as error:
        raise StoreError(f"the original cannot be read from the local store: {error.strerror}") from error
    format = sniff(blob[:SNIFF_BYTES])
    sequence, exif, profile, cut = None, b"", b"", False
    match format and format.extension:
        case "jpg":
            segments = read_segments(blob)
            cut, exif, profile = not has_end(blob, segments), jpeg_exif(blob, segments), jpeg_profile(blob, segments)
            blob = bare_jpeg(blob, segments)
        case "png":
            bare = bare_png(blob)
            exif, profile, blob = read_png(blob), png_profile(blob), bare
        case "gif":
            sequence = without_missing(read_gif(blob), Deadline(HEADER_TIMEOUT_S, interrupts=True))
        case "webp":
            sequence, exif = read_webp(blob)
            profile = sequence.profile
    if format is None:
        raise NotAPictureError("this is no picture that is read here: send a JPEG, PNG, GIF or WebP")
    return Original(format, blob, usable_profile(profile) or b"", read_orientation(exif), sequence, cut)
