"""The colours of a GIF: one palette for all its frames, and their pixels in these colours.

Errors are spread by Floyd and Steinberg's method, whose cost grows with the pixels. ImageMagick's own choice,
Riemersma's, walks a square around the picture: ten seconds for a picture of 1x65535.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from wand.api import library
from wand.color import Color

from .picture import Picture

_COLOURS = 256
_EXACT_PIXELS, _SAMPLE_PIXELS, _GUESS_PIXELS = 4_000_000, 500_000, 20_000
_SHEET_PIXELS, _SHEET_ROWS = 2_000_000, 500_000
"""ImageMagick needs 60 ms to get ready to dither, so that small pictures are laid on a sheet and dithered at once.
Our policy lets no side have more than a million."""
_FIXED_S, _PIXEL_S = 0.1, 0.35e-6
"""What it costs to give a picture new colours and to compress it: meanwhile ImageMagick does not look at the clock."""
_SPREAD = b"85%"
"""How much of an error is passed on: all of it would be seen as noise, and drift through transparent areas."""


@dataclass(frozen=True)
class Palette:
    """A picture of 256 colours at most; `exact` when it has all the colours of the pictures that it was found for."""

    colours: Picture
    exact: bool


@contextmanager
def find_palette(pictures: Sequence[Picture]) -> Iterator[Palette]:
    """Give the colours that serve all of `pictures` best."""
    width_px, height_px = _sides(pictures)
    if width_px * height_px <= _EXACT_PIXELS and height_px <= _SHEET_ROWS:
        with _sheet(pictures) as sheet:
            if _count(sheet, _GUESS_PIXELS) <= _COLOURS and _count(sheet, _EXACT_PIXELS) <= _COLOURS:
                sheet.unique_colors()
                yield Palette(sheet, exact=True)
                return
    share = min(1.0, (_SAMPLE_PIXELS / (width_px * height_px)) ** 0.5, _SHEET_ROWS / height_px)
    with ExitStack() as stack:
        samples = [stack.enter_context(Picture(picture.deadline, image=picture)) for picture in pictures]
        for sample in samples:
            _thin_out(sample, share)
        palette = stack.enter_context(_sheet(samples))
        palette.quantize(_COLOURS, "srgb", 8, False, False)  # by all 8 bits: grey skies are close together
        palette.deadline.check()
        yield Palette(palette, exact=False)


def remap(picture: Picture, palette: Palette) -> None:
    """Give a picture the colours of a palette. Raises BusyError where the time that is left would not do."""
    deadline = picture.deadline
    deadline.check(_FIXED_S + _PIXEL_S * picture.width * picture.height)
    library.MagickSetImageArtifact(picture.wand, b"dither:diffusion-amount", _SPREAD)
    with deadline.unwatched(picture.wand):  # for each pixel it would be asked whether to go on
        picture.remap(palette.colours, "no" if palette.exact else "floyd_steinberg")
    deadline.check()


def remapped(pictures: Sequence[Picture], palette: Palette) -> Iterator[Picture]:
    """Yield each picture in the colours of a palette; it is closed when the next is asked for."""
    for group in _groups(pictures):
        with _sheet(group) as sheet:
            remap(sheet, palette)
            top_px = 0
            for picture in group:
                with Picture(sheet.deadline, image=sheet) as cut:
                    cut.crop(0, top_px, picture.width, top_px + picture.height)
                    cut.reset_coords()
                    yield cut
                top_px += picture.height


def _count(picture: Picture, pixels: int) -> int:
    """Return how many colours a picture has, as far as so many of its pixels tell."""
    with Picture(picture.deadline, image=picture) as sample:
        _thin_out(sample, min(1.0, (pixels / (picture.width * picture.height)) ** 0.5))
        return int(library.MagickGetImageColors(sample.wand))


def _thin_out(picture: Picture, share: float) -> None:
    """Keep so many of the rows and columns."""
    if share < 1:
        picture.sample(max(1, int(picture.width * share)), max(1, int(picture.height * share)))


def _groups(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Split pictures, in their order, into those that fit on a sheet together."""
    group: list[Picture] = []
    width_px = height_px = 0
    for picture in pictures:
        width_px, height_px = max(width_px, picture.width), height_px + picture.height
        if group and (width_px * height_px > _SHEET_PIXELS or height_px > _SHEET_ROWS):
            yield group
            group, width_px, height_px = [], picture.width, picture.height
        group.append(picture)
    if group:
        yield group


def _sides(pictures: Sequence[Picture]) -> tuple[int, int]:
    """Return width and height of a sheet on which pictures lie one below the other."""
    return max(picture.width for picture in pictures), sum(picture.height for picture in pictures)


def _sheet(pictures: Sequence[Picture]) -> Picture:
    """Return a transparent sheet with pictures one below the other, or a copy of the only one."""
    if len(pictures) == 1:
        return Picture(pictures[0].deadline, image=pictures[0])
    sheet = Picture(pictures[0].deadline)
    sheet.blank(*_sides(pictures), Color("#00000000"))
    top_px = 0
    for picture in pictures:
        sheet.composite(picture, 0, top_px, operator="copy")
        top_px += picture.height
    sheet.deadline.check()
    return sheet
