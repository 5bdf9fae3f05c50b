"""One process of a batch, from its settings to its exit status."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.batch import inputs
from imaged.batch.no_queue import NoQueue
from imaged.batch.plan import Plan
from imaged.batch.report import Results, Screen
from imaged.batch.run import Batch
from imaged.batch.scratch import Scratch
from imaged.batch.work import Work
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.daemon import runtime
from imaged.daemon.runtime import Runtime
from imaged.hooks.host import PluginState
from imaged.hooks.installation import VERSION
from imaged.pipeline.counters import Counters
from imaged.process.signals import LEAVE, RELOAD, UPGRADE, Signals
from imaged.store.local import LocalStore
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.threads import Threads, unfinished

BROKEN_PIPE_STATUS = 141
"""What a shell says of a process that SIGPIPE has ended."""

_DRAW_EVERY_S = 0.5
_THREADS = (("read", 1), ("write", 1), ("work", 10))
_SIGNALLED = 128  # as a shell reports a process that a signal has ended


class Process:
    """Runs one batch on `reactor`. Reactor thread only."""

    _log = Logger()

    def __init__(
        self, reactor: Any, signals: Signals, loaded: Loaded, plan: Plan, screen: Screen, stdout: BinaryIO
    ) -> None:
        self._reactor = reactor
        self._signals = signals
        self._loaded = loaded
        self._plan = plan
        self._screen = screen
        self._stdout = stdout
        self._status = 0
        self._leaving_on: int | None = None

    def run(self) -> int:
        """Run the reactor until the batch has ended; return the exit status."""
        self._reactor.callWhenRunning(self._signals.install)
        self._reactor.callWhenRunning(
            lambda: Deferred.fromCoroutine(self._live()).addErrback(self._fail).addBoth(lambda _: self._reactor.stop())
        )
        self._reactor.run()
        self._signals.end()
        return self._status

    async def _live(self) -> None:
        reading, writing, working = (Threads(self._reactor, name, size) for name, size in _THREADS)
        try:
            made = self._build(working)
            try:
                await self._work(made, reading, writing, working)
            finally:
                self._discard(made)
        finally:
            for each in (reading, writing, working):
                each.let_go()

    async def _work(self, made: Runtime, reading: Threads, writing: Threads, working: Threads) -> None:
        pipeline, settings, plan = made.pipeline, made.pipeline.settings, self._plan
        await working.run(pipeline.store.try_out)
        local = runtime.configured_store(settings) if pipeline.remote.exists else pipeline.store
        batch = Batch(
            self._reactor,
            random.random,
            inputs.read(plan.inputs, plan.namespace),
            Work(pipeline, local, plan.outputs, working.run),
            plan.shard,
            plan.checkpoint,
            plan.failures,
            Results(self._stdout),
            width=made.render_threads.size + settings.upload.concurrency,
            grace_s=settings.shutdown_timeout_s,
            read=reading.run,
            write=writing.run,
        )
        self._signals.connect(
            self._reactor,
            {number: partial(self._leave, batch, number) for number in (*LEAVE, RELOAD)} | {UPGRADE: lambda: None},
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
            self._screen.flush()
        self._status = 1 if batch.tally.failed else 0
        if batch.broken_pipe:
            self._status = BROKEN_PIPE_STATUS
            _silence(self._stdout)
        elif self._leaving_on is not None:
            self._status = _SIGNALLED + self._leaving_on
        if not batch.tally.unfinished:
            with suppress(defer.TimeoutError):  # a processor that does not give up keeps nobody
                drained = Deferred.fromCoroutine(made.tasks.drained())
                await drained.addTimeout(settings.shutdown_timeout_s, self._reactor)
        await pipeline.metrics.close()

    def _leave(self, batch: Batch, number: int) -> None:
        self._leaving_on = self._leaving_on or number
        batch.leave()

    def _build(self, working: Threads) -> Runtime:
        jobs: Any = NoQueue()  # it has all of Promises that a pipeline asks of it
        counters, now = Counters(self._reactor.seconds), datetime.now(UTC)
        return runtime.build(
            self._loaded,
            self._reactor,
            working,
            jobs,
            counters,
            PluginState(),
            KeyedLocks(),
            VERSION,
            now,
            _make_store,
        )

    def _discard(self, made: Runtime) -> None:
        """Close what was built, without waiting for threads: what one is stuck in stays open."""
        made.pipeline.metrics.let_go()
        if unfinished():
            made.plugins.close_sinks(made.pipeline.metrics.hanging)
        else:
            made.plugins.close(made.pipeline.metrics.hanging)
        made.render_threads.let_go()
        made.pipeline.store.close()

    def _fail(self, failure: Failure) -> None:
        if failure.check(ImagedError):
            self._screen.write(f"{failure.value}\n")
        else:
            self._log.failure("imaged broke down", failure)
        self._status = 1


def _make_store(settings: Settings, remote: bool) -> LocalStore:  # noqa: FBT001  # runtime.MakeStore
    """Return where a batch works: with a remote store in a folder that goes with it, else in the store itself."""
    local = runtime.configured_store(settings)
    return Scratch(local.root, local.partitions) if remote else local


def _silence(stdout: BinaryIO) -> None:
    """Let the interpreter flush at its end without a word: nobody reads what it writes."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
