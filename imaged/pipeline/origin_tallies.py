"""Counts what origins answer, and decides what the log says of their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARN_EVERY_S = 60.0
"""How often the log says that one origin fails: it may fail for some paths alone, and answer for others."""


@dataclass
class OriginTally:
    """What OriginStatus says of an origin."""

    fetched: int = 0
    unchanged: int = 0
    missing: int = 0
    failed: int = 0
    stale: int = 0
    fault: str | None = None


class OriginTallies:
    """The tallies of origins, by their names, across generations."""

    def __init__(self) -> None:
        self._by_name: dict[str, OriginTally] = {}
        self._warned_s: dict[str, float] = {}
        self._logged: set[str] = set()

    def of(self, name: str) -> OriginTally:
        """Return the tally of an origin of the settings."""
        return self._by_name.setdefault(name, OriginTally())

    def failed(self, name: str, fault: str, now_s: float) -> bool:
        """Note an error at a time of a monotonic clock; return whether the log should have it."""
        tally = self.of(name)
        tally.failed += 1
        tally.fault = fault
        if name in self._logged or now_s - self._warned_s.get(name, -math.inf) < WARN_EVERY_S:
            return False
        self._warned_s[name] = now_s
        self._logged.add(name)
        return True

    def answered(self, name: str) -> bool:
        """Note an answer; return whether the log should have it: it says that the origin fails."""
        self.of(name).fault = None
        if name not in self._logged:
            return False
        self._logged.remove(name)
        return True
