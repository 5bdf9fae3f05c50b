"""ImageMagick as a library: its version, its memory limit, and whether it obeys our policy."""

from __future__ import annotations

from wand.exceptions import PolicyError, WandException
from wand.image import Image
from wand.resource import limits
from wand.version import MAGICK_VERSION

_SCRIPT = b'<?xml version="1.0"?><image><get width="w"/></image>'


def library_version() -> str:
    """Return the library's name, version and quantum depth: `ImageMagick 6.9.11-60 Q16`."""
    return " ".join(MAGICK_VERSION.split()[:3])


def limit_memory(size_bytes: int) -> None:
    """Limit the memory of all pixels in this process, those of older generations included."""
    limits["memory"] = size_bytes


def policy_in_force() -> bool:
    """Try to open an MSL script, which our policy forbids; return whether ImageMagick refused it for that reason."""
    try:
        Image.ping(blob=_SCRIPT, format="msl").close()
    except PolicyError:
        return True
    except WandException:
        pass
    return False
