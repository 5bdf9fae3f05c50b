"""Parse an original: its pixels' bytes without other data, and everything else that rendering needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaged.api import (
    CORE,
    FURTHER,
    PNG,
    Format,
    Formats,
    NotAPictureError,
    Size,
    StoreError,
    oriented,
    png_profile,
    png_profile_name,
    profile_name,
    read_orientation,
    usable_profile,
)

from .deadline import Deadline
from .decoding import drop_truncated_frame
from .errors import malformed_error
from .frames import FrameSequence
from .further_originals import parse_further
from .gif_reader import read_gif
from .jpeg_reader import has_eoi, jpeg_exif, jpeg_profile, read_segments, strip_jpeg
from .picture import Picture, coder, translated
from .png_reader import COLOUR_TYPE_AT, COLOURED, png_colours, png_exif, strip_png
from .webp_reader import read_webp

HEADER_TIMEOUT_S = 10.0
"""The time for reading headers, and for decoding the last frame of a truncated GIF."""


@dataclass(frozen=True)
class ParsedOriginal:
    """A file's pixels and what its container says of them. `sequence` holds the frames, None for JPEG and PNG.

    `blob` is the file without metadata. `profile` is the ICC profile that takes its colours to sRGB, empty where they
    are sRGB; `profile_name` names the one in the file. `orientation` is EXIF's, 1 to 8. `truncated` says that a JPEG
    lacks its end, and perhaps pixels. `upright_size` is what our own reader found in the header of a further
    format; the decoder turns a picture upright that is `self_turning`.
    """

    format: Format
    blob: bytes
    profile: bytes
    orientation: int
    sequence: FrameSequence | None
    truncated: bool = False
    profile_name: str | None = None
    upright_size: Size | None = None
    self_turning: bool = False

    @property
    def frames(self) -> int:
        """The number of frames, 1 for a still picture."""
        return len(self.sequence.frames) if self.sequence else 1

    def size(self, deadline: Deadline) -> Size:
        """Return the upright size, as the decoder that will read the pixels understands the header."""
        if self.upright_size:
            return self.upright_size
        if self.sequence:
            return oriented(self.sequence.canvas, self.orientation)
        with Picture(deadline) as picture:
            with translated(deadline, f"reading this {coder(self.format)}'s header"):
                picture.read_header(self.format, self.blob)
            if not picture.width or not picture.height:
                raise malformed_error(coder(self.format), "its header is damaged")
            return oriented(Size(picture.width, picture.height), self.orientation)


def read_original(source: Path) -> bytes:
    """Read a file. Raises StoreError when that fails."""
    try:
        return source.read_bytes()
    except OSError as error:
        raise StoreError(f"the original cannot be read from the local store: {error.strerror}") from error


def parse_original(blob: bytes, reads: Sequence[Format] = CORE) -> ParsedOriginal:
    """Parse a file in one of the formats that the settings list.

    Raises NotAPictureError for an unknown format or a broken file, TooLargeError for too many parts.
    """
    format = Formats(tuple(reads), ()).sniff(blob)
    if format in FURTHER:
        found = parse_further(format, blob)
        profile = usable_profile(found.profile) or b""
        return ParsedOriginal(
            format,
            found.blob,
            profile,
            found.orientation,
            None,
            profile_name=found.profile_name,
            upright_size=found.size,
            self_turning=found.self_turning,
        )
    sequence, exif, profile, name, truncated = None, b"", b"", None, False
    match format and format.extension:
        case "jpg":
            segments = read_segments(blob)
            exif, profile = jpeg_exif(blob, segments), jpeg_profile(blob, segments)
            truncated = not has_eoi(blob, segments)
            blob = strip_jpeg(blob, segments)
        case "png":
            stripped = strip_png(blob)
            coloured = bool(blob[COLOUR_TYPE_AT] & COLOURED)
            exif, colours, blob = png_exif(blob), png_colours(blob), stripped
            profile, name = png_profile(colours, coloured=coloured), png_profile_name(colours)
        case "gif":
            sequence = drop_truncated_frame(read_gif(blob), Deadline(HEADER_TIMEOUT_S, interrupts=True))
        case "webp":
            sequence, exif = read_webp(blob)
            profile = sequence.profile
    if format is None:
        raise NotAPictureError("the format of this file is unknown: send a picture, such as a JPEG or PNG")
    if format != PNG:
        name = profile_name(profile)
    usable = usable_profile(profile) or b""
    return ParsedOriginal(format, blob, usable, read_orientation(exif), sequence, truncated, profile_name=name)
