"""What has failed a moment ago: the same error again, without the work that would lead to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import copy
from typing import Generic, TypeVar

from imaged.core.errors import ImagedError

K = TypeVar("K", bound=Hashable)

MOST_REFUSALS = 10_000
"""How many keys are kept. Beyond that, the oldest is forgotten."""


class Refusals(Generic[K]):
    """The last errors, each by its key, for a time. `seconds` is a monotonic clock. Reactor thread only.

    Copies are kept and returned: an error that was raised holds the frames that it passed, and all that they refer to.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._kept: dict[K, tuple[float, ImagedError]] = {}

    def add(self, key: K, error: ImagedError, lasts_s: float) -> None:
        """Keep an error, in place of an older one of its key."""
        self._kept.pop(key, None)
        if len(self._kept) >= MOST_REFUSALS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = self._seconds() + lasts_s, copy(error)

    def forget(self, key: K) -> None:
        """Forget the error of a key, if there is one."""
        self._kept.pop(key, None)

    def find(self, key: K) -> ImagedError | None:
        """Return the error of a key while it lasts."""
        until_s, error = self._kept.get(key, (0.0, None))
        if error is not None and self._seconds() >= until_s:
            del self._kept[key]
            return None
        return copy(error)
