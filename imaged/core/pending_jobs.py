"""What the job queue holds, as values of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Jobs:
    """The jobs of one kind in the queue; `failed` ones wait for an operator, `oldest_s` is the age of the others."""

    queued: int | None
    failed: int | None
    oldest_s: float | None


@dataclass(frozen=True)
class Uploads:
    """Uploads to the remote store: `failed` counts attempts, most of which are repeated; `jobs` are in the queue."""

    current: int
    jobs: Jobs
    total: int
    failed: int


@dataclass(frozen=True)
class PendingErasures:
    """Erasures: how many jobs run and wait that remove the rest of erased pictures; `total` counts the pictures."""

    current: int | None
    jobs: Jobs
    total: int


@dataclass(frozen=True)
class PendingRenders:
    """Renders that the queue holds: `current` run now."""

    current: int | None
    jobs: Jobs
