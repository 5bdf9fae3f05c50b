"""The state of the daemon in one line, for the service manager."""

from __future__ import annotations

from imaged.core.snapshot import GenerationStatus
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import Kind
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.statuspage.collector import compare


async def status_line(
    message: str, generation: GenerationStatus, counters: Counters, pipeline: Pipeline, jobs: AsyncJobQueue
) -> str:
    """Return the most important figures in one line, and the first fault of a reload that was refused."""
    line = (
        f"{message}; generation {generation.number}; {counters.processing.current} rendering, "
        f"{pipeline.engine.admission.waiting} waiting, {counters.downloads.current} downloading; "
        f"{await _pending(pipeline, jobs)}"
    )
    last = generation.last_reload
    return line if last is None or last.ok else f"{line}; the last reload was refused: {last.errors[0]}"


KINDS: tuple[Kind, ...] = ("render", "upload", "erase")


async def _pending(pipeline: Pipeline, jobs: AsyncJobQueue) -> str:
    renders, uploads, erasures = [await jobs.depth(kind) for kind in KINDS]
    if renders is None or uploads is None or erasures is None:
        return "the job queue cannot be read"
    pending = f"pending: {renders.queued + renders.running} renders, {uploads.queued + uploads.running} uploads"
    if left := erasures.queued + erasures.running:
        pending += f", {left} erasures"
    comparison = compare(pipeline.remote, await jobs.comparison())
    if comparison is not None and comparison.unfinished:
        pending += f", and more until the comparison with the remote store ({comparison.state}) ends"
    return pending
