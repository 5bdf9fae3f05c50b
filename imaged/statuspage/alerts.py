"""What an operator has to look at, and what to do about it: the top of the status page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ERROR, WARNING = "error", "warning"

LOW_DISK_BYTES = 2 * 1024**3
"""Less than this is free for the store: several hundred large originals, and no new picture can be kept."""

LOW_STATE_BYTES = 256 * 1024**2
"""Less than this is free for the job queue. It needs a tenth of that at most, but shares its disk with logs mostly."""

NAMED_RENDERS = 3
"""How many renders an alert names: the page lists them all."""

RECENT_S = 300.0
"""How long something that is over is still told."""


@dataclass(frozen=True)
class Alert:
    """One thing that is not as it should be.

    `level` is ERROR when clients are refused or will be soon, else WARNING: what the alert rules of Prometheus call
    critical and warning.
    """

    level: str
    title: str
    text: str


def find_alerts(snapshot: Mapping[str, Any]) -> list[Alert]:
    """Return what is wrong by the figures of a snapshot, the gravest first."""
    return sorted(_alerts(snapshot), key=lambda alert: alert.level != ERROR)


def _alerts(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    yield from _of_service(snapshot)
    yield from _of_work(snapshot)
    yield from _of_disks(snapshot)
    yield from _of_lookout(snapshot)
    yield from _of_stalls(snapshot)


def _of_service(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    message = snapshot["message"]
    if message == "draining":
        yield Alert(WARNING, "Draining", f"What is in flight is finished, no more is taken.{_waited_for(snapshot)}")
    elif message != "OK":
        yield Alert(ERROR, "Out of service", f"{message}: the health check answers 503. The log says why.")
    last_reload = snapshot["generation"]["last_reload"]
    if last_reload and not last_reload["ok"]:
        yield Alert(WARNING, "Reload refused", "The settings stay as they were. The faults are under Settings.")


def _waited_for(snapshot: Mapping[str, Any]) -> str:
    """Name the renders that a process waits for which leaves, the oldest first: one may never end."""
    items = snapshot["processing"]["items"]
    named = [f"{each['output']} of {each['namespace']}/{each['hash']} ({each['elapsed_s']:.0f} s)" for each in items]
    more = f" and {len(named) - NAMED_RENDERS} more" if len(named) > NAMED_RENDERS else ""
    return f" It waits for {', '.join(named[:NAMED_RENDERS])}{more}." if named else ""


def _of_work(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    if fault := snapshot["remote"]["fault"]:
        yield Alert(ERROR, "Remote store away", f"Uploads wait, and posts are answered 503: {fault}")
    if fault := snapshot["queue"]["fault"]:
        yield Alert(ERROR, "Job queue", f"Nothing can be promised, and what was promised waits: {fault}")
    if parked := (snapshot["promised"]["parked"] or 0) + (snapshot["uploads"]["parked"] or 0):
        jobs = "1 job was" if parked == 1 else f"{parked:,} jobs were"
        yield Alert(WARNING, "Parked", f"{jobs} given up; “imaged queue list --parked” shows them.")


def _of_disks(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    if (free_bytes := snapshot["store"]["free_bytes"]) < LOW_DISK_BYTES:
        yield Alert(ERROR, "Low disk", f"{free_bytes // 1024**2} MiB are free for the store.")
    free_bytes = snapshot["queue"]["free_bytes"]
    if free_bytes is not None and free_bytes < LOW_STATE_BYTES:
        yield Alert(ERROR, "Low state disk", f"{free_bytes // 1024**2} MiB are free for the job queue.")


def _of_lookout(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    if fault := snapshot["log"]["fault"]:
        yield Alert(WARNING, "Log", f"Lines of the log are lost, {snapshot['log']['lost']:,} by now: {fault}")
    for sink in snapshot["metrics"]:
        missed_s = sink["last_missed_s"]
        if sink["fault"] or (missed_s is not None and missed_s < RECENT_S):
            missed = f"{sink['failed'] + sink['lost']:,} events missed since it was loaded"
            yield Alert(WARNING, "Metrics", f"{sink['name']}: {sink['fault'] or 'works again'}; {missed}")


def _of_stalls(snapshot: Mapping[str, Any]) -> Iterator[Alert]:
    last = snapshot["stalls"]["last"]
    if last and last["ago_s"] < RECENT_S:
        ago = f"for {last['held_s']:.1f} s, {last['ago_s']:.0f} s ago"
        yield Alert(WARNING, "Reactor held up", f"Nobody was answered {ago}: {last['by']}. The log has the stack.")
    for hang in snapshot["stalls"]["hanging"]:
        yield Alert(WARNING, "Plugin hangs", f"{hang['call']}, for {hang['elapsed_s']:.0f} s, in {hang['at']}")
