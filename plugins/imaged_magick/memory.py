"""The memory for pixels: too little for ever is "too large", too little at the moment is "busy"."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from wand.resource import limits
from wand.version import MAGICK_VERSION_NUMBER

from imaged.api import BusyError, TooLargeError

from .environment import allow_coders

_IMAGEMAGICK_7 = 0x700
_PIXEL_BYTES = 4 if MAGICK_VERSION_NUMBER >= _IMAGEMAGICK_7 else 8
"""The least memory for a pixel: version 7 allocates four bytes for each channel that exists, version 6 four of two."""

_SPARE_PIXELS = 4_000_000
"""Twice as many as a sheet of small pictures has, on which palettes are found."""

_MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""glibc keeps freed memory that lies below allocated memory, in an arena for each thread, until this is called."""

_MALLOPT = getattr(ctypes.CDLL(None), "mallopt", None)
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, in malloc.h
_LARGEST_HEAP_BLOCK_BYTES = 2**25  # the most that glibc takes

_KEPT_BYTES = 2**26
"""How much this process may grow before a heavy job trims the heap. To trim it after each photograph costs 3 ms of a
render of 40 ms, for the page faults of the next one."""


def _resident_bytes() -> int | None:
    """Return the resident memory of this process, or None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


_LOADED_BYTES = _resident_bytes()
"""The resident memory when the plugin was loaded."""


def _has_grown() -> bool:
    now_bytes = _resident_bytes()
    return now_bytes is None or _LOADED_BYTES is None or now_bytes - _LOADED_BYTES > _KEPT_BYTES


class NoMemoryError(BusyError):
    """ImageMagick had no memory left for pixels."""


class RunningRenders:
    """Counts the renders that run in this process: all generations share ImageMagick's memory. Any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running = 0
        self._started = 0

    @contextmanager
    def track(self) -> Iterator[None]:
        """Count one render. NoMemoryError passes if another render ran meanwhile, and else becomes TooLargeError."""
        with self._lock:
            self._running += 1
            self._started += 1
            number, alone = self._started, self._running == 1
        try:
            yield
        except NoMemoryError as error:
            if alone and self._started == number:
                size_mib = limits["memory"] >> 20
                raise TooLargeError(
                    f"this takes more than the {size_mib} MiB of memory that this server has for pixels: "
                    "send a smaller picture or request a smaller output"
                ) from error
            raise
        finally:
            with self._lock:
                self._running -= 1


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep the memory of one render for the next one. Otherwise each page of it is faulted in again.

    glibc would give memory back once twice the largest block is free, and all pictures of a render together have more.
    """
    if _MALLOPT:
        _MALLOPT(_MMAP_THRESHOLD, _LARGEST_HEAP_BLOCK_BYTES)
        _MALLOPT(_TRIM_THRESHOLD, _KEPT_BYTES)


@contextmanager
def trim_heap(*, heavy: bool) -> Iterator[None]:
    """Return freed memory to the system after `heavy` work, if the process has grown much.

    This takes some 20 ms and does not hold the GIL.
    """
    _keep_freed_memory()
    try:
        yield
    finally:
        if heavy and _MALLOC_TRIM and _has_grown():
            _MALLOC_TRIM(0)


@dataclass(frozen=True)
class Limits:
    """ImageMagick's limits that depend on the settings: the memory of all pixels, and the pixels of one picture.

    `open_formats` are the extensions of the further formats whose coders are open.
    """

    memory_bytes: int
    area_pixels: int
    open_formats: frozenset[str] = frozenset()

    def apply(self) -> None:
        """Set the limits of this process. Each job calls this: a reload may change them, or fail."""
        allow_coders(self.open_formats)
        limits["memory"] = self.memory_bytes
        limits["area"] = self.area_pixels


def make_limits(memory_bytes: int, maximum_pixels: int, open_formats: Iterable[str] = ()) -> Limits:
    """Return the limits for renders that may have that many pixels.

    Their pictures are checked before ImageMagick gets them. The area is larger, so that it refuses only what has more
    pixels than its header says: a resize makes a picture between two sizes, and small pictures share a sheet.
    """
    return Limits(memory_bytes, 2 * maximum_pixels + _SPARE_PIXELS, frozenset(open_formats))


def check_memory(what: str, pixels: int) -> None:
    """Raise TooLargeError for a picture that would not fit into memory alone."""
    if (size_bytes := pixels * _PIXEL_BYTES) > (limit_bytes := limits["memory"]):
        raise TooLargeError(
            f"{what} would take {size_bytes >> 20} MiB of memory or more, but this server has {limit_bytes >> 20} MiB "
            "for pixels: send a smaller picture or request a smaller output"
        )
