"""The current generation, and those before it, which live on until their last request has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.generations import Generation, Generations
from imaged.daemon.runtime import Runtime
from imaged.daemon.superseded import supersede
from imaged.pipeline.pipeline import Pipeline
from imaged.workers.tasks import Tasks


class Lineage:
    """Generations in their order: each is closed once, after its last lease. Reactor thread only."""

    _log = Logger()

    def __init__(self, first: Runtime) -> None:
        self._generations = Generations(first)
        self._open = [first]
        self._closings = Tasks()

    @property
    def current(self) -> Generation[Runtime]:
        """The newest generation."""
        return self._generations.current

    @property
    def pipeline(self) -> Pipeline:
        """The newest generation's pipeline, for looks that take no time; work takes a lease."""
        return self.current.value.pipeline

    @contextmanager
    def lease(self) -> Iterator[Pipeline]:
        """Hold the generation that is current now, whatever comes after, and give its pipeline."""
        with self._generations.lease() as leased:
            yield leased.pipeline

    def replace(self, runtime: Runtime) -> None:
        """Make a new generation the current one."""
        supersede(self.pipeline.store)
        self._open.append(runtime)
        self._generations.swap(runtime, self._close_when_drained())

    async def end(self) -> None:
        """Close the current generation and all before it; return when that is done."""
        self.current.retire(self._close_when_drained())
        await self._closings.drained()

    async def give_up(self) -> None:
        """Leave each generation that is not closed yet to what is stuck in it, but have its sinks told the last."""
        given_up, self._open = self._open, []
        for ending in [Deferred.fromCoroutine(each.give_up()) for each in given_up]:
            await ending

    def _close_when_drained(self) -> Callable[[Generation[Runtime]], None]:
        """Return what is to be called with a generation after its last lease."""
        drained: Deferred[Generation[Runtime]] = Deferred()
        self._closings.own(self._close(drained))
        return drained.callback

    async def _close(self, drained: Deferred[Generation[Runtime]]) -> None:
        generation = await drained
        if generation.value not in self._open:
            return  # it was given up, and the process ends
        self._open.remove(generation.value)
        try:
            await generation.value.close()
        except Exception:  # a plugin's close may raise anything
            self._log.failure("generation {number} could not be closed", number=generation.number)
