"""Decode originals with Pillow. Whatever fails is left to the next processor, which may know how to repair it."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imaged.api import GIF, JPEG, PNG, WEBP, DeclinedError, Size, TooLargeError, oriented

from .heif_files import OPENERS
from .jpeg_reader import is_unbroken
from .original import Original, declined
from .png_reader import has_all_rows

# Pillow keeps four blocks of 16 MB for its next pictures: page faults in fresh memory take up to a quarter of a render.
Image.core.set_blocks_max(4)  # type: ignore[attr-defined]  # documented, and without types

_OPENERS: dict[str, Callable[[BytesIO], Image.Image]] = {
    JPEG.extension: JpegImageFile,
    PNG.extension: PngImageFile,
    GIF.extension: GifImageFile,
    WEBP.extension: WebPImageFile,
    **OPENERS,
}
"""What opens each format. `Image.open` would try others, and parse what follows a JPEG."""

_BROKEN = (
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    AssertionError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
)
"""The exceptions that Pillow raises for broken pictures."""

_GREY = range(126, 131)  # what libjpeg gives blocks whose codes are missing
_TAIL_PIXELS = 4  # two blocks across, at an eighth of the size, where chroma has half the resolution


@dataclass(frozen=True)
class Decoded:
    """The pixels of a whole original, as stored but smaller: `scale` has its pixels for each one there, by side."""

    picture: Image.Image
    original: Original
    scale: tuple[float, float]


def decode(original: Original, needed: Iterable[Size], shrunk: Mapping[int, float]) -> Decoded:
    """Decode an original so that it suffices for the upright sizes `needed`. `shrunk` is from a Filter.

    Raises DeclinedError for a broken picture, and TooLargeError when there is not enough memory.
    """
    sizes = [oriented(each, original.orientation) for each in needed]
    with _translated(original):
        still = original.as_still()
        file = _OPENERS[original.format.extension](BytesIO(still))
        reduction = _reduction(original.stored, sizes, shrunk) if isinstance(file, JpegImageFile) else 1
        if reduction > 1:
            file.draft(None, (original.stored.width_px // reduction, original.stored.height_px // reduction))
        if isinstance(file, ImageFile):
            file.decodermaxblock = len(still)  # in one piece
        file.load()
        sides = (-(-original.stored.width_px // reduction), -(-original.stored.height_px // reduction))
        if file.size != sides:
            raise declined("picture", "its pixels are not of the size that its header announces")
        _check_pixels(file, still)
        return Decoded(_plain(file), original, (1 / reduction, 1 / reduction))


def check_end(decoded: Decoded) -> None:
    """Raise DeclinedError for a JPEG that may lack codes.

    Its last blocks are grey, or a marker is among its codes.
    """
    if not is_unbroken(decoded.original.as_still()):
        raise declined("JPEG", "its codes are damaged")
    picture = decoded.picture
    width_px, height_px = picture.size
    tail_px = round(_TAIL_PIXELS * 8 * decoded.scale[0])
    tail = picture.crop((max(0, width_px - tail_px), height_px - 1, width_px, height_px))
    if all(value in _GREY for value in tail.tobytes()):
        raise declined("JPEG", "its last pixels are missing")


def _reduction(stored: Size, needed: Sequence[Size], shrunk: Mapping[int, float]) -> int:
    """Return the largest reduction of a JPEG that suffices for these sizes."""
    across = min((stored.width_px / each.width_px for each in needed), default=math.inf)
    down = min((stored.height_px / each.height_px for each in needed), default=math.inf)
    possible = (each for each, factor in shrunk.items() if min(across, down) >= factor * each)
    return next(possible, 1) if min(stored.width_px, stored.height_px) >= 8 else 1  # noqa: PLR2004 -- one block


@contextmanager
def _translated(original: Original) -> Iterator[None]:
    """Turn Pillow's errors into ours."""
    try:
        yield
    except DeclinedError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"a picture of {original.size} takes more memory than this server has") from error
    except _BROKEN as error:
        raise declined(original.format.extension, "it is broken") from error


def _check_pixels(picture: Image.Image, still: bytes) -> None:
    """Raise DeclinedError where Pillow leaves pixels out: it does not count the rows of a PNG."""
    if picture.mode == "P" and picture.palette:
        colours = len(picture.palette.getdata()[1]) // len(picture.palette.mode)
        if max(picture.tobytes()) >= colours:
            raise declined("picture", "it has more colours than its palette")
    if isinstance(picture, PngImageFile):
        last_row = picture.crop((0, picture.height - 1, *picture.size))
        if not any(last_row.tobytes()) and not has_all_rows(still):
            raise declined("PNG", "its last pixels are missing")


def _plain(picture: Image.Image) -> Image.Image:
    """Return a picture of mode L, RGB, RGBA or CMYK without metadata. Transparency makes it RGBA."""
    if picture.has_transparency_data:
        plain = picture.convert("RGBA")
    elif picture.mode == "1":
        plain = picture.convert("L")
    elif picture.mode in {"L", "RGB", "CMYK"}:
        plain = picture
    else:
        plain = picture.convert("RGB")
    plain.info.clear()
    return plain
