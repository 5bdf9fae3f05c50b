"""Counts of work in flight and done, for the status page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Running(Generic[Item]):
    """One item in flight, and how long it has run."""

    item: Item
    elapsed_s: float


class Activity(Generic[Item]):
    """Counts one kind of work. `clock` returns monotonic seconds. Reactor thread only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[object, tuple[Item, float]] = {}
        self.total = 0
        self.failed = 0

    @property
    def current(self) -> int:
        """The number of items in flight."""
        return len(self._running)

    def begin(self, item: Item) -> object:
        """Count `item` as in flight from now; return the token that ends it."""
        token = object()
        self._running[token] = (item, self._clock())
        return token

    def end(self, token: object, *, failed: bool = False) -> float:
        """Count the item of a token as done, or as failed; return how many seconds it took."""
        _, since_s = self._running.pop(token)
        self.total += 1
        self.failed += failed
        return self._clock() - since_s

    def drop(self, token: object) -> None:
        """Count the item of a token no more: it was neither done nor has it failed."""
        del self._running[token]

    @contextmanager
    def track(self, item: Item) -> Iterator[None]:
        """Count `item` as in flight while the block runs, then as done, or as failed when the block raises."""
        token = self.begin(item)
        try:
            yield
        except BaseException:
            self.end(token, failed=True)
            raise
        self.end(token)

    def running(self) -> list[Running[Item]]:
        """Return the items in flight, the oldest first."""
        now_s = self._clock()
        return [Running(item, round(now_s - since_s, 3)) for item, since_s in self._running.values()]
