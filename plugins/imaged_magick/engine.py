"""ImageMagick itself: its version, its memory, and whether it is confined as it should be."""

from __future__ import annotations

from wand.exceptions import PolicyError, WandException
from wand.image import Image
from wand.resource import limits
from wand.version import MAGICK_VERSION

_SCRIPT = b'<?xml version="1.0"?><image><get width="w"/></image>'


def describe() -> str:
    """Return the library's name, version and depth: `ImageMagick 6.9.11-60 Q16`."""
    return " ".join(MAGICK_VERSION.split()[:3])


def bound_memory(size_bytes: int) -> None:
    """Bound the memory of all pixels in this process, those of an older generation too."""
    limits["memory"] = size_bytes


def confined() -> bool:
    """Say whether our policy is in force, by offering ImageMagick a script in its own language."""
    try:
        Image.ping(blob=_SCRIPT, format="msl").close()
    except PolicyError:
        return True
    except WandException:
        pass
    return False
