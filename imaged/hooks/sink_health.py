"""The health of one metrics sink: its counters, its present faults, and the log lines about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, Literal

from twisted.logger import Logger

from imaged.core.snapshot import SinkStatus
from imaged.hooks.boundary import under_way

LOG_EVERY_S = 60.0
"""How often a failing sink gets a line in the log, however often it fails."""

HANGS_AFTER_S = 15.0
"""How long one call may take before the sink counts as hanging: a slow server may need this long."""

Task = Literal["record", "flush", "expose", "queue", "thread"]
"""What a sink can fail at; a fault ends when the same task succeeds."""


class SinkHealth:
    """Counts the successes and failures of the sink `name`. Any thread. `clock` is the reactor's."""

    _log = Logger()

    def __init__(self, name: str, clock: Any) -> None:
        self._name = name
        self._clock = clock
        self._lock = RLock()  # the reactor and the sink's thread both count
        self._recorded = self._lost = 0
        self._failures: Counter[Task] = Counter()
        self._missed_at_s: float | None = None
        self._call: tuple[str, float] | None = None
        self._faults: dict[Task, str] = {}
        self._logged_at_s: float | None = None
        self._logged_fault = False

    @property
    def status(self) -> SinkStatus:
        """The figures now."""
        with self._lock:
            missed_at_s = self._missed_at_s
            return SinkStatus(
                self._name,
                self._recorded,
                self._failures["record"],
                self._lost,
                self._failures["flush"],
                self._failures["expose"],
                None if missed_at_s is None else round(self._clock.seconds() - missed_at_s, 3),
                next(iter(self._faults.values()), self._hang()),
            )

    @contextmanager
    def calling(self, method: str) -> Iterator[None]:
        """Take the time of a call of the sink: one that lasts HANGS_AFTER_S is a fault until it returns."""
        self._call = method, self._clock.seconds()
        try:
            with under_way(f"metrics sink {self._name}: {method}", HANGS_AFTER_S):
                yield
        finally:
            self._call = None

    def records(self, fault: str | None) -> None:
        """Count an event that the sink got; `fault` is what it raised, None if it raised nothing."""
        with self._lock:
            self._recorded += 1
            if fault is None:
                self.works("record")
            else:
                self._missed_at_s = self._clock.seconds()
                self.fails("record", fault)

    def loses(self, fault: str | None) -> None:
        """Count an event that does not reach the sink; `fault` is None if the sink has ended."""
        with self._lock:
            self._lost += 1
            if fault is not None:
                self._missed_at_s = self._clock.seconds()
                self._faults["queue"] = fault
                self._log_fault("metrics sink {sink} {fault}, more are lost to it", fault)

    def fails(self, task: Literal["record", "flush", "expose", "thread"], fault: str) -> None:
        """Count a failure."""
        with self._lock:
            self._failures[task] += 1
            self._faults[task] = fault
            self._log_fault(
                "metrics sink {sink} fails: {fault}; {failed} failures since the last start or reload", fault
            )

    def works(self, task: Task) -> None:
        """Note that the sink has done `task`; the log gets a line when no fault is left."""
        with self._lock:
            if self._faults.pop(task, None) is not None and not self._faults and self._logged_fault:
                self._logged_fault = False
                self._log.info("metrics sink {sink} works again", sink=self._name)

    def _hang(self) -> str | None:
        call = self._call
        if call is None or (for_s := self._clock.seconds() - call[1]) < HANGS_AFTER_S:
            return None
        return f"hangs: {call[0]} has not returned for {for_s:.0f} s"

    def _log_fault(self, format: str, fault: str) -> None:
        now_s = self._clock.seconds()
        if self._logged_at_s is None or now_s - self._logged_at_s >= LOG_EVERY_S:
            self._logged_at_s = now_s
            self._logged_fault = True
            self._log.error(format, sink=self._name, fault=fault, failed=self._failures.total())
