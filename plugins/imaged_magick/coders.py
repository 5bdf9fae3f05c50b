"""Find out which further formats libheif and ImageMagick read and write on this machine.

Run as a program, it prints that as JSON: the daemon asks a process of its own, so that it loads neither library.
Therefore this module imports nothing of imaged.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from functools import cache
from typing import Any

HEIF_NAMES = ("libheif.so.1", "libheif.1.dylib")
_AV1, _HEVC = 4, 1  # heif_compression_format
_CODERS = {"tiff": "TIFF", "bmp": "BMP", "jxl": "JXL"}
_WRITTEN = ("avif", "jxl")
"""The further formats that are written."""
_CODER_DOMAIN, _READ, _WRITE = 1, 1, 2
"""PolicyDomain and PolicyRights of policy.h, the same in ImageMagick 6 and 7."""
_TIMEOUT_S = 20

Found = dict[str, list[str]]
"""The extensions of the formats that are read, and of those that are written."""


@cache
def load_heif() -> Any:
    """Return libheif, with its plugins, which a confined process could not load; None where it is not installed."""
    for name in HEIF_NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if hasattr(library, "heif_init"):
            library.heif_init(None)
        return library
    return None


def find() -> Found:
    """Return what this process reads and writes. Loads the libraries; ImageMagick's policy has to be in force."""
    found: Found = {"reads": [], "writes": []}
    heif = load_heif()
    for name, codec in (("avif", _AV1), ("heic", _HEVC)):
        if heif and heif.heif_have_decoder_for_format(codec):
            found["reads"].append(name)
        if heif and name in _WRITTEN and heif.heif_have_encoder_for_format(codec):
            found["writes"].append(name)
    from wand.api import libmagick, library  # noqa: PLC0415 -- this loads ImageMagick

    library.MagickWandGenesis()
    for name in ("AcquireExceptionInfo", "GetMagickInfo", "GetImageDecoder", "GetImageEncoder"):
        getattr(libmagick, name).restype = ctypes.c_void_p
    ignored = ctypes.c_void_p(libmagick.AcquireExceptionInfo())
    for name, coder in _CODERS.items():
        address = libmagick.GetMagickInfo(coder.encode(), ignored)
        if not address:
            continue
        info = ctypes.c_void_p(address)
        for kind, right, function in (("reads", _READ, "GetImageDecoder"), ("writes", _WRITE, "GetImageEncoder")):
            allowed = libmagick.IsRightsAuthorized(_CODER_DOMAIN, right, coder.encode())
            if allowed and getattr(libmagick, function)(info) and (kind == "reads" or name in _WRITTEN):
                found[kind].append(name)
    return found


@cache
def ask() -> Found:
    """Return what another process finds. An answer stays until this process ends."""
    command = [sys.executable, "-I", __file__]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603 -- our own program
        found: Found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {"reads": [], "writes": []}
    return found


if __name__ == "__main__":
    print(json.dumps(find()))  # noqa: T201 -- the answer
