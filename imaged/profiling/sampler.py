"""Samples the stacks of all threads a hundred times a second, with the CPU time that each has used since."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from threading import Event
from types import CodeType, FrameType
from typing import NamedTuple

from imaged.profiling.calls import function_name, module_of, native_id
from imaged.profiling.pprof import Frame, Profile, Sample, Unit

PERIOD_NS = 10_000_000
"""A hundred samples a second, as in Go."""

DEEPEST = 256
"""How many calls of a stack are kept, counted from the innermost."""

UNITS = (Unit("samples", "count"), Unit("cpu", "nanoseconds"), Unit("wall", "nanoseconds"))

Stack = tuple[int, ...]
"""A stack from its innermost call: the `id` of each code object and the offset of the current instruction in it."""


class Seen(NamedTuple):
    """A thread at the last look."""

    cpu_ns: int | None
    stack: Stack


class Sampler:
    """Sums up time by stack. `cpu_time_ns` reads the CPU time of a thread by its native id.

    Use it on one thread, which it leaves out. Like other sampling profilers, it charges the time since the last look to
    the current stack: wall time, and the CPU time that the thread has used.
    """

    def __init__(self, cpu_time_ns: Callable[[int | None], int | None]) -> None:
        self._cpu_time_ns = cpu_time_ns
        self._codes: dict[int, tuple[CodeType, str]] = {}  # a reference keeps the id unique
        self._weights: dict[tuple[str, Stack], list[int]] = {}
        self._seen: dict[int, Seen] = {}
        self._looked_at_ns: int | None = None

    def look(self, now_ns: int) -> None:
        """Look at all threads; `now_ns` is the time of a monotonic clock. The first look only sets the baseline."""
        first = self._looked_at_ns is None
        wall_ns = now_ns - (now_ns if self._looked_at_ns is None else self._looked_at_ns)
        own = threading.get_ident()
        threads = {each.ident: each for each in threading.enumerate()}
        seen: dict[int, Seen] = {}
        for ident, frame in sys._current_frames().items():  # noqa: SLF001  # documented despite the underscore
            if ident == own:
                continue
            thread = threads.get(ident)
            before = self._seen.get(ident)
            cpu_ns = self._cpu_time_ns(native_id(thread) if thread else None)
            rested = before is not None and cpu_ns is not None and before.cpu_ns == cpu_ns
            now = seen[ident] = before if before and rested else Seen(cpu_ns, self._stack(frame))
            if not first:
                name = thread.name if thread else "unknown to Python"
                weight = self._weights.setdefault((name, now.stack), [0, 0, 0])
                spent_ns = (cpu_ns or 0) - ((before and before.cpu_ns) or 0)
                weight[0] += 1
                weight[1] += max(0, spent_ns)
                weight[2] += wall_ns
        self._seen = seen
        self._looked_at_ns = now_ns

    def samples(self) -> Iterator[Sample]:
        """Yield the sums."""
        frames: dict[tuple[int, int], Frame] = {}
        for (thread, stack), weight in self._weights.items():
            calls = zip(stack[::2], stack[1::2], strict=True)
            named = tuple(frames.get(call) or frames.setdefault(call, self._frame(*call)) for call in calls)
            yield Sample(named, tuple(weight), thread)

    def _stack(self, frame: FrameType | None) -> Stack:
        calls: list[int] = []
        while frame is not None and len(calls) < 2 * DEEPEST:
            code = frame.f_code
            calls += (id(code), frame.f_lasti)  # comparing code objects and finding lines is slow: later
            if id(code) not in self._codes:
                self._codes[id(code)] = (code, module_of(frame))
            frame = frame.f_back
        return tuple(calls)

    def _frame(self, code_id: int, offset: int) -> Frame:
        code, module = self._codes[code_id]
        first = code.co_firstlineno
        line = next((line for start, end, line in code.co_lines() if start <= offset < end and line), first)
        return Frame(function_name(module, code), code.co_filename, line, first)


def sample(
    duration_ns: int,
    stop: Event,
    monotonic_ns: Callable[[], int],
    time_ns: Callable[[], int],
    cpu_time_ns: Callable[[int | None], int | None],
) -> Profile:
    """Return a profile of all other threads over `duration_ns`, or until `stop` is set. Blocks.

    `monotonic_ns` is a monotonic clock, `time_ns` the time since 1970. A late look is not repeated; its stack is
    charged with the whole time since the look before.
    """
    sampler = Sampler(cpu_time_ns)
    began_at_ns, began_ns = time_ns(), monotonic_ns()
    sampler.look(began_ns)
    due_ns = now_ns = began_ns
    while now_ns - began_ns < duration_ns:
        due_ns = max(due_ns + PERIOD_NS, now_ns)
        if stop.wait((due_ns - now_ns) / 1e9):
            break
        now_ns = monotonic_ns()
        sampler.look(now_ns)
    return Profile(
        units=UNITS,
        default="cpu",
        samples=sampler.samples(),
        period_unit=UNITS[1],
        period=PERIOD_NS,
        time_ns=began_at_ns,
        duration_ns=now_ns - began_ns,
    )
