"""What a call on a stack is called, and how much CPU time a thread has had."""

from __future__ import annotations

import os
import sys
import threading
import time
from threading import Thread
from types import CodeType, FrameType

_HAS_THREAD_CLOCKS = sys.platform == "linux"
_THREAD_CLOCK = 0b110
"""Linux has a clock for each thread: its number is the inverted thread id with these bits, per thread and CPU time
(`CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED` of `include/linux/posix-timers_types.h`), as the C library makes it."""


def native_id(thread: Thread) -> int | None:
    """Return the id that the system has for a thread, None where it has none.

    A fork gives the main thread another one, which Python up to 3.13 does not notice; on Linux it is the process's.
    """
    if sys.platform == "linux" and thread is threading.main_thread():
        return os.getpid()
    return thread.native_id


def cpu_time_ns(native_id: int | None) -> int | None:
    """Return the nanoseconds of CPU time of a thread of this process; None where that cannot be known.

    It reads a clock: no file is opened and no lock given up, so a thousand times cost a millisecond. A thread that
    has ended is no danger, which it would be to pthread_getcpuclockid(3).
    """
    if not _HAS_THREAD_CLOCKS or native_id is None:
        return None
    try:
        return time.clock_gettime_ns(~native_id << 3 | _THREAD_CLOCK)
    except OSError:  # it has ended
        return None


def module_of(frame: FrameType) -> str:
    """Return the name of the module that a frame's code belongs to."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else "?"


def function_name(module: str, code: CodeType) -> str:
    """Return the name of a function, its module and class included."""
    return f"{module}.{code.co_qualname}"


def place_of(frame: FrameType | None) -> str:
    """Return the function that a frame is in, with its file and line; a thread that runs none has no frame."""
    if frame is None:
        return "no Python code"
    code = frame.f_code
    return f"{function_name(module_of(frame), code)} ({code.co_filename}:{frame.f_lineno})"
