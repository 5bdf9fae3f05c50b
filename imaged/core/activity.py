"""What is in flight, since when, and what has been done: the figures of the status page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Running(Generic[Item]):
    """One item in flight and for how long it has been."""

    item: Item
    elapsed_s: float


class Activity(Generic[Item]):
    """Counts one kind of work. `clock` returns seconds and never goes back. Not thread-safe: reactor thread only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[object, tuple[Item, float]] = {}
        self.total = 0
        self.failed = 0

    @property
    def current(self) -> int:
        """How many are in flight."""
        return len(self._running)

    @contextmanager
    def track(self, item: Item) -> Iterator[None]:
        """Count `item` as in flight while the block runs, then as done, and as failed when the block raises."""
        token = object()
        self._running[token] = (item, self._clock())
        try:
            yield
        except BaseException:
            self.failed += 1
            raise
        finally:
            del self._running[token]
            self.total += 1

    def running(self) -> list[Running[Item]]:
        """Return what is in flight, the oldest first."""
        now_s = self._clock()
        return [Running(item, now_s - since_s) for item, since_s in self._running.values()]
