"""What an output with the extension `auto` becomes, for one picture and one client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from imaged.core.accept import Accept
from imaged.core.errors import PolicyError
from imaged.core.formats import GIF, JPEG, PNG, WEBP, Format
from imaged.core.outputs import Output
from imaged.core.pictures import ImageInfo

_MOVING = (GIF.content_type, WEBP.content_type)


@dataclass(frozen=True)
class Traits:
    """What decides between formats: whether a picture moves, and whether parts of it are transparent."""

    moves: bool
    transparent: bool


def traits(info: ImageInfo) -> Traits:
    """Return the traits of a picture. Without details, it has all that its format can hold: none may get lost."""
    if info.details is not None:
        return Traits(info.details.frames > 1, info.details.transparency)
    return Traits(info.content_type in _MOVING, info.content_type != JPEG.content_type)


@dataclass(frozen=True)
class Candidates:
    """The formats that a picture may be answered in: `better` ones, the best first, and a fallback for any client."""

    better: tuple[Format, ...]
    fallback: Format

    @property
    def all(self) -> tuple[Format, ...]:
        """Each format once, the fallback last."""
        return (*self.better, self.fallback)

    def without(self, format: Format) -> Candidates:
        """Return the candidates without one of the better formats."""
        return replace(self, better=tuple(each for each in self.better if each != format))

    def choose(self, accept: Accept) -> Format:
        """Return the format that a client prefers; of those that it prefers equally, the first one.

        A better format has to be named by the client: many clients send `*/*` or `image/*` and cannot show it. A client
        that prefers the fallback to all that it names gets the fallback.
        """
        chosen, best = self.fallback, 0
        for format in self.better:
            quality = accept.named.get(format.content_type, 0)
            if quality > best:
                chosen, best = format, quality
        return chosen if best >= accept.quality(self.fallback.content_type) else self.fallback


def candidates(preferred: Sequence[str], allowed: Collection[str], written: Sequence[Format], of: Traits) -> Candidates:
    """Return the candidates for a picture with these traits.

    `preferred` has the extensions of the better formats, the best first, and `allowed` those that clients may ask for.
    Both count only among the formats that are `written`. Raises PolicyError when no format is left.
    """
    usable = {format.extension: format for format in written if format.extension in allowed}
    better = [usable[each] for each in preferred if each in usable and _holds(usable[each], of)]
    still = [PNG, JPEG] if of.transparent else [JPEG, PNG]
    order = [GIF, *still] if of.moves else [*still, GIF]
    fallback = next((each for each in [*order, *reversed(better), *usable.values()] if each.extension in usable), None)
    if fallback is None:
        raise PolicyError("no processor writes a format that is allowed here")
    return Candidates(tuple(each for each in better if each != fallback), fallback)


def in_format(output: Output, format: Format) -> Output:
    """Return the same output in a format."""
    return replace(output, extension=format.extension)


def _holds(format: Format, of: Traits) -> bool:
    return (format.animation or not of.moves) and (format.alpha or not of.transparent)
