"""Load ImageMagick under our policy, whatever the system's own policy allows. Imports wand only when it loads it.

ImageMagick reads each `policy.xml` once, when it starts: first those of MAGICK_CONFIGURE_PATH, then the system's own,
then that of XDG_CONFIG_HOME, then those in HOME (GetConfigurePaths in configure.c of versions 6 and 7).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .library import choose_library

POLICY = Path(__file__).parent / "policy"
"""The folder of the `policy.xml` that ImageMagick reads first, and of the one that it reads last."""

_FIRST, _LAST, _HOME = "MAGICK_CONFIGURE_PATH", "XDG_CONFIG_HOME", "HOME"
_LIMITS = ("MAGICK_", "_LIMIT")
"""How the variables begin and end that set ImageMagick's resource limits."""

_SCRIPT = b'<?xml version="1.0"?><image><get width="w"/></image>'


def load_imagemagick() -> None:
    """Start ImageMagick in this process under our policy. Does nothing where it has started already.

    For some milliseconds the environment of the process differs, so call this before there are threads that read
    HOME.
    """
    choose_library()
    from wand.api import library  # noqa: PLC0415  # loads ImageMagick's library, which reads no policy yet

    with _our_environment():
        library.MagickWandGenesis()


@contextmanager
def _our_environment() -> Iterator[None]:
    """Let ImageMagick read our policies first and last. Restore the environment afterwards.

    The operator's own configuration path comes after ours. Limits in the environment would replace ours.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_LIMITS[0]) and name.endswith(_LIMITS[1]):
            del os.environ[name]
    os.environ[_FIRST] = os.pathsep.join(filter(None, [str(POLICY), before.get(_FIRST)]))
    os.environ[_LAST] = str(POLICY / "last")
    os.environ.pop(_HOME, None)  # ImageMagick would read the policies in this folder after ours
    try:
        yield
    finally:
        for name in (_FIRST, _LAST, _HOME):
            os.environ.pop(name, None)
        os.environ.update(before)


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
