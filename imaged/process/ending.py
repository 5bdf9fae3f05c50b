"""The end of this process, which comes in time and unloads nothing that a thread still uses."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from typing import NoReturn

from imaged.profiling.calls import place_of
from imaged.workers.threads import unfinished

LAST_S = 3.0
"""How long the interpreter may take to end: it waits for threads of plugins, and calls what they have registered."""


def end(status: int) -> NoReturn:
    """End this process with `status`, as soon as the standard streams have taken what was written to them.

    Where a thread still works, nothing that it uses is taken away from it: the interpreter at its end would have
    ImageMagick freed under a render, which ends the process by SIGSEGV. What is registered with `atexit` is not called
    then. Nothing of ours is: all that has to be kept or told has been by now.
    """
    end_within(LAST_S, status, lambda: None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if unfinished():
        os._exit(status)
    sys.exit(status)


def end_within(within_s: float, status: int, tell: Callable[[], object]) -> None:
    """End this process with `status` at once when it still runs after `within_s` seconds, and `tell` just before.

    The reactor's thread may be held up by a plugin then, and `tell` be held up in turn: so each has a thread.
    """
    for after_s, act, arguments in ((within_s, tell, ()), (within_s + 0.5, os._exit, (status,))):
        timer = Timer(after_s, act, arguments)
        timer.daemon = True
        timer.start()


def place() -> str:
    """Say where the main thread is: its innermost function, with file and line. Any thread."""
    frames = sys._current_frames()  # noqa: SLF001  # documented all the same
    return place_of(frames.get(threading.main_thread().ident or 0))
