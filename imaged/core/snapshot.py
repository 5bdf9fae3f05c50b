"""The state of the daemon at one moment, as values: for `/status.json`, the status page, alerts and metrics sinks.

Totals count from the start of the process. None stands for a figure that is unknown or does not apply. Times are in
seconds. `statuspage/status_json.py` writes these values as JSON, under names that are a promise to operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from imaged.core.charts import Charts, HitRatio, PerKind
from imaged.core.origin_status import OriginStatus
from imaged.core.pending_jobs import PendingErasures, PendingRenders, Uploads
from imaged.core.stall_status import Stalls

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Reload:
    """The outcome of a reload: `ok` when the new settings took effect, else the `errors` that prevented it."""

    at: datetime
    ok: bool
    errors: tuple[str, ...]


@dataclass(frozen=True)
class GenerationStatus:
    """The settings in effect: `number` is 1 at the start and grows with each reload, `config` names the file."""

    number: int
    loaded_at: datetime
    config: str
    last_reload: Reload | None


@dataclass(frozen=True)
class Requests:
    """Requests of the public port: those in flight, and all that have ended, by how they ended."""

    current: int
    total: int
    hits: int
    rendered: int
    coalesced: int
    refused: int
    failed: int
    left: int
    bytes: int
    hit_bytes: int
    made_bytes: int


@dataclass(frozen=True)
class RenderInFlight:
    """An output that a render thread makes now."""

    namespace: str
    hash: str
    output: str
    elapsed_s: float


@dataclass(frozen=True)
class WorkerStatus:
    """A worker process: what it does now, for how long, and what it has done.

    `memory_bytes` is what is resident, the pages that it shares with its template included.
    """

    pid: int | None
    age_s: float
    jobs: int
    memory_bytes: int | None
    doing: str | None
    doing_s: float | None


@dataclass(frozen=True)
class Isolation:
    """How renders are separated from the daemon: by `process`, or only by `thread`.

    `landlock_abi` is the version of Landlock in effect, 0 for none; `missing` has each measure that is not in effect,
    and why. They are None while no worker process has had a job, and where workers are threads.
    """

    kind: Literal["process", "thread"]
    landlock_abi: int | None
    seccomp: bool | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Processing:
    """Renders, the threads that drive them, and the worker processes that do them.

    `workers` are those of all configurations that still have requests; the rest is of the current one.
    `workers_fault` says why worker processes cannot be started. `worker_deaths` counts those that died in a job, by
    the cause of WorkerDied, and `recent_deaths` those of the last five minutes. `refused_pictures` are refused now,
    because they have ended a worker.
    """

    current: int
    waiting: int
    threads: int
    busy: int
    total: int
    failed: int
    items: tuple[RenderInFlight, ...]
    isolation: Isolation
    workers: tuple[WorkerStatus, ...]
    workers_fault: str | None
    worker_deaths: Mapping[str, int]
    recent_deaths: int
    refused_pictures: int


@dataclass(frozen=True)
class DownloadInFlight:
    """An original that comes from its source; `url` has no query, `bytes` have arrived."""

    url: str
    bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class Downloads:
    """Downloads of originals from their sources."""

    current: int
    total: int
    failed: int
    items: tuple[DownloadInFlight, ...]


@dataclass(frozen=True)
class Posting:
    """Posts of originals."""

    current: int
    total: int
    failed: int


@dataclass(frozen=True)
class Comparison:
    """The comparison of the local store with the remote one. While it is `unfinished`, `missing` may grow."""

    state: Literal["waiting", "running", "ended", "failed"]
    unfinished: bool
    since: datetime | None
    images: int
    missing: int


@dataclass(frozen=True)
class RemoteStatus:
    """The remote store: its `fault` while it does not work; no comparison where no remote store is set."""

    fault: str | None
    comparison: Comparison | None


@dataclass(frozen=True)
class QueueStatus:
    """The file of the job queue, and the space on its disk; `is_full` says whether its fault is a full disk."""

    fault: str | None
    free_bytes: int | None
    is_full: bool


@dataclass(frozen=True)
class RecentError:
    """A request or a job that ended with an error; `status` is that of the answer, or of the answer it would have."""

    at: datetime
    request: str
    request_id: str | None
    status: int
    error: str


@dataclass(frozen=True)
class SinkStatus:
    """One metrics sink: it received `recorded` events, raised for `failed` of them and missed the `lost` ones.

    `last_missed_s` is the time since it last failed for an event or missed one.
    """

    name: str
    recorded: int
    failed: int
    lost: int
    flushes_failed: int
    scrapes_failed: int
    last_missed_s: float | None
    fault: str | None


@dataclass(frozen=True)
class LogStatus:
    """The log: lines that could not be written, and why."""

    lost: int
    fault: str | None


@dataclass(frozen=True)
class Plugin:
    """A plugin in use; `kind` is processor, detector, uploader, purger or metrics, `detail` its own description."""

    name: str
    kind: str
    version: str
    detail: str


@dataclass(frozen=True)
class StoreStatus:
    """The local store. Its size may be some time old where the store is large.

    `occupied_bytes` is what it occupies on its disk, as far as that is known; imaged forgets outputs to keep it below
    `maximum_bytes`, and to keep `keep_free_bytes` free, where those are not 0. `refused_saves` are the outputs that had
    no room below these bounds. `bound_fault` says why it cannot be kept below them, or is None.
    `fault` says why it takes no files, or is the error of the last output that it was given and has not kept, or None.
    """

    path: str
    bytes: int
    files: int
    free_bytes: int | None
    fault: str | None
    is_full: bool
    is_read_only: bool
    occupied_bytes: int | None
    maximum_bytes: int
    keep_free_bytes: int
    forgotten_files: int
    forgotten_bytes: int
    refused_saves: int
    bound_fault: str | None


@dataclass(frozen=True)
class Alert:
    """A problem for the operator. The level is `error` when clients are or will soon be refused, else `warning`."""

    level: Level
    title: str
    text: str


@dataclass(frozen=True)
class Snapshot:
    """The daemon at one moment. `message` is the answer of the health check: OK, or the reason for its 503.

    `limits` counts what each of the LIMITS of clients has refused.
    """

    version: str
    message: str
    pid: int
    uptime_s: float
    generation: GenerationStatus
    requests: Requests
    limits: Mapping[str, int]
    processing: Processing
    downloads: Downloads
    posting: Posting
    uploads: Uploads
    remote: RemoteStatus
    origins: tuple[OriginStatus, ...]
    pending_renders: PendingRenders
    erasures: PendingErasures
    queue: QueueStatus
    hit_ratio: HitRatio
    rates_per_s: PerKind[float]
    history: Charts
    errors: tuple[RecentError, ...]
    metrics: tuple[SinkStatus, ...]
    log: LogStatus
    stalls: Stalls
    plugins: tuple[Plugin, ...]
    store: StoreStatus
    try_page: bool
    alerts: tuple[Alert, ...] = ()
