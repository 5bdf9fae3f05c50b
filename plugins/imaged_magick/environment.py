"""The environment variables that ImageMagick reads once, when its library is loaded, and a check of our policy."""

from __future__ import annotations

import os
from pathlib import Path

POLICY = Path(__file__).parent / "policy"
"""The folder of our `policy.xml`."""

_SCRIPT = b'<?xml version="1.0"?><image><get width="w"/></image>'


def configure_environment() -> None:
    """Select our policy, and one thread for each operation. Call this before the first import of wand.

    The operator's own configuration path is kept, after ours. One thread is enough: the daemon renders several pictures
    at once.
    """
    ours, theirs = str(POLICY), os.environ.get("MAGICK_CONFIGURE_PATH", "")
    if ours not in theirs.split(os.pathsep):
        os.environ["MAGICK_CONFIGURE_PATH"] = os.pathsep.join(filter(None, [ours, theirs]))
    os.environ["MAGICK_THREAD_LIMIT"] = "1"


def policy_in_force() -> bool:
    """Try to open an MSL script, which our policy forbids; return whether ImageMagick refused it for that reason."""
    from wand.exceptions import PolicyError, WandException  # noqa: PLC0415  # loads ImageMagick
    from wand.image import Image  # noqa: PLC0415

    try:
        Image.ping(blob=_SCRIPT, format="msl").close()
    except PolicyError:
        return True
    except WandException:
        pass
    return False
