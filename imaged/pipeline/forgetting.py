"""Forgets a few files: the oldest of those that samples of the store have shown and that nothing needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from imaged.core.eviction import MOST_FILES, Lifetimes, Oldest, Slices
from imaged.core.files import ORIGINAL, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.pipeline.build import Environment
from imaged.pipeline.pipeline import Pipeline
from imaged.store.least_used import FileUse, LeastUsed, StoredFile
from imaged.workers.render_jobs import ImageOutput

T = TypeVar("T")

MOST_IDLE = 32
"""How many samples in a row may have nothing to forget before the search ends for a while."""

YOUNGEST_S = 5.0
"""No file is forgotten that was used within this time: a client or a job may be about to read it."""


class Forgetting:
    """What is known of the files of one store. `start` is where the first sample begins. Reactor thread only.

    `pipelines` returns those of all open generations. `cpu_s` is the CPU time that worker threads have taken.
    """

    def __init__(self, environment: Environment, pipelines: Callable[[], Sequence[Pipeline]], start: int) -> None:
        self._environment = environment
        self._pipelines = pipelines
        self._slices = Slices(start)
        self._oldest: Oldest[StoredFile] = Oldest()
        self._lifetimes = Lifetimes()
        self.cpu_s = 0.0
        self._idle_samples, self._idle_part = 0, 0.0

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to forget lately: in MOST_IDLE samples in a row, or in the whole store."""
        return self._idle_samples >= MOST_IDLE or self._idle_part >= 1

    def begin(self) -> None:
        """Begin a search: nothing is known of what may be forgotten now."""
        self._idle_samples, self._idle_part = 0, 0.0

    @property
    def touch_after_s(self) -> float:
        """In how many seconds after its last use a file that is used gets a new access time."""
        return self._lifetimes.touch_after_s

    def begin_again(self) -> None:
        """Drop what is remembered: the store is another one."""
        self._oldest = Oldest()

    async def forget_some(self, pipeline: Pipeline, size_bytes: int) -> list[FileUse]:
        """Look at one sample, and forget the oldest files, until `size_bytes` are free; return what they were."""
        least_used = LeastUsed(pipeline.store.layout, self._environment.counters.bound.size)
        part = self._slices.part
        sample = await self._work(least_used.look, self._slices.next())
        self._slices.adapt(len(sample))
        before_s = time.time() - YOUNGEST_S
        found = {file: used.used_s for file, used in sample.items() if used.used_s < before_s}
        removable = await self._removable(pipeline, found)
        self._oldest.offer({file: self._rank(pipeline, file, found[file]) for file in removable})
        taken = self._oldest.take_due()
        unused_since_s = {file: taken[file] or before_s for file in await self._removable(pipeline, taken)}
        outputs = {file: since_s for file, since_s in unused_since_s.items() if isinstance(file[1], Output)}
        forgotten = await self._work(least_used.forget_all, outputs, size_bytes)
        for file, since_s in unused_since_s.items():
            if file not in outputs and sum(each.size_bytes for each in forgotten) < size_bytes:
                forget = partial(self._work, least_used.forget_all, {file: since_s}, size_bytes)
                forgotten += await self._environment.in_use.if_unused(file[0], forget) or []
        if forgotten:
            self.begin()
        elif taken or not removable:
            self._idle_samples += bool(sample)
            self._idle_part += part if len(sample) < MOST_FILES else 0
        now_s = time.time()
        for used in forgotten:
            self._lifetimes.add(now_s - used.used_s)
        return forgotten

    async def _removable(self, pipeline: Pipeline, files: Iterable[StoredFile]) -> list[StoredFile]:
        """Return the files that may be forgotten, in their order.

        Not those that a job or a client waits for, or that the remote store should have and is not known to hold.
        """
        files = list(files)
        by_image: dict[ImageId, list[ImageFile]] = {}
        for image, file in files:
            if self._may_go(pipeline, image, file):
                by_image.setdefault(image, []).append(file)
        remote = pipeline.remote.identity if pipeline.remote.exists else None
        settled = set(await self._environment.jobs.settled(remote, list(by_image.items())))
        return [each for each in files if each in settled]

    def _may_go(self, pipeline: Pipeline, image: ImageId, file: ImageFile) -> bool:
        if isinstance(file, Output):
            return not any(
                each.renders.unsaved(image, file) or each.renders.calls.in_flight(ImageOutput(image, file))
                for each in self._pipelines()
            )
        if pipeline.settings.store.originals != "cached":
            return False
        # A record answers questions without a download, so it goes after the original.
        return file == ORIGINAL or not pipeline.store.has(image, ORIGINAL)

    def _rank(self, pipeline: Pipeline, file: StoredFile, used_s: float) -> float:
        """Return what files are ordered by: their last use, and 0 for a preset in a version that no client asks for."""
        image, kind = file
        return used_s if not isinstance(kind, Output) or pipeline.is_current(image, kind) else 0.0

    async def _work(self, work: Callable[..., T], *args: object) -> T:
        result, cpu_s = await self._environment.threads.run(_timed, work, *args)
        self.cpu_s += cpu_s
        return result


def _timed(work: Callable[..., T], *args: object) -> tuple[T, float]:
    began_s = time.thread_time()
    return work(*args), time.thread_time() - began_s
