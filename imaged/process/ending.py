"""End this process in time, without unloading what a thread still uses."""

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
"""How long the interpreter may take to end: it joins the threads of plugins, and calls their `atexit` functions."""


def end(status: int) -> NoReturn:
    """Flush the standard streams, and end this process with `status`.

    While a thread still works, skip the end of the interpreter, and with it the `atexit` functions of plugins: it would
    free ImageMagick under a running render, and SIGSEGV would end the process. imaged registers no such function.
    """
    end_within(LAST_S, status, lambda: None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if unfinished():
        os._exit(status)
    sys.exit(status)


def end_within(within_s: float, status: int, tell: Callable[[], object]) -> None:
    """Call `tell` after `within_s` seconds, if the process still runs, and end it with `status` half a second later.

    Each has a thread of its own: a plugin may block the reactor thread, and a full pipe may block `tell`.
    """
    for after_s, act, arguments in ((within_s, tell, ()), (within_s + 0.5, os._exit, (status,))):
        timer = Timer(after_s, act, arguments)
        timer.daemon = True
        timer.start()


def place() -> str:
    """Return the innermost function of the main thread, with file and line. Any thread."""
    frames = sys._current_frames()  # noqa: SLF001  # documented, in spite of its name
    return place_of(frames.get(threading.main_thread().ident or 0))
