"""Counts work in flight and work done, across generations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from imaged.core.activity import Activity
from imaged.core.charts import PerKind
from imaged.core.clients import LIMITS
from imaged.core.traffic import Traffic
from imaged.core.worker_deaths import WorkerDeaths
from imaged.fetch.budget import Budget, Reservation
from imaged.fetch.hashing_writer import Download
from imaged.pipeline.origin_tallies import OriginTallies
from imaged.pipeline.store_bound import StoreBound
from imaged.pipeline.store_health import StoreHealth
from imaged.workers.render_jobs import ImageOutput


class Counters:
    """One activity for each kind of work, counted from the start of the process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.requests = Traffic()
        self.limits = Counter(dict.fromkeys(LIMITS, 0))
        self.incoming = Budget(clock)
        self.processing: Activity[ImageOutput] = Activity(clock)
        self.downloads: Activity[Download] = Activity(clock)
        self.posting: Activity[str] = Activity(clock)
        self.saves = StoreHealth(clock)
        self.bound = StoreBound(lambda: self.incoming.used_bytes, lambda: self.saves.wanted_free_bytes)
        self.uploads: Activity[str] = Activity(clock)
        self.worker_deaths = WorkerDeaths(clock)
        self.origins = OriginTallies()

    def reserve(self, folder: Path, maximum_bytes: int, announced_bytes: int = 0) -> Reservation:
        """Begin to count an original that comes in below `folder`, in the store.

        Raises BusyError or DiskFullError when the announced bytes have no room.
        """
        return self.incoming.reserve(maximum_bytes, self.bound.room_bytes(folder), announced_bytes)

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
            made=self.requests.rendered + self.requests.coalesced,
            hit_bytes=self.requests.hit_bytes,
            made_bytes=self.requests.made_bytes,
        )
