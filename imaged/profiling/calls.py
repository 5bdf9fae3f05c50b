"""Names the calls on a stack, and reads the CPU time of a thread."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from threading import Thread
from types import CodeType, FrameType

_HAS_THREAD_CLOCKS = sys.platform == "linux"
_THREAD_CLOCK = 0b110
"""Linux has a clock for each thread: its number is the inverted thread id with these bits, per thread and CPU time
(`CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED` of `include/linux/posix-timers_types.h`), as the C library makes it."""


def native_id(thread: Thread) -> int | None:
    """Return the kernel's id of a thread, or None where it has none.

    A fork changes the id of the main thread, which Python up to 3.13 does not notice; on Linux it is the process id.
    """
    if sys.platform == "linux" and thread is threading.main_thread():
        return os.getpid()
    return thread.native_id


def cpu_time_ns(native_id: int | None) -> int | None:
    """Return the CPU time of a thread of this process in nanoseconds, or None where the system does not tell.

    The function reads a clock, opens no file and keeps Python's lock: a thousand calls take a millisecond. A thread
    that has ended is safe to ask for, unlike with pthread_getcpuclockid(3).
    """
    if not _HAS_THREAD_CLOCKS or native_id is None:
        return None
    try:
        return time.clock_gettime_ns(~native_id << 3 | _THREAD_CLOCK)
    except OSError:  # the thread has ended
        return None


def module_of(frame: FrameType) -> str:
    """Return the name of the module of a frame's code."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else "?"


def function_name(module: str, code: CodeType) -> str:
    """Return the name of a function with its module and class."""
    return f"{module}.{code.co_qualname}"


def stack_lines(frame: FrameType | None, deepest: int) -> Iterator[str]:
    """Yield a line of text for each of the `deepest` innermost calls on a stack, and no value of a variable."""
    if frame is None:
        yield f"    {place_of(frame)}"
    for _ in range(deepest):
        if frame is None:
            return
        yield f"    {place_of(frame)}"
        frame = frame.f_back
    yield "    …"


def place_of(frame: FrameType | None) -> str:
    """Return the function of a frame with its file and line; a thread without Python code has no frame."""
    if frame is None:
        return "no Python code"
    code = frame.f_code
    return f"{function_name(module_of(frame), code)} ({code.co_filename}:{frame.f_lineno})"
