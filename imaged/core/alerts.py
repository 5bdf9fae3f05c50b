"""What an operator has to look at, and what to do about it: the top of the status page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ERROR, WARNING = "error", "warning"

LOW_DISK_BYTES = 1_000_000_000
"""Less than this is free for the store: a few hundred large originals, and no new picture can be kept."""

RECENT_S = 300.0
"""How long something that is over is still told."""


@dataclass(frozen=True)
class Alert:
    """One thing that is not as it should be. `level` is ERROR when something does not work, else WARNING."""

    level: str
    title: str
    text: str


def find_alerts(snapshot: Mapping[str, Any]) -> list[Alert]:
    """Return what is wrong by the figures of a snapshot, the gravest first."""
    return sorted(_alerts(snapshot), key=lambda alert: alert.level != ERROR)


def _alerts(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    message = snapshot["message"]
    if message == "draining":
        yield Alert(WARNING, "Draining", "What is in flight is finished, no more is taken.")
    elif message != "OK":
        yield Alert(ERROR, "Out of service", f"{message}: the health check answers 503. The log says why.")
    if fault := snapshot["remote"]["fault"]:
        yield Alert(ERROR, "Remote store away", f"Uploads wait for it: {fault}")
    if parked := snapshot["promised"]["parked"] + snapshot["uploads"]["parked"]:
        jobs = "1 job was" if parked == 1 else f"{parked:,} jobs were"
        yield Alert(ERROR, "Parked", f"{jobs} given up; “imaged queue list --parked” shows them.")
    last_reload = snapshot["generation"]["last_reload"]
    if last_reload and not last_reload["ok"]:
        yield Alert(ERROR, "Reload refused", "The settings stay as they were. The faults are under Settings.")
    if (free_bytes := snapshot["store"]["free_bytes"]) < LOW_DISK_BYTES:
        yield Alert(WARNING, "Low disk", f"{free_bytes // 1_000_000} MB are free for the store.")
    for sink in snapshot["metrics"]:
        missed_s = sink["last_missed_s"]
        if sink["fault"] or (missed_s is not None and missed_s < RECENT_S):
            missed = f"{sink['failed'] + sink['lost']:,} events missed since it was loaded"
            yield Alert(WARNING, "Metrics", f"{sink['name']}: {sink['fault'] or 'works again'}; {missed}")
