"""Counts and timings of events, by the names that dashboards of image-server 1.x read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imaged.core.events import (
    Event,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputRendered,
    RequestFailed,
    Uploaded,
)

_COUNTED = (OutputRendered, OriginalDownloaded, OriginalUnavailable, Uploaded)


@dataclass(frozen=True)
class Timing:
    """How long `count` events of one kind took, in milliseconds; `kept_ms` is a uniform sample."""

    count: int
    total_ms: float
    upper_ms: float
    kept_ms: tuple[float, ...]

    @property
    def mean_ms(self) -> float:
        """The mean of all `count`."""
        return self.total_ms / self.count

    @property
    def rate(self) -> float:
        """The share of them in the sample, 0 to 1."""
        return len(self.kept_ms) / self.count


@dataclass(frozen=True)
class Counted:
    """The content of a tally at one moment, by metric name."""

    counts: Mapping[str, int]
    timings: Mapping[str, Timing]


class Tally:
    """Counts events, and samples at most `maximum_kept` timings of each kind.

    `choose(n)` returns a random whole number from 0 to `n` - 1. One thread at a time.
    """

    def __init__(self, maximum_kept: int, choose: Callable[[int], int]) -> None:
        self._maximum_kept = maximum_kept
        self._choose = choose
        self._counts: Counter[str] = Counter()
        self._timings: dict[str, _Durations] = {}

    def record(self, event: Event) -> None:
        """Count `event` if its kind has a metric."""
        match event:
            case OutputRendered():
                self._count("image_request", event.extension)
                self._time("render_time", event.elapsed_s)
            case RequestFailed(route="output"):
                self._count("image_request_fail", event.extension)
            case OriginalDownloaded():
                self._count("original_downloaded")
                self._time("download_time", event.elapsed_s)
            case OriginalUnavailable():
                self._count("original_unavailable")
            case Uploaded():
                self._count("file_uploaded")
                self._time("upload_time", event.elapsed_s)

    @staticmethod
    def counts(event: Event) -> bool:
        """Return whether the kind of `event` has a metric. Most events have none, such as those of stored outputs."""
        return isinstance(event, _COUNTED) or (isinstance(event, RequestFailed) and event.route == "output")

    @property
    def empty(self) -> bool:
        """Whether the tally is empty."""
        return not self._counts

    @property
    def counted(self) -> Counted:
        """The counts and timings so far, by name."""
        timings = {name: each.timing for name, each in sorted(self._timings.items())}
        return Counted(dict(sorted(self._counts.items())), timings)

    def take(self) -> Counted:
        """Return the counts and timings, and reset them."""
        counted = self.counted
        self._counts, self._timings = Counter(), {}
        return counted

    def _count(self, name: str, extension: str | None = None) -> None:
        self._counts[name] += 1
        if extension:
            self._counts[f"{name}.{extension}"] += 1

    def _time(self, name: str, elapsed_s: float) -> None:
        if name not in self._timings:
            self._timings[name] = _Durations(self._maximum_kept, self._choose)
        self._timings[name].add(1000 * elapsed_s)


class _Durations:
    def __init__(self, maximum_kept: int, choose: Callable[[int], int]) -> None:
        self._maximum_kept = maximum_kept
        self._choose = choose
        self._kept_ms: list[float] = []
        self._count = 0
        self._total_ms = self._upper_ms = 0.0

    def add(self, elapsed_ms: float) -> None:
        """Sample a duration by algorithm R (J. Vitter, "Random Sampling with a Reservoir", 1985)."""
        self._count += 1
        self._total_ms += elapsed_ms
        self._upper_ms = max(self._upper_ms, elapsed_ms)
        if len(self._kept_ms) < self._maximum_kept:
            self._kept_ms.append(elapsed_ms)
        elif self._maximum_kept and (place := self._choose(self._count)) < self._maximum_kept:
            self._kept_ms[place] = elapsed_ms

    @property
    def timing(self) -> Timing:
        return Timing(self._count, self._total_ms, self._upper_ms, tuple(self._kept_ms))
