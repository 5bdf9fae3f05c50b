"""One process of a batch, from its settings to its exit status."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.batch import inputs
from imaged.batch.no_queue import NoQueue
from imaged.batch.output_maker import OutputMaker
from imaged.batch.plan import Plan, PlanDraft, UsageError
from imaged.batch.report import Results, Screen
from imaged.batch.run import Batch
from imaged.batch.scratch import open_scratch, remove
from imaged.config.faults import ConfigurationError, in_order
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.hooks.host import PluginState
from imaged.hooks.registry import Plugins
from imaged.pipeline.build import Environment, build_pipeline, build_plugins
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.process.endpoints import find_faults
from imaged.process.signals import RELOAD, STOP, UPGRADE, Signals
from imaged.store.local import LocalStore
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.threads import Threads, unfinished

BROKEN_PIPE_STATUS = 141
"""The status that a shell reports for a process that SIGPIPE ended."""

_DRAW_EVERY_S = 0.5
_THREADS = (("read", 1), ("write", 1), ("work", 10))
_SIGNALLED = 128  # as a shell reports a process that a signal has ended


class BatchProcess:
    """Runs one batch on `reactor`; the plan is opened with the formats of its plugins."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        signals: Signals,
        loaded: Loaded,
        draft: PlanDraft,
        screen: Screen,
        stdout: BinaryIO,
    ) -> None:
        self._reactor = reactor
        self._signals = signals
        self._loaded = loaded
        self._draft = draft
        self._usage_error: UsageError | None = None
        self._screen = screen
        self._stdout = stdout
        self._status = 0
        self._leaving_on: int | None = None

    def run(self) -> int:
        """Run the reactor until the batch has ended; return the exit status. UsageError comes before any item."""
        self._reactor.callWhenRunning(self._signals.install)
        self._reactor.callWhenRunning(
            lambda: Deferred.fromCoroutine(self._live()).addErrback(self._fail).addBoth(lambda _: self._reactor.stop())
        )
        self._reactor.run()
        self._signals.end()
        if self._usage_error is not None:
            raise self._usage_error
        return self._status

    async def _live(self) -> None:
        reading, writing, working = (Threads(self._reactor, name, size) for name, size in _THREADS)
        try:
            environment = self._environment(working)
            plugins = self._build_plugins(environment)
            try:
                plan = self._draft.open(plugins.formats)
                store, local = _make_stores(self._loaded.settings, remote=plugins.uploader is not None)
            except BaseException:
                plugins.close()
                raise
            pipeline = build_pipeline(self._loaded.settings, plugins, store, environment)
            try:
                await self._work(plan, pipeline, local, reading, writing, working)
            finally:
                _discard(pipeline, plugins)
                plan.close()
                if store is not local:
                    remove(store)
        finally:
            for each in (reading, writing, working):
                each.let_go()

    async def _work(
        self, plan: Plan, pipeline: Pipeline, local: LocalStore, reading: Threads, writing: Threads, working: Threads
    ) -> None:
        settings = pipeline.settings
        await working.run(pipeline.store.try_out)
        batch = Batch(
            self._reactor,
            random.random,
            inputs.read(plan.inputs, plan.namespace, pipeline.formats),
            OutputMaker(pipeline, local, plan.outputs, working.run),
            plan.shard,
            plan.checkpoint,
            plan.failures,
            Results(self._stdout),
            width=pipeline.engine.size + settings.upload.concurrency,
            grace_s=settings.shutdown_timeout_s,
            read=reading.run,
            write=writing.run,
        )
        self._signals.connect(
            self._reactor,
            {number: partial(self._leave, batch, number) for number in (*STOP, RELOAD)} | {UPGRADE: lambda: None},
        )
        began_s = self._reactor.seconds()
        drawing = LoopingCall(lambda: self._screen.draw(batch.tally.progress(self._reactor.seconds() - began_s)))
        drawing.clock = self._reactor
        drawing.start(_DRAW_EVERY_S)
        try:
            await batch.run()
        finally:
            drawing.stop()
            self._screen.write(batch.tally.summary(self._reactor.seconds() - began_s) + "\n")
        self._status = 1 if batch.tally.failed else 0
        if batch.broken_pipe:
            self._status = BROKEN_PIPE_STATUS
            _silence(self._stdout)
        elif self._leaving_on is not None:
            self._status = _SIGNALLED + self._leaving_on
        if not batch.tally.unfinished:
            with suppress(defer.TimeoutError):  # a processor that never returns does not delay the end
                drained = Deferred.fromCoroutine(pipeline.tasks.drained())
                await drained.addTimeout(settings.shutdown_timeout_s, self._reactor)
        await pipeline.metrics.close()

    def _leave(self, batch: Batch, number: int) -> None:
        self._leaving_on = self._leaving_on or number
        batch.leave()

    def _build_plugins(self, environment: Environment) -> Plugins:
        """Build the plugins. Raises ConfigurationError with every fault of the settings, those of the ports too."""
        plugins, faults = build_plugins(self._loaded, self._reactor, environment.threads, environment.plugin_state)
        faults = [*self._loaded.faults, *faults, *find_faults(self._loaded, self._reactor)]
        if faults:
            plugins.close()
            raise ConfigurationError(in_order(faults))
        return plugins

    def _environment(self, working: Threads) -> Environment:
        jobs: Any = NoQueue()  # it has every method of the queue that a pipeline calls in a batch
        return Environment(
            reactor=self._reactor,
            threads=working,
            jobs=jobs,
            counters=Counters(self._reactor.seconds),
            plugin_state=PluginState(),
            locks=KeyedLocks(),
        )

    def _fail(self, failure: Failure) -> None:
        if isinstance(failure.value, UsageError):
            self._usage_error = failure.value
        elif failure.check(ImagedError):
            self._screen.write(f"{failure.value}\n")
        else:
            self._log.failure("imaged failed unexpectedly", failure)
        self._status = 1


def _make_stores(settings: Settings, *, remote: bool) -> tuple[LocalStore, LocalStore]:
    """Return the store that the batch works in, and the configured one.

    With a remote store, the batch works in a temporary folder; else in the configured store itself.
    """
    local = LocalStore(Path(settings.store.path), settings.store.partitions)
    return (open_scratch(local.root, settings.store.partitions) if remote else local), local


def _discard(pipeline: Pipeline, plugins: Plugins) -> None:
    """Close the plugins and the store without waiting for threads. A plugin that a thread still runs stays open."""
    pipeline.metrics.discard()
    plugins.close(pipeline.metrics.hanging, sinks_only=bool(unfinished()))
    pipeline.engine.let_go()
    pipeline.store.close()


def _silence(stdout: BinaryIO) -> None:
    """Redirect the standard output to nowhere, so that the interpreter's last flush does not fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
