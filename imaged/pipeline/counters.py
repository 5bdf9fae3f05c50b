"""Everything that is in flight, whatever generation it began in."""

from __future__ import annotations

from collections.abc import Callable

from imaged.core.activity import Activity
from imaged.pipeline.intake import Download
from imaged.pipeline.produce import Wanted


class Counters:
    """One activity for each kind of work; they count from the start of the process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.processing: Activity[Wanted] = Activity(clock)
        self.downloads: Activity[Download] = Activity(clock)
        self.posting: Activity[str] = Activity(clock)
        self.uploads: Activity[str] = Activity(clock)
