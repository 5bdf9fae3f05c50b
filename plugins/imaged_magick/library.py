"""Choose the library of ImageMagick before Wand searches for it.

Wand tries twenty names. For each one that the loader does not know, Python starts a compiler, where one is installed:
that takes half a second, and leaves files in TMPDIR when the process is killed meanwhile.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from itertools import product

_VARIABLE = "WAND_MAGICK_LIBRARY_SUFFIX"
_OTHERS = ("MAGICK_HOME", "LD_LIBRARY_PATH")
"""Where these are set, Wand has to search itself."""
_VERSIONS = ("", "-7", "-7.Q8", "-7.Q16", "-6", "-Q16", "-Q8", "-6.Q16")
_SUFFIXES = [version + option for version, option in product(_VERSIONS, ("", "HDRI", "HDRI-2"))]
"""What Wand tries, in its order."""
_LISTED = re.compile(r"^\s*libMagickWand(\S*)\.so\b", re.MULTILINE)


def choose_library() -> None:
    """Tell Wand which library to load, if the loader's cache has one. Call this before the first import of wand."""
    if any(os.environ.get(name) for name in (_VARIABLE, *_OTHERS)):
        return
    if (suffix := first_suffix(_loader_cache())) is not None:
        os.environ[_VARIABLE] = suffix


def first_suffix(listing: str) -> str | None:
    """Return the suffix of the library that Wand would find first in the output of `ldconfig -p`, or None."""
    listed = {*_LISTED.findall(listing)}
    return next((suffix for suffix in _SUFFIXES if suffix in listed), None)


def _loader_cache() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        command = ["/sbin/ldconfig", "-p"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 -- a fixed command
        return done.stdout
    return ""
