"""How much work was done in each interval of a while, and what share of the outputs needed none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class PerKind(Generic[T]):
    """One value for each kind of work, most of which the charts show.

    `made` outputs were rendered, or coalesced with a render; `hits` had been made before.
    """

    requests: T
    hits: T
    renders: T
    downloads: T
    uploads: T
    refused: T
    failed: T
    bytes: T
    made: T
    hit_bytes: T
    made_bytes: T


@dataclass(frozen=True)
class HitRatio:
    """The share of outputs that had been made before, 0.0 to 1.0, by requests and by bytes sent.

    The first two are of the whole time, the others of the last quarter of an hour. None before the first output.
    """

    requests: float | None
    bytes: float | None
    recent_requests: float | None
    recent_bytes: float | None


@dataclass(frozen=True)
class Charts:
    """The work of the last quarter of an hour: `points` count it in intervals of `interval_s`, the oldest first."""

    interval_s: float
    points: PerKind[Sequence[int]]
