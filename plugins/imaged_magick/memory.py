"""Memory for pixels: what can never fit is refused for good, what may fit when others have ended is busy."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from wand.resource import limits
from wand.version import MAGICK_VERSION_NUMBER

from imaged.api import BusyError, TooLargeError

_IMAGEMAGICK_7 = 0x700
_LEAST_BYTES = 4 if MAGICK_VERSION_NUMBER >= _IMAGEMAGICK_7 else 8
"""What a pixel takes at least: version 7 keeps the channels that there are, four bytes each, version 6 four of two."""

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""The C library of GNU keeps what was freed between things in use, in a pool for each thread, until it is told."""


class NoMemoryError(BusyError):
    """ImageMagick had no memory left for pixels."""


class Renders:
    """The renders under way in this process: they share ImageMagick's memory, whatever generation they are of."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running = 0
        self._begun = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Run one; without memory, it is busy where another ran meanwhile, and too large where none did."""
        with self._lock:
            self._running += 1
            self._begun += 1
            number, alone = self._begun, self._running == 1
        try:
            yield
        except NoMemoryError as error:
            if alone and self._begun == number:
                size_mib = limits["memory"] >> 20
                raise TooLargeError(
                    f"this takes more than the {size_mib} MiB of memory that this server has for pixels: "
                    "send a smaller picture or ask for a smaller output"
                ) from error
            raise
        finally:
            with self._lock:
                self._running -= 1


@contextmanager
def given_back(*, heavy: bool) -> Iterator[None]:
    """Give freed memory back to the system after `heavy` work; it takes some 20 ms, and no lock of Python's."""
    try:
        yield
    finally:
        if heavy and _TRIM:
            _TRIM(0)


def check_memory(what: str, pixels: int) -> None:
    """Raise TooLargeError for a picture that would not fit if it were the only one."""
    if (size_bytes := pixels * _LEAST_BYTES) > (limit_bytes := limits["memory"]):
        raise TooLargeError(
            f"{what} would take {size_bytes >> 20} MiB of memory or more, but this server has {limit_bytes >> 20} MiB "
            "for pixels: send a smaller picture or ask for a smaller output"
        )
