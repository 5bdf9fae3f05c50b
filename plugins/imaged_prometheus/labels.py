"""Values of labels, of which there are only so many: each is a time series, and clients may ask for anything."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from threading import Lock

from imaged.api import FORMATS

NONE = "none"
"""Where there is nothing to tell, such as the format of a request that asks for none."""

OTHER = "other"
"""What all values share that have no label of their own."""

CLIENT_LEFT = 499
"""What stands for the status of a client that left before its answer had ended."""

ROUTES = frozenset({"output", "original", "info", "post", "process", "status_check"})
OUTCOMES = frozenset({"hit", "rendered", "joined"})
STATUSES = frozenset({*map(int, HTTPStatus), CLIENT_LEFT})


def route_label(route: str) -> str:
    """Return the label of a route."""
    return route if route in ROUTES else OTHER


def outcome_label(outcome: str | None) -> str:
    """Return the label of what says where an output came from."""
    return outcome if outcome in OUTCOMES and outcome is not None else NONE


def status_label(status: int) -> str:
    """Return the label of an HTTP status."""
    return str(status) if status in STATUSES else OTHER


def format_label(extension: str | None) -> str:
    """Return the label of a format, which is its extension."""
    return extension if extension in FORMATS and extension is not None else NONE


class FewLabels:
    """Gives the first `maximum` values that are admitted a label of their own, and keeps it for them. Any thread."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._admitted: set[str] = set()
        self._always: set[str] = set()
        self._lock = Lock()

    def label(self, value: str | None, *, admit: bool = True, always: Collection[str] = ()) -> str:
        """Return the label of `value`.

        One that is or was in `always` has its own and takes no other's place; any other gets one when it is admitted
        and there is room.
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
