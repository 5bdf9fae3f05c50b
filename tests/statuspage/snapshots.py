"""Snapshots as the status port gives them, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HASH = "f840ee339d264d4bab1b169a653b1a91"

QUIET: Mapping[str, Any] = {
    "version": "2.0",
    "message": "OK",
    "pid": 4242,
    "uptime_s": 12.345,
    "generation": {
        "number": 3,
        "loaded_at": "2026-01-02T03:04:05.678+00:00",
        "config": "etc/imaged.yaml",
        "last_reload": None,
    },
    "requests": {
        "current": 0,
        "total": 0,
        "hits": 0,
        "rendered": 0,
        "joined": 0,
        "refused": 0,
        "failed": 0,
        "left": 0,
        "bytes": 0,
    },
    "processing": {"current": 0, "waiting": 0, "threads": 2, "busy": 0, "total": 0, "failed": 0, "items": []},
    "downloads": {"current": 0, "total": 0, "failed": 0, "items": []},
    "posting": {"current": 0, "total": 0, "failed": 0},
    "uploads": {"current": 0, "queued": 0, "parked": 0, "oldest_s": None, "total": 0, "failed": 0},
    "remote": {"fault": None, "comparison": None},
    "promised": {"current": 0, "queued": 0, "parked": 0, "oldest_s": None},
    "queue": {"fault": None, "free_bytes": 80_000_000_000},
    "rates_per_s": dict.fromkeys(("requests", "hits", "renders", "downloads", "uploads", "failed", "bytes"), 0.0),
    "history": {"interval_s": 10.0, "requests": [], "hits": [], "renders": [], "failed": [], "bytes": []},
    "errors": [],
    "metrics": [],
    "log": {"lost": 0, "fault": None},
    "stalls": {"total": 0, "last": None, "hanging": []},
    "plugins": [],
    "store": {"path": "/srv/public", "bytes": 1_234_567, "files": 12, "free_bytes": 80_000_000_000},
    "try_page": False,
    "alerts": [],
}
"""A daemon that has done nothing yet."""

HOSTILE = "</td><script>alert('x')</script>&amp;\"'<img src=x onerror=alert(1)>"
"""What somebody hopes to see run on the page."""


def make_snapshot(**changes: Any) -> dict[str, Any]:
    """Return a snapshot of a quiet daemon with some keys of some sections changed."""
    snapshot = {**QUIET, **{key: value for key, value in changes.items() if not isinstance(value, Mapping)}}
    return snapshot | {key: {**QUIET[key], **value} for key, value in changes.items() if isinstance(value, Mapping)}


def make_busy(number: int = 6, text: str = "x300.jpg") -> dict[str, Any]:
    """Return a snapshot in which there is something everywhere, `number` of each, with `text` from outside."""
    many = range(number)
    points = [(7 * place) % 31 for place in range(90)]
    return make_snapshot(
        uptime_s=93_784.2,
        generation={"last_reload": {"at": "2026-01-02T04:00:00.000+00:00", "ok": False, "errors": [text, "b.yaml:2"]}},
        requests={"current": number, "total": 1_234_567, "hits": 1_200_000, "failed": 3, "bytes": 987_654_321},
        processing={
            "current": number,
            "busy": 1,
            "items": [
                {"namespace": "p", "hash": HASH, "output": text, "elapsed_s": 0.25 * (place + 1)} for place in many
            ],
        },
        downloads={
            "current": number,
            "items": [{"url": f"http://a/{text}", "bytes": 5 + 8123 * place, "elapsed_s": 61.5} for place in many],
        },
        uploads={"queued": 7, "parked": 2, "oldest_s": 4000.1},
        remote={"fault": text},
        rates_per_s={"requests": 12.345, "hits": 0.004, "bytes": 123_456.7},
        history={"requests": points, "hits": points[:40], "bytes": [1000 * point for point in points]},
        errors=[
            {
                "at": f"2026-01-02T03:04:{place:02}.678+00:00",
                "request": f"GET /{text}",
                "request_id": None if place == 1 else f"id-{place}",
                "status": 502 if place % 2 else 404,
                "error": text,
            }
            for place in range(min(number, 40))
        ],
        metrics=[
            {
                "name": "lines",
                "recorded": 12_345,
                "failed": 2,
                "lost": 1,
                "flushes_failed": 3,
                "scrapes_failed": 4,
                "last_missed_s": 5.0,
                "fault": text,
            }
        ],
        plugins=[{"name": "magick", "kind": "processor", "version": "1", "detail": text}],
        try_page=True,
        alerts=[{"level": "error", "title": "Parked", "text": text}],
    )
