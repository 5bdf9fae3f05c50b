"""A leased, swappable reference: new work takes the new value, old work keeps the one it began with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Generation(Generic[T]):
    """One value, its number (1 is the first) and how many leases hold it. Not thread-safe: reactor thread only."""

    def __init__(self, number: int, value: T) -> None:
        self.number = number
        self.value = value
        self.leases = 0
        self._on_drained: Callable[[Generation[T]], None] | None = None

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Hold the value for as long as the block runs."""
        self.leases += 1
        try:
            yield self.value
        finally:
            self.leases -= 1
            self._tell_when_drained()

    def retire(self, on_drained: Callable[[Generation[T]], None]) -> None:
        """Call `on_drained` once, as soon as no lease is left: at once if there is none."""
        self._on_drained = on_drained
        self._tell_when_drained()

    def _tell_when_drained(self) -> None:
        if self.leases == 0 and self._on_drained is not None:
            on_drained, self._on_drained = self._on_drained, None
            on_drained(self)


class Generations(Generic[T]):
    """The current generation, and the one assignment that replaces it."""

    def __init__(self, value: T) -> None:
        self.current = Generation(1, value)

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Hold the value that is current now, whatever comes after."""
        with self.current.lease() as value:
            yield value

    def swap(self, value: T, on_drained: Callable[[Generation[T]], None]) -> None:
        """Make `value` current; `on_drained` is called with the old generation after its last lease."""
        old, self.current = self.current, Generation(self.current.number + 1, value)
        old.retire(on_drained)
