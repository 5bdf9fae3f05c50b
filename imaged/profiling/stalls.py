"""Detects blocking calls on the reactor thread, and overdue calls into plugins, from a thread of its own.

Four times a second, the thread asks the reactor for an answer. When no answer comes for about a second, the stack of
the reactor's thread shows the call that blocks it. The reactor itself measures nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from types import FrameType
from typing import Any

from twisted.logger import Logger

from imaged.core.stall_status import Hang, Stall, Stalls
from imaged.hooks.boundary import Call, calls
from imaged.profiling.calls import place_of, stack_lines

LOOK_EVERY_S = 0.25

HELD_S = 1.0
"""How long the main thread is blocked before a line is logged. Up to LOOK_EVERY_S of the beginning may be missed."""

DEEPEST = 30
"""How many calls of a stack the log gets."""


class StallWatch:
    """Watches one reactor. `seconds` is a monotonic clock, `cpu_s` returns the CPU time of this process.

    Create it on the reactor thread, call `look` on one thread, and read the results on any.
    """

    _log = Logger()

    def __init__(self, reactor: Any, seconds: Callable[[], float], cpu_s: Callable[[], float]) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._cpu_s = cpu_s
        self._reactor_thread = threading.get_ident()
        self._end = Event()
        self._thread: Thread | None = None
        self._asked_s = seconds()
        self._answered_s: float | None = self._asked_s
        self._held_by: str | None = None
        self._looked_s, self._looked_cpu_s = seconds(), cpu_s()
        self._overdue: dict[Call, str] = {}
        self._total = 0
        self._last: Stall | None = None
        self._last_ended_s = 0.0

    def start(self) -> None:
        """Begin to watch."""
        self._thread = Thread(target=self._watch, name="stall watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(1.0)

    @property
    def status(self) -> Stalls:
        """The stalls and the overdue calls, for the status page."""
        now_s, last = self._seconds(), self._last
        return Stalls(
            self._total,
            last and replace(last, ago_s=round(max(0.0, now_s - self._last_ended_s), 3)),
            tuple(Hang(call.name, at, round(now_s - call.began_s, 3)) for call, at in self._overdue.copy().items()),
        )

    def look(self) -> None:
        """Look once at the answer of the reactor and at the calls in progress."""
        now_s, cpu_s = self._seconds(), self._cpu_s()
        late_s, used_s = now_s - self._looked_s - LOOK_EVERY_S, cpu_s - self._looked_cpu_s
        self._looked_s, self._looked_cpu_s = now_s, cpu_s
        frames = sys._current_frames()  # noqa: SLF001  # documented despite the underscore
        if late_s >= HELD_S / 2 and self._held_by is None:
            self._overslept(now_s, late_s, used_s)
        else:
            self._look_at_reactor(now_s, frames)
        self._look_at_calls(now_s, frames)

    def _watch(self) -> None:
        while not self._end.wait(LOOK_EVERY_S):
            self.look()

    def _look_at_reactor(self, now_s: float, frames: dict[int, FrameType]) -> None:
        if self._answered_s is None:
            if self._held_by is None and now_s - self._asked_s >= HELD_S - LOOK_EVERY_S:
                frame = frames.get(self._reactor_thread)
                self._held_by = self._name(frame)
                self._log.warn(
                    "the main thread (event loop) is blocked by {by}, so no request is answered:\n{stack}",
                    by=self._held_by,
                    stack="\n".join(stack_lines(frame, DEEPEST)),
                )
            return
        held_s = self._answered_s - self._asked_s
        if self._held_by is not None or held_s >= HELD_S:
            self._ended(self._held_by or "a call that ended before its stack was read", held_s, self._answered_s)
        self._held_by = None
        self._ask(now_s)

    def _overslept(self, now_s: float, late_s: float, used_s: float) -> None:
        """Explain a time in which this thread could not run: code kept Python's lock, or the process was stopped."""
        if used_s >= late_s / 2:
            named = sorted({call.name for call in calls()})
            whose = f"; in progress: {', '.join(named)}" if named else ""
            by = f"code that keeps Python's lock, such as a C extension{whose}"
            if late_s + LOOK_EVERY_S >= HELD_S:
                self._log.warn("the main thread (event loop) was blocked by {by}", by=by)
                self._ended(by, late_s + LOOK_EVERY_S, now_s)
        self._ask(now_s)  # the answer to the last question is late for the same reason

    def _ask(self, now_s: float) -> None:
        self._asked_s, self._answered_s = now_s, None
        self._reactor.callFromThread(self._answer, now_s)

    def _answer(self, asked_s: float) -> None:
        if asked_s == self._asked_s:
            self._answered_s = self._seconds()

    def _ended(self, by: str, held_s: float, ended_s: float) -> None:
        self._total += 1
        self._last, self._last_ended_s = Stall(by, round(held_s, 3), ago_s=0.0), ended_s
        self._log.warn("the main thread (event loop) was blocked for {held_s:.1f} s by {by}", held_s=held_s, by=by)

    def _name(self, frame: FrameType | None) -> str:
        whose = [call.name for call in calls() if call.thread == self._reactor_thread]
        return ", ".join([*whose[-1:], place_of(frame)])

    def _look_at_calls(self, now_s: float, frames: dict[int, FrameType]) -> None:
        here = [call for call in calls() if call.thread != self._reactor_thread and now_s >= call.due_s]
        for call in here:
            if call not in self._overdue:
                frame = frames.get(call.thread)
                self._overdue[call] = place_of(frame)
                self._log.warn(
                    "{call} has not returned for {elapsed_s:.0f} s:\n{stack}",
                    call=call.name,
                    elapsed_s=now_s - call.began_s,
                    stack="\n".join(stack_lines(frame, DEEPEST)),
                )
        for call in self._overdue.keys() - set(here):
            del self._overdue[call]
            elapsed_s = now_s - call.began_s
            self._log.info("{call} returned after {elapsed_s:.0f} s", call=call.name, elapsed_s=elapsed_s)
