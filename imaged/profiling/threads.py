"""Writes the stacks of all threads as text: code and names, and no value of any variable."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from threading import Thread

from imaged.profiling.calls import native_id, stack_lines
from imaged.profiling.sampler import DEEPEST


def describe(reactor_ident: int, cpu_time_ns: Callable[[int | None], int | None]) -> str:
    """Return every thread with its stack, innermost call first. The reactor's thread is first, the caller's left out.

    `cpu_time_ns` reads the CPU time of a thread by its native id.
    """
    own = threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001  # documented despite the underscore
    threads = [each for each in threading.enumerate() if each.ident != own]
    threads.sort(key=lambda each: (each.ident != reactor_ident, each.name))
    unknown = frames.keys() - {each.ident for each in threads} - {own}
    lines = [f"{len(threads) + len(unknown)} threads, besides the one that lists them"]
    for each in threads:
        lines += [
            "",
            _head(each, reactor_ident, cpu_time_ns(native_id(each))),
            *stack_lines(frames.get(each.ident or 0), DEEPEST),
        ]
    for ident in unknown:
        lines += ["", "a thread that Python did not start", *stack_lines(frames.get(ident), DEEPEST)]
    return "\n".join([*lines, ""])


def _head(thread: Thread, reactor_ident: int, cpu_ns: int | None) -> str:
    reactor = " (the reactor)" if thread.ident == reactor_ident else ""
    kind = "daemon" if thread.daemon else "no daemon"
    spent = "unknown" if cpu_ns is None else f"{cpu_ns / 1e9:.3f} s"
    return f'"{thread.name}"{reactor}, native id {native_id(thread)}, {kind}, CPU time {spent}'
