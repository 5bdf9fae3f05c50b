"""A point in time after which ImageMagick's work is called off, in the middle of an operation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wand.cdefs.magick_image import MagickProgressMonitor

from imaged.api import OutOfTimeError

from .magickwand import set_image_progress_monitor, set_progress_monitor


class Deadline:
    """Ends `timeout_s` seconds after it is made. Whoever worked under it must `check` afterwards.

    With `interrupts`, ImageMagick's progress monitor asks about once a row whether to go on; when the answer is no it
    stops there, sometimes with an error and sometimes as if all were well. What does not ask, such as a change of
    colours by formulas or the colours of a GIF, is begun only when there is time for what it costs. Each
    question takes Python's global lock, and each core would ask some 15,000 times a second: two threads lose 5 %, four
    on two cores 10 %. So small work, which is over in a moment, is let run to the end of its step.
    """

    def __init__(self, timeout_s: float, *, interrupts: bool) -> None:
        self.timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s
        self._monitor = MagickProgressMonitor(self._go_on if interrupts else 0)

    def watch(self, wand: Any) -> None:
        """Have a wand's work, and that of all that is cloned from it, called off in time.

        C keeps only the address of the monitor: this object must outlive the wand.
        """
        if self._monitor:
            set_progress_monitor(wand, self._monitor, None)

    def _go_on(self, _what: bytes, _done: int, _all: int, _data: object) -> bool:
        return time.monotonic() < self._end_s

    @contextmanager
    def unwatched(self, wand: Any) -> Iterator[None]:
        """Ask no questions during an operation that would ask for each pixel. `check` beforehand that there is time."""
        set_image_progress_monitor(wand, MagickProgressMonitor(0), None)
        yield
        set_image_progress_monitor(wand, self._monitor, None)

    def check(self, needed_s: float = 0) -> None:
        """Raise OutOfTimeError when it is too late, or when what comes next takes longer than the time that is left."""
        if time.monotonic() + needed_s >= self._end_s:
            raise OutOfTimeError(
                f"rendering takes longer than {self.timeout_s:.3g} s: ask for a smaller output, or later"
            )
