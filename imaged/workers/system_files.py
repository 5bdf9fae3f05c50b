"""The files of the machine that a codec reads: libraries, their configuration, Python's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SYSTEM = (
    # programs and libraries; where the system is not Debian, too
    "/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store",
    # the loader and the C library
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone", "/etc/locale.alias",
    "/etc/ssl/openssl.cnf", "/etc/mime.types",
    # the codecs
    "/etc/ImageMagick", "/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/fonts", "/var/cache/fontconfig",
    # the kernel
    "/dev/urandom", "/dev/random", "/dev/zero", "/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip
_IN_THE_ENVIRONMENT = ("MAGICK_HOME", "MAGICK_CONFIGURE_PATH", "MAGICK_CODER_MODULE_PATH", "LD_LIBRARY_PATH")
_PACKAGES = ("site-packages", "dist-packages")


@cache
def system_files() -> frozenset[Path]:
    """Return the files and folders, as of the first call. Some may not exist."""
    environment = (each for name in _IN_THE_ENVIRONMENT for each in os.environ.get(name, "").split(os.pathsep))
    found = {*_SYSTEM, *environment, *_python()}
    return frozenset(Path(each) for each in found if each.strip("/"))


def _python() -> Iterator[str]:
    """Yield Python, its packages, and the modules that are imported from elsewhere.

    A folder of `sys.path` that is no folder of packages is not readable as a whole: a checkout may hold the store.
    """
    whole = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    whole.update(each for each in sys.path if each.endswith(_PACKAGES))
    yield from whole
    inside = ("/usr/", *(f"{each}/" for each in whole))
    for name, module in list(sys.modules.items()):
        if "." not in name and name != "__main__":
            yield from (each for each in _files(module) if not each.startswith(inside))


def _files(module: object) -> Iterator[str]:
    """Yield the folders of a package, or the file of a module. Not by attribute, which may load a lazy module."""
    attributes = getattr(module, "__dict__", {})
    if folders := attributes.get("__path__"):
        yield from folders
    elif file := attributes.get("__file__"):
        yield file
