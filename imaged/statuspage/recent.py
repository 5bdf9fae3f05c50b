"""What went wrong of late, for the status page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime

KEPT = 20
"""How many errors of each kind are kept: refusals are many, and must not push out what is our own fault."""

_OURS = 500


@dataclass(frozen=True)
class RecentError:
    """A request, or a job of the queue, that ended with an error. `status` is what its answer has or would have."""

    at: datetime
    request: str
    request_id: str | None
    status: int
    error: str


class RecentErrors:
    """The last KEPT refusals (4xx) and the last KEPT failures (5xx). Reactor thread only."""

    def __init__(self) -> None:
        self._refusals: deque[RecentError] = deque(maxlen=KEPT)
        self._failures: deque[RecentError] = deque(maxlen=KEPT)

    def add(self, error: RecentError) -> None:
        """Take note of `error`."""
        (self._failures if error.status >= _OURS else self._refusals).append(error)

    @property
    def newest_first(self) -> list[RecentError]:
        """All that are kept."""
        return sorted([*self._refusals, *self._failures], key=lambda error: error.at, reverse=True)
