"""A point in time after which ImageMagick's work is called off, in the middle of an operation."""

from __future__ import annotations

import time

from wand.cdefs.magick_image import MagickProgressMonitor

from imaged.api import BusyError


class Deadline:
    """Ends `timeout_s` seconds after it is made.

    ImageMagick asks its progress monitor about once a row; when the answer is no it stops there, sometimes with an
    error and sometimes as if all were well. Whoever called it must therefore `check` afterwards. Only the writer of
    PNG does not listen, and ends what it has begun.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s
        self.monitor = MagickProgressMonitor(self._go_on)  # C keeps only its address: we keep it alive

    def _go_on(self, _what: bytes, _done: int, _all: int, _data: object) -> bool:
        return time.monotonic() < self._end_s

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() >= self._end_s

    def check(self) -> None:
        """Raise BusyError when it is too late."""
        if self.passed:
            raise BusyError(f"rendering took longer than {self.timeout_s:g} s: ask again later")
