"""What the parts of one pipeline share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imaged.config.model import Settings
from imaged.core.formats import Formats
from imaged.hooks.host import RunInThread
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.counters import Counters
from imaged.pipeline.erasures import Erasures
from imaged.pipeline.originals_in_use import OriginalsInUse
from imaged.store.local import LocalStore
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.tasks import Tasks


@dataclass(frozen=True, repr=False, eq=False)
class Shared:
    """What each part of the pipeline of one generation may use. Reactor thread only.

    `run` runs blocking work on a worker thread. `tasks` owns work that continues when its caller has left. `locks` are
    held on an image or a remote key; they outlive the generation, as `jobs`, `counters`, `erasures` and `in_use` do.
    """

    settings: Settings
    formats: Formats
    store: LocalStore
    reactor: Any
    run: RunInThread
    jobs: AsyncJobQueue
    counters: Counters
    erasures: Erasures
    locks: KeyedLocks
    in_use: OriginalsInUse
    metrics: Metrics
    tasks: Tasks
