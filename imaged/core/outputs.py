"""The grammar of output names: `x300.jpg`, `w500-q50.webp`, `300x400.png`, `full_size.gif`.

`parse` and `str` round-trip: every output has exactly one name, and so one URL and one file. The grammar takes any
extension; `core/formats.py` says which formats a server writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imaged.core.errors import NotFoundError
from imaged.core.hashes import shorten

NAME_CHARACTERS = 255  # the longest file name that common file systems keep
EXTENSION = "[a-z0-9]{1,8}"  # the pattern of a format's extension
_NUMBER = r"[1-9][0-9]{0,17}"
_NAME = re.compile(
    rf"(?:w(?P<fit>{_NUMBER})|x(?P<square>{_NUMBER})|(?P<width>{_NUMBER})x(?P<height>{_NUMBER})|full_size)"
    r"(?:-q(?P<quality>100|[1-9][0-9]?))?"
    rf"\.(?P<extension>{EXTENSION})"
)
_FORM = "w500.jpg, x600.jpg, 300x400.jpg or full_size.jpg, each with -q1 to -q100 before the dot if you like"


@dataclass(frozen=True)
class Fit:
    """At most `width_px` wide; the height follows. A smaller original is not enlarged."""

    width_px: int

    def __str__(self) -> str:
        return f"w{self.width_px}"


@dataclass(frozen=True)
class Fill:
    """Exactly this width and height, filled and cropped from the centre."""

    width_px: int
    height_px: int

    def __str__(self) -> str:
        return f"x{self.width_px}" if self.width_px == self.height_px else f"{self.width_px}x{self.height_px}"


@dataclass(frozen=True)
class FullSize:
    """The original's own size."""

    def __str__(self) -> str:
        return "full_size"


Sizing = Fit | Fill | FullSize


@dataclass(frozen=True)
class Output:
    """One file that can be made from an original. Its name says all of it.

    `extension` names its format. `quality` is 1 to 100, or None for the namespace's default. `str(output)` is its name,
    in URLs and on disk.
    """

    sizing: Sizing
    extension: str
    quality: int | None = None

    def __str__(self) -> str:
        quality = "" if self.quality is None else f"-q{self.quality}"
        return f"{self.sizing}{quality}.{self.extension}"


def parse(name: str) -> Output:
    """Read an output's name, in any format. Raises NotFoundError for a text that is no output name."""
    match = _NAME.fullmatch(name) if len(name) <= NAME_CHARACTERS else None
    if match is None:
        raise NotFoundError(f"{shorten(name)!r} is not an output: use {_FORM}")
    part = match.groupdict()
    quality = int(part["quality"]) if part["quality"] else None
    output = Output(_sizing(part), part["extension"], quality)
    if str(output) != name:
        raise NotFoundError(f"{shorten(name)!r} is not an output: that one is called {output}")
    return output


def _sizing(part: dict[str, str | None]) -> Sizing:
    if part["fit"]:
        return Fit(int(part["fit"]))
    if part["square"]:
        return Fill(int(part["square"]), int(part["square"]))
    if part["width"] and part["height"]:
        return Fill(int(part["width"]), int(part["height"]))
    return FullSize()
