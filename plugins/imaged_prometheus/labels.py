"""Bounds the values of labels: each value is a time series, and clients may send any name."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock

NONE = "none"
"""The label of a missing value, such as the format of a request for no output."""

OTHER = "other"
"""The label that all values without their own share."""

OUTCOMES = {"hit": "hit", "rendered": "rendered", "coalesced": "joined"}
"""The label of each outcome. The third keeps the text that dashboards query."""


class FewLabels:
    """Gives the first `maximum` admitted values labels of their own, for good. Any thread."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._admitted: set[str] = set()
        self._always: set[str] = set()
        self._lock = Lock()

    def label(self, value: str | None, *, admit: bool = True, always: Collection[str] = ()) -> str:
        """Return the label of `value`.

        A value that is or was in `always` has its own label and does not count towards the maximum. Another value gets
        a label when it is admitted while there is room.
        """
        if value is None:
            return NONE
        with self._lock:
            if value in always:
                self._always.add(value)
            if value in self._always:
                return value
            if admit and len(self._admitted) < self._maximum:
                self._admitted.add(value)
            return value if value in self._admitted else OTHER
