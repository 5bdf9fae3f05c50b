"""Quantise the frames of a GIF: find one palette for all of them, and remap their pixels to it.

Dithering is Floyd-Steinberg, which is linear in the pixels. ImageMagick's default, Riemersma, walks a square around
the picture: ten seconds for a picture of 1x65535.
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
"""ImageMagick needs 60 ms to set up dithering, so small pictures are stacked on a sheet and dithered together.
Our policy allows at most a million pixels a side."""
_FIXED_S, _PIXEL_S = 0.1, 0.35e-6
"""The time to remap and compress a picture, in which ImageMagick cannot be interrupted."""
_SPREAD = b"85%"
"""The share of each error that is diffused: with 100 % it shows as noise, and drifts through transparent areas."""


@dataclass(frozen=True)
class Palette:
    """A picture of at most 256 colours; `exact` if these are all colours of the pictures it was made for."""

    colours: Picture
    exact: bool


@contextmanager
def find_palette(pictures: Sequence[Picture]) -> Iterator[Palette]:
    """Give the palette that fits all of `pictures` best."""
    width_px, height_px = _sides(pictures)
    if width_px * height_px <= _EXACT_PIXELS and height_px <= _SHEET_ROWS:
        with _sheet(pictures) as sheet:
            if _count_colours(sheet, _GUESS_PIXELS) <= _COLOURS and _count_colours(sheet, _EXACT_PIXELS) <= _COLOURS:
                sheet.unique_colors()
                yield Palette(sheet, exact=True)
                return
    share = min(1.0, (_SAMPLE_PIXELS / (width_px * height_px)) ** 0.5, _SHEET_ROWS / height_px)
    with ExitStack() as stack:
        samples = [stack.enter_context(Picture(picture.deadline, image=picture)) for picture in pictures]
        for sample in samples:
            _subsample(sample, share)
        palette = stack.enter_context(_sheet(samples))
        palette.quantize(_COLOURS, "srgb", 8, False, False)  # by all 8 bits: the greys of a sky are close together
        palette.deadline.check()
        yield Palette(palette, exact=False)


def remap(picture: Picture, palette: Palette) -> None:
    """Remap a picture to a palette. Raises OutOfTimeError where the time left is too short."""
    deadline = picture.deadline
    deadline.check(_FIXED_S + _PIXEL_S * picture.width * picture.height)
    library.MagickSetImageArtifact(picture.wand, b"dither:diffusion-amount", _SPREAD)
    with deadline.uninterrupted(picture.wand):  # dithering calls the monitor for each pixel
        picture.remap(palette.colours, "no" if palette.exact else "floyd_steinberg")
    deadline.check()


def remapped(pictures: Sequence[Picture], palette: Palette) -> Iterator[Picture]:
    """Yield each picture, remapped to a palette. A picture is closed when the caller takes the next."""
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


def _count_colours(picture: Picture, pixels: int) -> int:
    """Return the number of colours in a sample of so many pixels."""
    with Picture(picture.deadline, image=picture) as sample:
        _subsample(sample, min(1.0, (pixels / (picture.width * picture.height)) ** 0.5))
        return int(library.MagickGetImageColors(sample.wand))


def _subsample(picture: Picture, share: float) -> None:
    """Keep this share of the rows and of the columns."""
    if share < 1:
        picture.sample(max(1, int(picture.width * share)), max(1, int(picture.height * share)))


def _groups(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Split pictures, in their order, into groups that each fit on a sheet."""
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
    """Return the width and height of a sheet of stacked pictures."""
    return max(picture.width for picture in pictures), sum(picture.height for picture in pictures)


def _sheet(pictures: Sequence[Picture]) -> Picture:
    """Return the pictures stacked on a transparent sheet, or a copy of the only one."""
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
