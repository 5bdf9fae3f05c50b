"""Counts work in flight and work done, across generations."""

from __future__ import annotations

from collections.abc import Callable

from imaged.core.activity import Activity
from imaged.core.snapshot import PerKind
from imaged.core.traffic import Traffic
from imaged.core.worker_deaths import WorkerDeaths
from imaged.fetch.budget import Budget
from imaged.fetch.hashing_writer import Download
from imaged.workers.render_jobs import ImageOutput


class Counters:
    """One activity for each kind of work, counted from the start of the process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.requests = Traffic()
        self.incoming = Budget(clock)
        self.processing: Activity[ImageOutput] = Activity(clock)
        self.downloads: Activity[Download] = Activity(clock)
        self.posting: Activity[str] = Activity(clock)
        self.uploads: Activity[str] = Activity(clock)
        self.worker_deaths = WorkerDeaths(clock)

    def totals(self) -> PerKind[int]:
        """Return the totals that the charts of the status page show."""
        return PerKind(
            requests=self.requests.total,
            hits=self.requests.hits,
            renders=self.processing.total,
            downloads=self.downloads.total,
            uploads=self.uploads.total,
            refused=self.requests.refused,
            failed=self.requests.failed,
            bytes=self.requests.bytes,
        )
