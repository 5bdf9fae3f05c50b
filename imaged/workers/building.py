"""Builds the engine of a generation, with workers as `render.isolation` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imaged.config.model import Settings
from imaged.core.activity import Activity
from imaged.hooks.host import RunInThread
from imaged.hooks.registry import Plugins
from imaged.machine import cores, memory_bytes
from imaged.workers.engine import Engine
from imaged.workers.pool import GenerationSpec, WorkerPool
from imaged.workers.process_workers import HEADER_WORKERS, ProcessWorkers
from imaged.workers.processors import Processors
from imaged.workers.render_jobs import ImageOutput
from imaged.workers.tasks import Tasks
from imaged.workers.templates import Templates
from imaged.workers.thread_workers import ThreadWorkers
from imaged.workers.threads import Threads
from imaged.workers.workers import Workers

BYTES_A_PIXEL = 32
SPARE_BYTES = 1 << 29
"""A worker process may add SPARE_BYTES to its address space, and BYTES_A_PIXEL for each of `render.maximum_pixels`.

ImageMagick 6 holds a pixel in 8 bytes, and has up to three pictures of the original's size at once.
"""

FILE_BYTES = 1 << 30
"""The largest temporary file of a worker process."""

DESCRIPTORS = 256
"""How many files a worker process may have open."""


def render_threads(settings: Settings) -> int:
    """Return how many renders run at once."""
    return settings.render.concurrency or cores()


def worker_count(settings: Settings) -> int:
    """Return how many processes render side by side, as a Host says it."""
    return 1 if settings.render.isolation == "thread" else render_threads(settings)


def build_engine(
    settings: Settings,
    plugins: Plugins,
    templates: Templates,
    *,
    reactor: Any,
    threads: Threads,
    run: RunInThread,
    tasks: Tasks,
    activity: Activity[ImageOutput],
    report_death: Callable[[str], None],
) -> Engine:
    """Build an engine. Start its workers before the first job.

    `threads` drive the renders, and `run` runs what is beside them. Worker processes come from `templates`;
    `report_death` gets the cause when one dies in a job.
    """
    render = settings.render
    workers: Workers
    if render.isolation == "thread":
        processors = Processors(plugins.processors, render.maximum_pixels, plugins.formats, detectors=plugins.detectors)
        workers = ThreadWorkers(processors, threads, run, render.timeout_s)
    else:
        size, spec = threads.size + HEADER_WORKERS, _generation_spec(settings)
        pool = WorkerPool(reactor, render, size, templates, spec, run)
        detects = bool(plugins.detectors)
        workers = ProcessWorkers(
            reactor, pool, threads, run, tasks, plugins.formats, render.timeout_s, report_death, detects=detects
        )
    verifies = any(processor.verifies for processor in plugins.processors)
    describes = any(processor.samples for processor in plugins.processors)
    return Engine(reactor, render, workers, tasks, activity, verifies=verifies, describes=describes)


def _generation_spec(settings: Settings) -> GenerationSpec:
    render = settings.render
    address_bytes = max(render.maximum_pixels * BYTES_A_PIXEL + SPARE_BYTES, render.worker_memory_bytes)
    return GenerationSpec(
        processors=tuple((name, settings.plugins.get(name, {})) for name in settings.processors),
        detectors=tuple((name, settings.plugins.get(name, {})) for name in settings.detectors),
        host={
            "upload_concurrency": settings.upload.concurrency,
            "namespaces": sorted(settings.namespaces),
            "extensions": sorted(settings.extensions),
            "read_formats": sorted(settings.read_formats),
            "maximum_pixels": render.maximum_pixels,
            "worker_count": worker_count(settings),
        },
        bounds={
            "address_bytes": min(address_bytes, memory_bytes()),
            "file_bytes": FILE_BYTES,
            "descriptors": DESCRIPTORS,
        },
    )
