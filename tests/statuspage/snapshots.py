"""Snapshots for tests of everything that shows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from imaged.core.charts import Charts, HitRatio, PerKind
from imaged.core.clients import LIMITS
from imaged.core.origin_status import OriginStatus
from imaged.core.pending_jobs import Jobs, PendingErasures, PendingRenders, Uploads
from imaged.core.snapshot import (
    Alert,
    DownloadInFlight,
    Downloads,
    GenerationStatus,
    Isolation,
    LogStatus,
    Plugin,
    Posting,
    Processing,
    QueueStatus,
    RecentError,
    Reload,
    RemoteStatus,
    RenderInFlight,
    Requests,
    SinkStatus,
    Snapshot,
    StoreStatus,
    WorkerStatus,
)
from imaged.core.stall_status import Stalls

HASH = "f840ee339d264d4bab1b169a653b1a91"

QUIET = Snapshot(
    version="2.0",
    message="OK",
    pid=4242,
    uptime_s=12.345,
    generation=GenerationStatus(3, datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), "etc/imaged.yaml", None),
    requests=Requests(**dict.fromkeys((each.name for each in fields(Requests)), 0)),
    limits=dict.fromkeys(LIMITS, 0),
    processing=Processing(
        current=0,
        waiting=0,
        threads=2,
        busy=0,
        total=0,
        failed=0,
        items=(),
        isolation=Isolation("process", landlock_abi=7, seccomp=True, missing=()),
        workers=(),
        workers_fault=None,
        worker_deaths={},
        recent_deaths=0,
        refused_pictures=0,
    ),
    downloads=Downloads(current=0, total=0, failed=0, items=()),
    posting=Posting(current=0, total=0, failed=0),
    uploads=Uploads(current=0, jobs=Jobs(0, 0, None), total=0, failed=0),
    remote=RemoteStatus(fault=None, comparison=None),
    origins=(),
    pending_renders=PendingRenders(current=0, jobs=Jobs(0, 0, None)),
    erasures=PendingErasures(current=0, jobs=Jobs(0, 0, None), total=0),
    queue=QueueStatus(fault=None, free_bytes=80_000_000_000, is_full=False),
    rates_per_s=PerKind(**dict.fromkeys((each.name for each in fields(PerKind)), 0.0)),
    history=Charts(10.0, PerKind(**dict.fromkeys((each.name for each in fields(PerKind)), ()))),
    errors=(),
    metrics=(),
    log=LogStatus(lost=0, fault=None),
    stalls=Stalls(total=0, last=None, hanging=()),
    plugins=(),
    store=StoreStatus(
        path="/srv/public",
        bytes=1_234_567,
        files=12,
        free_bytes=80_000_000_000,
        fault=None,
        is_full=False,
        is_read_only=False,
        occupied_bytes=None,
        maximum_bytes=0,
        keep_free_bytes=0,
        forgotten_files=0,
        forgotten_bytes=0,
        refused_saves=0,
        bound_fault=None,
    ),
    hit_ratio=HitRatio(None, None, None, None),
    try_page=False,
)
"""A daemon that has done nothing yet."""

HOSTILE = "</td><script>alert('x')</script>&amp;\"'<img src=x onerror=alert(1)>\u202egpj.\u2066\u200f{{ 7 * 7 }}"
"""Text of an attacker: markup, a template's own syntax, and characters that turn the direction of what follows."""

SINK = SinkStatus("lines", 5, 0, 0, 0, 0, None, None)
"""A sink that works."""


def change(value: Any, changes: Mapping[str, Any]) -> Any:
    """Return a value of a snapshot with other attributes; a mapping changes some of the attribute's own."""
    written = {}
    for name, new in changes.items():
        old = getattr(value, name)
        written[name] = change(old, new) if isinstance(new, Mapping) and not isinstance(old, Mapping) else new
    return replace(value, **written)


def make_snapshot(**changes: Any) -> Snapshot:
    """Return the snapshot of a quiet daemon with some attributes changed."""
    changed: Snapshot = change(QUIET, changes)
    return changed


def make_reload(*errors: str) -> Reload:
    """Return the outcome of a reload that had these errors."""
    return Reload(datetime(2026, 1, 2, 4, 0, 0, 0, UTC), not errors, errors)


def make_busy(number: int = 6, text: str = "x300.jpg") -> Snapshot:
    """Return a snapshot with a value everywhere, `number` of each, and with `text` from outside."""
    points = [(7 * place) % 31 for place in range(90)]
    return make_snapshot(
        uptime_s=93_784.2,
        generation={"last_reload": make_reload(text, "b.yaml:2")},
        requests={"current": number, "total": 1_234_567, "hits": 1_200_000, "failed": 3, "bytes": 987_654_321},
        processing={
            "current": number,
            "busy": 1,
            "items": tuple(RenderInFlight("p", HASH, text, 0.25 * (place + 1)) for place in range(number)),
            "isolation": Isolation("process", 0, seccomp=True, missing=(f"Landlock: {text}",)),
            "workers": tuple(
                WorkerStatus(
                    4000 + place, 3600.5 * place, 12 * place, 61_234_567, *((text, 0.25) if place % 2 else (None, None))
                )
                for place in range(number)
            ),
            "worker_deaths": {"SIGSEGV": 1200, "late": 1},
            "recent_deaths": 3,
            "refused_pictures": 2,
        },
        downloads={
            "current": number,
            "items": tuple(DownloadInFlight(f"http://a/{text}", 5 + 8123 * place, 61.5) for place in range(number)),
        },
        uploads={"jobs": Jobs(7, 2, 4000.1)},
        remote={"fault": text},
        origins=tuple(OriginStatus(f"shop_{place}", 5000, 4000, 3, 2, 1, text) for place in range(number)),
        rates_per_s={"requests": 12.345, "hits": 0.004, "bytes": 123_456.7},
        history={"points": {"requests": points, "hits": points[:40], "bytes": [1000 * point for point in points]}},
        errors=tuple(
            RecentError(
                datetime(2026, 1, 2, 3, 4, place, 678_000, UTC),
                f"GET /{text}",
                None if place == 1 else f"id-{place}",
                502 if place % 2 else 404,
                text,
            )
            for place in range(min(number, 40))
        ),
        metrics=(SinkStatus("lines", 12_345, 2, 1, 3, 4, 5.0, text),),
        plugins=(Plugin("magick", "processor", "1", text),),
        try_page=True,
        alerts=(Alert("error", "Parked", text),),
    )
