"""The grammar of output names: `x300.jpg`, `w500-q50.webp`, `300x400-gn.png`, `full_size.gif`, `hero.jpg`.

`parse` and `str` round-trip: every output has exactly one name, and so one URL and one file. The grammar takes any
extension; `core/formats.py` says which formats a server writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from imaged.core.errors import NotFoundError
from imaged.core.gravities import Gravity, parse_gravity
from imaged.core.hashes import shorten

NAME_CHARACTERS = 255  # the longest file name that common file systems keep
AUTO = "auto"  # the extension of an output in the format that suits its client best
EXTENSION = "[a-z0-9]{1,8}"  # the pattern of a format's extension
PRESET = r"(?!(?:full_size|original|info|process|srcset)(?![a-z0-9_]))[a-z]{2}[a-z0-9_]{0,30}"  # and of a preset's name
_NUMBER = r"[1-9][0-9]{0,17}"
_PER_CENT = r"(?:0|[1-9][0-9]?|100)"
_GRAVITY = rf"(?:c|n|ne|e|se|s|sw|w|nw|sm|{_PER_CENT}x{_PER_CENT})"
_NAME = re.compile(
    rf"(?:(?:(?P<kind>[whx])(?P<side>{_NUMBER})|(?P<box>[fp]?)(?P<width>{_NUMBER})x(?P<height>{_NUMBER}))"
    rf"(?:-g(?P<gravity>{_GRAVITY}))?"
    rf"|full_size|(?P<preset>{PRESET})(?:~(?P<version>[0-9a-f]{{8}}))?)"
    r"(?:-q(?P<quality>100|[1-9][0-9]?))?"
    rf"\.(?P<extension>{EXTENSION})"
)
_FORM = (
    "w500.jpg, h500.jpg, x600.jpg, 300x400.jpg, f300x400.jpg, p300x400.jpg or full_size.jpg; if you like, add "
    "a gravity (-gn, -g25x70, -gsm) to x600 or 300x400, then a quality (-q1 to -q100)"
)


@dataclass(frozen=True)
class Fit:
    """Inside a box whose width or height may be None, unbounded. A smaller original is not enlarged."""

    width_px: int | None
    height_px: int | None = None

    def __post_init__(self) -> None:
        if self.width_px is None and self.height_px is None:
            raise ValueError("a box has a width or a height")

    def __str__(self) -> str:
        if self.height_px is None:
            return f"w{self.width_px}"
        return f"h{self.height_px}" if self.width_px is None else f"f{self.width_px}x{self.height_px}"


@dataclass(frozen=True)
class Pad:
    """Exactly this width and height: the picture inside, not enlarged, with the background around it."""

    width_px: int
    height_px: int

    def __str__(self) -> str:
        return f"p{self.width_px}x{self.height_px}"


@dataclass(frozen=True)
class Fill:
    """Exactly this width and height, filled and cropped. None: from the centre, as image-server 1.x did."""

    width_px: int
    height_px: int
    gravity: Gravity | None = None

    def __str__(self) -> str:
        size = f"x{self.width_px}" if self.width_px == self.height_px else f"{self.width_px}x{self.height_px}"
        return size if self.gravity is None else f"{size}-g{self.gravity}"


@dataclass(frozen=True)
class FullSize:
    """The original's own size."""

    def __str__(self) -> str:
        return "full_size"


@dataclass(frozen=True)
class Preset:
    """What the settings say under this name.

    `version` tells apart what they said at different times: it is in the names of stored files, never in a URL. It is
    8 hexadecimal digits, or empty: not known yet.
    """

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}~{self.version}" if self.version else self.name


Sizing = Fit | Pad | Fill | FullSize | Preset


@dataclass(frozen=True)
class Output:
    """One file that can be made from an original. Its name says all of it, with the settings for a preset.

    `extension` names its format. `quality` is 1 to 100, or None for the default. `str(output)` is its name, in URLs and
    on disk, but for a preset: `str(output.public)` is its name in URLs.
    """

    sizing: Sizing
    extension: str
    quality: int | None = None

    @property
    def public(self) -> Output:
        """The output as clients know it: without the version of its preset."""
        return replace(self, sizing=Preset(self.sizing.name)) if isinstance(self.sizing, Preset) else self

    def __str__(self) -> str:
        quality = "" if self.quality is None else f"-q{self.quality}"
        return f"{self.sizing}{quality}.{self.extension}"


def parse(name: str) -> Output:
    """Read an output's name, as clients write it, in any format.

    Raises NotFoundError for a text that is no output name.
    """
    output = _parse(name)
    if isinstance(output.sizing, Preset) and output.sizing.version:
        raise NotFoundError(f"{shorten(name)!r} is not an output: a preset is asked for by its name alone")
    return output


def parse_stored(name: str) -> Output:
    """Read the name of an output's file, where a preset has its version. Raises NotFoundError as `parse`."""
    output = _parse(name)
    if isinstance(output.sizing, Preset) and not output.sizing.version:
        raise NotFoundError(f"{shorten(name)!r} is not the file of an output: it lacks the version of its preset")
    return output


def _parse(name: str) -> Output:
    match = _NAME.fullmatch(name) if len(name) <= NAME_CHARACTERS else None
    if match is None:
        raise NotFoundError(f"{shorten(name)!r} is not an output: use {_FORM}")
    part = match.groupdict()
    quality = int(part["quality"]) if part["quality"] else None
    output = Output(_sizing(part), part["extension"], quality)
    if str(output) != name:
        raise NotFoundError(f"{shorten(name)!r} is not an output: that one is called {output}")
    return output


def parse_sizing(text: str) -> Sizing:
    """Read how an output gets its size, as `str` of a sizing writes it. Raises NotFoundError, also for a preset."""
    sizing = _parse(f"{text}.jpg").sizing
    if isinstance(sizing, Preset) or str(sizing) != text:
        raise NotFoundError(f"{shorten(text)!r} is no size: use one such as w500, 300x400 or full_size")
    return sizing


def _sizing(part: dict[str, str | None]) -> Sizing:
    gravity = parse_gravity(part["gravity"]) if part["gravity"] else None
    if part["side"]:
        side_px = int(part["side"])
        sizings: dict[str, Sizing] = {"w": Fit(side_px), "h": Fit(None, side_px), "x": Fill(side_px, side_px, gravity)}
        return sizings[part["kind"] or ""]
    if part["width"] and part["height"]:
        box = int(part["width"]), int(part["height"])
        boxes: dict[str, Sizing] = {"f": Fit(*box), "p": Pad(*box), "": Fill(*box, gravity)}
        return boxes[part["box"] or ""]
    return Preset(part["preset"], part["version"] or "") if part["preset"] else FullSize()
