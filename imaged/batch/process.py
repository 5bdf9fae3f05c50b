"""One process of a batch, from its settings to its exit status."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from imaged.batch import inputs
from imaged.batch.errors import UsageError
from imaged.batch.output_maker import OutputMaker
from imaged.batch.plan import BatchPlan
from imaged.batch.report import Results, Screen
from imaged.batch.run import Batch
from imaged.batch.scratch import open_scratch
from imaged.config.faults import ConfigurationError, in_order
from imaged.config.load import Loaded
from imaged.core.errors import ImagedError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.hooks.host import PluginState
from imaged.hooks.registry import Plugins
from imaged.pipeline.build import Environment, build_pipeline, build_plugins
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.process.endpoints import find_faults
from imaged.process.run_to_end import run_to_end
from imaged.process.signals import RELOAD, STOP, UPGRADE, Signals
from imaged.store.local import LocalStore
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads, unfinished

BROKEN_PIPE_STATUS = 141
"""The status that a shell reports for a process that SIGPIPE ended."""

_DRAW_EVERY_S = 0.5
_THREADS = (("read", 1), ("write", 1), ("work", 10))
_SIGNALLED = 128  # as a shell reports a process that a signal has ended


class NoQueue:
    """Stands in for the job queue: a batch renders and uploads before it reports an item as done."""

    fault: str | None = None

    async def enqueue(self, kind: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Queue nothing: the batch uploads what it renders."""

    async def mark_stored(self, remote: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Note nothing: the batch asks the remote store what it holds."""


@dataclass(eq=False)
class BatchProcess:
    """Runs one batch on `reactor`; the journals of its plan are opened with the formats of its plugins."""

    reactor: Any
    signals: Signals
    loaded: Loaded
    plan: BatchPlan
    screen: Screen
    stdout: BinaryIO
    _leaving_on: int | None = field(default=None, init=False)
    _log = Logger()

    def run(self) -> int:
        """Run the reactor until the batch has ended; return the exit status. UsageError comes before any item."""
        self.reactor.callWhenRunning(self.signals.install)
        status = None
        try:
            status = run_to_end(self.reactor, self._live())
        except UsageError:
            raise
        except ImagedError as error:
            self.screen.write(f"{error}\n")
        except Exception:
            self._log.failure("imaged failed unexpectedly")
        finally:
            self.signals.end()
        return 1 if status is None else status

    async def _live(self) -> int:
        settings = self.loaded.settings
        with ExitStack() as opened:
            reading, writing, working = (Threads(self.reactor, name, size) for name, size in _THREADS)
            for each in (reading, writing, working):
                opened.callback(each.let_go)
            plugins, environment = self._build_plugins(working)
            with ExitStack() as unused:
                unused.callback(plugins.close)
                journals = opened.enter_context(self.plan.journals(plugins.formats))
                store = local = LocalStore(Path(settings.store.path), settings.store.partitions)
                if plugins.uploader is not None:
                    store = open_scratch(local.root, settings.store.partitions)
                    opened.callback(shutil.rmtree, store.root, ignore_errors=True)
                unused.pop_all()
            pipeline = build_pipeline(settings, plugins, store, environment)
            opened.callback(discard, pipeline, plugins)
            await pipeline.engine.workers.start()
            await working.run(store.try_out)
            batch = Batch(
                self.reactor,
                random.random,
                inputs.read(self.plan.inputs, self.plan.namespace, pipeline.formats),
                OutputMaker(pipeline, local, self.plan.outputs, working.run),
                self.plan.shard,
                *journals,
                Results(self.stdout),
                width=pipeline.engine.admission.size + settings.upload.concurrency,
                grace_s=settings.shutdown_timeout_s,
                read=reading.run,
                write=writing.run,
            )
            return await self._work(batch, pipeline)

    async def _work(self, batch: Batch, pipeline: Pipeline) -> int:
        self.signals.connect(
            self.reactor,
            {number: partial(self._leave, batch, number) for number in (*STOP, RELOAD)} | {UPGRADE: lambda: None},
        )
        began_s = self.reactor.seconds()
        drawing = LoopingCall(lambda: self.screen.draw(batch.tally.progress(self.reactor.seconds() - began_s)))
        drawing.clock = self.reactor
        drawing.start(_DRAW_EVERY_S)
        try:
            await batch.run()
        finally:
            drawing.stop()
            self.screen.write(batch.tally.summary(self.reactor.seconds() - began_s) + "\n")
        if not batch.tally.unfinished:
            with suppress(defer.TimeoutError):  # a processor that never returns does not delay the end
                drained = Deferred.fromCoroutine(pipeline.tasks.drained())
                await drained.addTimeout(batch.grace_s, self.reactor)
        await pipeline.metrics.close()
        if batch.broken_pipe:
            _silence(self.stdout)
            return BROKEN_PIPE_STATUS
        if self._leaving_on is not None:
            return _SIGNALLED + self._leaving_on
        return 1 if batch.tally.failed else 0

    def _leave(self, batch: Batch, number: int) -> None:
        self._leaving_on = self._leaving_on or number
        batch.leave()

    def _build_plugins(self, working: Threads) -> tuple[Plugins, Environment]:
        """Build the plugins. Raises ConfigurationError with every fault of the settings, those of the ports too."""
        jobs: Any = NoQueue()  # it has each method of the queue that a pipeline calls in a batch
        counters = Counters(self.reactor.seconds)
        environment = Environment(self.reactor, working, jobs, counters, PluginState(), KeyedLocks(), Templates())
        plugins, faults = build_plugins(self.loaded, self.reactor, working, environment.plugin_state)
        faults = [*self.loaded.faults, *faults, *find_faults(self.loaded, self.reactor)]
        if faults:
            plugins.close()
            raise ConfigurationError(in_order(faults))
        return plugins, environment


def discard(pipeline: Pipeline, plugins: Plugins) -> None:
    """Close the plugins and the store without waiting for threads. A plugin that a thread still runs stays open."""
    pipeline.metrics.discard()
    plugins.close(pipeline.metrics.hanging, sinks_only=bool(unfinished()))
    pipeline.engine.workers.let_go()
    pipeline.store.close()


def _silence(stdout: BinaryIO) -> None:
    """Redirect the standard output to nowhere, so that the interpreter's last flush does not fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
