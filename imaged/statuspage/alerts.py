"""Finds the problems that an operator has to look at: the top of the status page."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.core.snapshot import Alert, Snapshot
from imaged.core.worker_deaths import RECENT_S as RECENT_DEATHS_S

LOW_DISK_BYTES = 2 * 1024**3
"""Free bytes for the store below which it is nearly full: room for several hundred large originals."""

LOW_STATE_BYTES = 256 * 1024**2
"""Free bytes for the job queue below which its disk is nearly full. Its file needs a tenth of that at most."""

NAMED_RENDERS = 3
"""How many renders an alert names: the page lists them all."""

MANY_DEATHS = 10
"""How many worker processes may die within five minutes before it is an alert: each costs one picture only."""

RECENT_S = 300.0
"""How long an alert stays after its problem has ended."""


def find_alerts(snapshot: Snapshot) -> list[Alert]:
    """Return the problems that the figures of a snapshot show, errors first.

    The levels `error` and `warning` are `critical` and `warning` in the alert rules of Prometheus.
    """
    kinds = (_of_service, _of_workers, _of_work, _of_disks, _of_log_and_metrics, _of_stalls)
    return sorted((alert for find in kinds for alert in find(snapshot)), key=lambda alert: alert.level != "error")


def _of_service(snapshot: Snapshot) -> Iterator[Alert]:
    message = snapshot.message
    if message == "draining":
        text = f"Requests in flight are finished; new ones are refused.{_waits_for(snapshot)}"
        yield Alert("warning", "Draining", text)
    elif message != "OK":
        yield Alert("error", "Out of service", f"{message}: the health check answers 503. The log says why.")
    last_reload = snapshot.generation.last_reload
    if last_reload is not None and not last_reload.ok:
        text = "The former settings stay in effect. Correct the faults that are listed under Settings, then reload."
        yield Alert("warning", "Reload refused", text)


def _waits_for(snapshot: Snapshot) -> str:
    """Name the renders that keep a draining process alive, the oldest first: one may never end."""
    items = snapshot.processing.items
    named = [f"{each.output} of {each.namespace}/{each.hash} ({each.elapsed_s:.0f} s)" for each in items]
    more = f" and {len(named) - NAMED_RENDERS} more" if len(named) > NAMED_RENDERS else ""
    return f" The process waits for {', '.join(named[:NAMED_RENDERS])}{more}." if named else ""


def _of_workers(snapshot: Snapshot) -> Iterator[Alert]:
    processing = snapshot.processing
    if fault := processing.workers_fault:
        yield Alert("error", "Worker processes", f"Renders wait for workers that cannot be started: {fault}.")
    if (deaths := processing.recent_deaths) >= MANY_DEATHS:
        text = f"{deaths:,} worker processes have died in the last {RECENT_DEATHS_S / 60:.0f} minutes."
        yield Alert("warning", "Workers die", f"{text} The log names the pictures.")


def _of_work(snapshot: Snapshot) -> Iterator[Alert]:
    if fault := snapshot.remote.fault:
        yield Alert("error", "Remote store away", f"Uploads wait, and posts are answered 503: {fault}")
    for origin in snapshot.origins:
        if origin.fault:
            text = f"{origin.name}: {origin.fault}. Pictures that were seen are served; others are answered 502 or 504."
            yield Alert("warning", "Origin fails", text)
    if snapshot.queue.is_full:
        text = "Posts that would queue a job are answered 507, and queued jobs wait"
        yield Alert("error", "State disk full", f"{text}: {snapshot.queue.fault}")
    elif fault := snapshot.queue.fault:
        yield Alert("error", "Job queue", f"No job can be added, and queued jobs wait: {fault}")
    kinds = (snapshot.pending_renders.jobs, snapshot.uploads.jobs, snapshot.erasures.jobs)
    if failed := sum(jobs.failed or 0 for jobs in kinds):
        jobs = "1 job has" if failed == 1 else f"{failed:,} jobs have"
        yield Alert(
            "warning",
            "Parked",
            f"{jobs} failed for good; “imaged queue list --parked” shows why. “imaged queue retry --all” repeats them.",
        )


def _of_disks(snapshot: Snapshot) -> Iterator[Alert]:
    store = snapshot.store
    if store.free_bytes is None:
        yield Alert("error", "Low disk", "The file system of the store cannot be read.")
    elif store.free_bytes < LOW_DISK_BYTES and not store.is_full:
        text = f"{store.free_bytes // 1024**2} MiB are free for the store"
        yield Alert(
            "error", "Low disk", f"{text}: free some space, or set store.maximum_bytes or store.keep_free_bytes."
        )
    if store.is_full:
        yield Alert("error", "Disk full", f"Posts are answered 507, and outputs are served, not stored: {store.fault}")
    elif store.is_read_only:
        text = "Posts are answered 503, and outputs are served, not stored"
        yield Alert("error", "Store read-only", f"{text}: {store.fault}")
    elif fault := store.fault:
        yield Alert("warning", "Store", f"Outputs are served and not stored, so they are rendered again: {fault}")
    if store.bound_fault:
        yield Alert("warning", "Store bound", f"Outputs are served, and perhaps not stored: {store.bound_fault}")
    state_bytes = snapshot.queue.free_bytes
    if state_bytes is not None and state_bytes < LOW_STATE_BYTES and not snapshot.queue.is_full:
        yield Alert(
            "error", "Low state disk", f"{state_bytes // 1024**2} MiB are free for the job queue: free some space."
        )


def _of_log_and_metrics(snapshot: Snapshot) -> Iterator[Alert]:
    if fault := snapshot.log.fault:
        yield Alert("warning", "Log", f"Log lines are lost, {snapshot.log.lost:,} so far: {fault}")
    for sink in snapshot.metrics:
        missed_s = sink.last_missed_s
        if sink.fault or (missed_s is not None and missed_s < RECENT_S):
            missed = f"{sink.failed + sink.lost:,} events missed since the last reload"
            yield Alert("warning", "Metrics", f"{sink.name}: {sink.fault or 'works again'}; {missed}")


def _of_stalls(snapshot: Snapshot) -> Iterator[Alert]:
    last = snapshot.stalls.last
    if last is not None and last.ago_s < RECENT_S:
        text = f"No request was answered for {last.held_s:.1f} s, until {last.ago_s:.0f} s ago: {last.by}."
        yield Alert("warning", "Reactor held up", f"{text} The log has the stack.")
    for hang in snapshot.stalls.hanging:
        yield Alert("warning", "Plugin hangs", f"{hang.call}, for {hang.elapsed_s:.0f} s, in {hang.at}")
