"""Start ImageMagick under our policy, whatever the system's own policy allows. Imports wand only when it does so.

ImageMagick reads each `policy.xml` once, when it starts: first those of MAGICK_CONFIGURE_PATH, then the system's own,
then that of XDG_CONFIG_HOME, then those in HOME (GetConfigurePaths in configure.c of versions 6 and 7).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .library import choose_library

POLICY = Path(__file__).parent / "policy" / "policy.xml"
"""What ImageMagick reads first."""

LAST_POLICY = POLICY.parent / "last" / "ImageMagick" / "policy.xml"
"""What it reads last. It only forbids."""

_FIRST, _LAST, _HOME = "MAGICK_CONFIGURE_PATH", "XDG_CONFIG_HOME", "HOME"
_MARK = "resource:time", "1000000000"
"""A limit of our first policy, which no other has."""

_FIXED_LIMITS = {"map": 0, "disk": 0, "thread": 1, "width": 1_000_000, "height": 1_000_000}
"""The limits of our first policy that a system's policy may have wider."""

_CODER, _READ = 1, 1
_FORBIDDEN = ("MSL", "MVG", "SVG", "TEXT", "PDF", "XC")
OPTIONAL_CODERS = {"tiff": "TIFF", "bmp": "BMP", "jxl": "JXL"}
"""The coders that our policies leave open, by extension. Those that the settings do not list are forbidden."""
_RULE, _END = b'<policy domain="coder" rights="%b" pattern="%b"/>', b"</policymap>"
_started: list[bool] = []
_forbidden: set[str] = set()
"""The optional coders that are closed."""


def start_imagemagick(opened: Collection[str] = ()) -> bool:
    """Start ImageMagick in this process under our policy, and return whether it follows ours before all others.

    `opened` are the extensions of the further formats whose coders are open from the start; `allow_coders` may change
    them, where the version of ImageMagick lets it. If something has started ImageMagick already, forbid now what can
    still be forbidden. The first call changes the environment of the process for some milliseconds, so make it before
    there are threads that read HOME.
    """
    if not _started:
        _started.append(_start([coder for extension, coder in OPTIONAL_CODERS.items() if extension not in opened]))
    return _started[0]


def _start(closed: Collection[str]) -> bool:
    choose_library()
    from wand.api import library  # noqa: PLC0415  # loads ImageMagick's library, which reads no policy yet

    with _our_environment(closed):
        library.MagickWandGenesis()
    follows = _follows_ours()
    if follows:
        _forbidden.update(closed)
    else:
        _restrict()
    return follows


@contextmanager
def _our_environment(closed: Collection[str]) -> Iterator[None]:
    """Let ImageMagick read our policies first and last, the last with these coders closed. Restore the environment.

    The operator's own configuration path comes after ours. Limits in the environment would replace ours.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("MAGICK_") and name.endswith("_LIMIT"):
            del os.environ[name]
    with TemporaryDirectory() as folder:
        last = Path(folder) / "ImageMagick" / "policy.xml"
        last.parent.mkdir()
        last.write_bytes(_last_policy(closed))
        os.environ[_FIRST] = os.pathsep.join(filter(None, [str(POLICY.parent), before.get(_FIRST)]))
        os.environ[_LAST] = folder
        os.environ.pop(_HOME, None)  # ImageMagick would read the policies in this folder after ours
        try:
            yield
        finally:
            for name in (_FIRST, _LAST, _HOME):
                os.environ.pop(name, None)
            os.environ.update(before)


def _last_policy(closed: Collection[str]) -> bytes:
    """Return our last policy with rules that forbid these coders: older versions of ImageMagick 6 take none later."""
    rules = b"".join(_RULE % (b"none", coder.encode()) for coder in closed)
    return LAST_POLICY.read_bytes().replace(_END, rules + _END)


def _follows_ours() -> bool:
    from wand.api import libmagick  # noqa: PLC0415  # wand loads the library when it is imported

    libmagick.GetPolicyValue.restype = ctypes.c_void_p
    value = libmagick.GetPolicyValue(_MARK[0].encode())  # a copy of a few bytes, which stays
    if value is None or ctypes.string_at(value) != _MARK[1].encode():
        return False
    return not any(libmagick.IsRightsAuthorized(_CODER, _READ, name.encode()) for name in _FORBIDDEN)


def allow_coders(extensions: Collection[str]) -> None:
    """Open the coders of these formats, of those that are not core formats, and forbid the others.

    Each job calls this, as each generation lists formats of its own. What the system's policy forbids stays forbidden.
    """
    from wand.api import libmagick  # noqa: PLC0415  # wand loads the library when it is imported

    for extension, coder in OPTIONAL_CODERS.items():
        listed = extension in extensions
        if listed and coder in _forbidden:
            _forbidden.discard(coder)
            _add_policy(b"<policymap>" + _RULE % (b"read|write", coder.encode()) + _END)
        elif not listed and coder not in _forbidden and libmagick.IsRightsAuthorized(_CODER, _READ, coder.encode()):
            _forbidden.add(coder)
            _add_policy(b"<policymap>" + _RULE % (b"none", coder.encode()) + _END)


def _add_policy(policy: bytes) -> None:
    """Add rules after all others."""
    from wand.api import libmagick  # noqa: PLC0415  # wand loads the library when it is imported

    libmagick.AcquireExceptionInfo.restype = ctypes.c_void_p
    ignored = ctypes.c_void_p(libmagick.AcquireExceptionInfo())
    libmagick.SetMagickSecurityPolicy(policy, ignored)
    libmagick.DestroyExceptionInfo(ignored)


def _restrict() -> None:
    """Add the rules of our last policy, and set the limits that never change."""
    from wand.resource import limits  # noqa: PLC0415  # wand loads the library when it is imported

    _add_policy(LAST_POLICY.read_bytes())
    for name, most in _FIXED_LIMITS.items():
        limits[name] = most
