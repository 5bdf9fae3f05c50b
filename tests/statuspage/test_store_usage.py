"""The size of the store on the status page: counted on a thread, and never waited for longer than a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.config.model import StoreSettings
from imaged.pipeline.store_bound import StoreBound
from imaged.statuspage.store_usage import QUICK_S, REST, StoreUsage
from imaged.store.usage import Usage


class Counts:
    """A store of `files` files, whose counts end when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bound = StoreBound()
        self.usage = StoreUsage(self._run, self.clock, self.bound)
        self.files = 0
        self._running: list[Deferred[Usage]] = []

    def _run(self, *_: Any, **__: Any) -> Any:
        self._running.append(Deferred())
        return self._running[-1]

    def begin(self) -> list[int]:
        """Begin a snapshot; return the list that will hold its number of files."""
        seen: list[int] = []
        Deferred.fromCoroutine(self.usage.now(Path("store"))).addCallback(lambda usage: seen.append(usage.files))
        return seen

    def end(self, after_s: float = 0) -> None:
        """End a count."""
        self.clock.advance(after_s)
        self._running.pop().callback(Usage(self.files, 0))

    def counted(self, took_s: float) -> None:
        """Count once, in so many seconds."""
        self.begin()
        self.end(after_s=took_s)


def test_a_small_store_is_counted_for_each_snapshot() -> None:
    """The first one does not wait, because nothing is known about the store."""
    counts = Counts()
    assert counts.begin() == [0]
    counts.end(after_s=QUICK_S)
    counts.files = 5
    seen = counts.begin()
    assert seen == []
    counts.end()
    assert seen == [5]


def test_a_snapshot_does_not_wait_for_busy_threads() -> None:
    """It has the last result; the count continues for the next one."""
    counts = Counts()
    counts.counted(QUICK_S)
    counts.files = 5
    seen = counts.begin()
    counts.clock.advance(QUICK_S)
    assert seen == [0]
    assert counts.begin() == [0], "one count runs already"
    counts.end(after_s=1)
    assert counts.begin() == [5]


def test_a_large_store_is_counted_from_time_to_time() -> None:
    """No snapshot waits for that."""
    counts = Counts()
    counts.files = 5
    counts.counted(10)
    assert counts.begin() == [5]
    assert counts._running == []
    counts.clock.advance(REST * 10)
    counts.files = 6
    assert counts.begin() == [5]
    counts.end(after_s=10)
    assert counts.begin() == [6]


def test_a_store_with_a_bound_is_not_counted_again() -> None:
    """The count of the bound serves the status page, too; before it has ended, there is none."""
    counts = Counts()
    counts.bound.follow(StoreSettings(maximum_bytes=1 << 20), Path("store"))
    assert counts.begin() == [0]
    counts.bound.size.usage = Usage(7, 0)
    assert counts.begin() == [7]
    assert counts._running == []
