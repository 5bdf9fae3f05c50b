"""The totals of each interval, kept until carbon has them and a while longer.

Carbon keeps the last value of a metric and an interval. So the sink sends the whole total of an interval each time that
it has grown; a total that is sent twice counts once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from imaged.api import Counted, Event, Tally

MAXIMUM_SLOTS = 360
"""How many intervals are kept while carbon is away: an hour of 10 seconds each. The oldest are dropped."""

REMEMBERED = 30
"""How many intervals are kept that carbon has: it may lose them until it has written them to its disk."""


@dataclass(frozen=True)
class Slot:
    """The totals of the interval that began at `began_s`, seconds since 1970; `version` grows with each event."""

    began_s: int
    version: int
    counted: Counted


class Slots:
    """Totals of intervals of `interval_s` seconds. `now` is the wall clock, in seconds since 1970. Any thread.

    The process before this one may have sent totals of the interval in which this one starts, and other totals would
    replace them. So events until the end of that interval are counted in the next.
    """

    def __init__(self, interval_s: int, now: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._now = now
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._shared_s = self._began_s()
        self.dropped = 0
        """How many intervals were dropped before carbon had them."""

    def record(self, event: Event) -> None:
        """Count `event` in the present interval."""
        if not Tally.counts(event):
            return
        with self._lock:
            began_s = self._began_s()
            if began_s == self._shared_s:
                began_s += self._interval_s
            if began_s not in self._open:
                self._make_room()
                self._open[began_s] = _Open()
            self._open[began_s].tally.record(event)
            self._open[began_s].version += 1

    def changed(self) -> list[Slot]:
        """Return the intervals whose present totals carbon does not have, oldest first."""
        with self._lock:
            return [
                Slot(began_s, each.version, each.tally.counted)
                for began_s, each in sorted(self._open.items())
                if each.sent < each.version
            ]

    def sent(self, slot: Slot) -> None:
        """Note that carbon has `slot`."""
        with self._lock:
            if slot.began_s in self._open:
                each = self._open[slot.began_s]
                each.sent = max(each.sent, slot.version)

    def resend_all(self) -> None:
        """Mark every kept interval as not sent: carbon may have lost it, or have older totals."""
        with self._lock:
            for each in self._open.values():
                each.sent = 0

    def _began_s(self) -> int:
        return int(self._now() // self._interval_s) * self._interval_s

    def _make_room(self) -> None:
        """Drop the oldest intervals, those that carbon has first."""
        told = sorted(began_s for began_s, each in self._open.items() if each.sent == each.version)
        for began_s in told[: max(0, len(told) - REMEMBERED)]:
            del self._open[began_s]
        for began_s in sorted(self._open)[: max(0, len(self._open) + 1 - MAXIMUM_SLOTS)]:
            forgotten = self._open.pop(began_s)
            self.dropped += forgotten.sent < forgotten.version


@dataclass
class _Open:
    """One interval: its tally, its version, and the version that carbon has."""

    tally: Tally = field(default_factory=lambda: Tally(0, random.randrange))
    version: int = 0
    sent: int = 0
