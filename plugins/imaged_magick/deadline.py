"""The time limit of a render, which can interrupt ImageMagick in the middle of an operation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_void_p
from typing import Any

from wand.api import library
from wand.cdefs.magick_image import MagickProgressMonitor

from imaged.api import OutOfTimeError

library.MagickSetProgressMonitor.argtypes = [c_void_p, MagickProgressMonitor, c_void_p]  # not declared by Wand


class Deadline:
    """Passes `timeout_s` seconds after it is made. Callers must `check` it after each operation.

    With `interrupts`, ImageMagick calls a progress monitor about once a row and stops when the deadline has passed,
    sometimes with an error and sometimes with a partial result and none. Operations that do not call it, such as
    colour conversion by formulas or remapping to a palette, start only when `check` finds enough time for them.

    The monitor takes the GIL, some 15,000 times a second on each core: two threads lose 5 %, four on two cores 10 %.
    So short renders leave `interrupts` off.
    """

    def __init__(self, timeout_s: float, *, interrupts: bool) -> None:
        self.timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s
        self._monitor = MagickProgressMonitor(self._may_continue if interrupts else 0)

    def watch(self, wand: Any) -> None:
        """Interrupt operations on a wand, and on its clones, when the deadline has passed.

        C keeps only the address of the monitor, so this object must outlive the wand.
        """
        if self._monitor:
            library.MagickSetProgressMonitor(wand, self._monitor, None)

    def _may_continue(self, _what: bytes, _done: int, _all: int, _data: object) -> bool:
        return time.monotonic() < self._end_s

    @contextmanager
    def uninterrupted(self, wand: Any) -> Iterator[None]:
        """Switch the monitor off in an operation that calls it for each pixel. Call `check` with its time first."""
        library.MagickSetImageProgressMonitor(wand, MagickProgressMonitor(0), None)
        yield
        library.MagickSetImageProgressMonitor(wand, self._monitor, None)

    def check(self, needed_s: float = 0) -> None:
        """Raise OutOfTimeError when the deadline has passed, or would pass within `needed_s` seconds."""
        if time.monotonic() + needed_s >= self._end_s:
            raise OutOfTimeError(
                f"rendering takes longer than {self.timeout_s:.3g} s: request a smaller output, or try again later"
            )
