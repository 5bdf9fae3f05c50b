"""A batch: many items, several at once; a failed item does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.batch.inputs import Entry
from imaged.batch.items import Item
from imaged.batch.journal import Checkpoint, Journal
from imaged.batch.output_maker import ItemResult, OutputMaker
from imaged.batch.report import BatchCounts, Results
from imaged.batch.shards import Shard
from imaged.core.backoff import Backoff
from imaged.core.disk_errors import disk_error
from imaged.core.errors import BusyError, ImagedError
from imaged.hooks.host import RunInThread

RETRIES = Backoff(first_s=4.0, longest_s=30.0, attempts=5)
"""Half a minute to a minute in all. A store that is away for longer is left to the next run."""


@dataclass(eq=False)
class Batch:
    """Does `entries`, `width` of them at once. After `leave`, running ones have `grace_s` seconds. Reactor thread only.

    `read` reads entries on a thread of its own, which may block for ever. `write` writes the journals on another.
    """

    clock: Any
    jitter: Callable[[], float]
    entries: Iterator[Entry]
    maker: OutputMaker
    shard: Shard
    checkpoint: Checkpoint | None
    failures: Journal | None
    results: Results
    width: int
    grace_s: float
    read: RunInThread
    write: RunInThread
    tally: BatchCounts = field(default_factory=BatchCounts, init=False)
    broken_pipe: bool = field(default=False, init=False)
    """Whether the reader of the results has closed the pipe."""

    _log = Logger()
    _leaving: bool = field(default=False, init=False)
    _running: int = field(default=0, init=False)
    _concurrency: int = field(default=0, init=False)
    _over: Deferred[None] = field(default_factory=Deferred, init=False)
    _pauses: set[Deferred[None]] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Do all entries, or those that began before `leave`. Raises the error of an input or a journal."""
        self._concurrency = self.width
        for _ in range(self.width):
            Deferred.fromCoroutine(self._work_off()).addErrback(self._break_down)
        await self._over

    def leave(self) -> None:
        """Take no more entries; end when the running ones have ended, or after `grace_s` seconds."""
        if self._leaving:
            return
        self._leaving = True
        for pause in list(self._pauses):
            pause.cancel()
        self.clock.callLater(self.grace_s, self._end)
        self._end_if_over()

    async def _work_off(self) -> None:
        while not self._leaving:
            entry = await self.read(next, self.entries, None)
            if entry is None or self._leaving:
                break
            self._running += 1
            try:
                await self._take(entry)
            finally:
                self._running -= 1
                self._end_if_over()
        self._concurrency -= 1
        self._end_if_over()

    async def _take(self, entry: Entry) -> None:
        if not isinstance(entry, Item):
            await self._fail(*entry)
        elif not self.shard.holds(entry.identity):
            self.tally.elsewhere += 1
        elif self.checkpoint is not None and self.checkpoint.holds(entry.identity):
            self.tally.skipped += 1
        else:
            try:
                done = await self._try(entry)
            except ImagedError as error:
                await self._fail(entry.text, error)
            except Exception:  # a defect of imaged or of a plugin does not stop the other items
                self._log.failure("{item} failed unexpectedly", item=entry.text)
                await self._fail(entry.text, ImagedError("an unexpected failure: the log has its traceback"))
            else:
                await self._finish(entry, done)

    async def _try(self, item: Item) -> ItemResult:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self.maker.make(item)
            except ImagedError as error:
                # A BusyError is a render that ran out of time. It would again, and block a thread.
                again = error.transient and not isinstance(error, BusyError) and not self._leaving
                delay_s = RETRIES.delay_s(attempt, self.jitter()) if again else None
                if delay_s is None or not await self._pause(delay_s):
                    raise

    async def _pause(self, delay_s: float) -> bool:
        """Wait; return False when the batch was asked to leave meanwhile."""
        pause: Deferred[None] = deferLater(self.clock, delay_s)
        self._pauses.add(pause)
        with suppress(CancelledError):
            await pause
        self._pauses.discard(pause)
        return not self._leaving

    async def _finish(self, item: Item, done: ItemResult) -> None:
        """Print first, then record: a kill in between prints a line twice, and loses none."""
        try:
            await self.write(self._note, item, done)
        except BrokenPipeError:
            self.broken_pipe = True
            self.leave()
            return
        except OSError as error:
            raise disk_error("the results cannot be written", error) from error
        self.tally.done += 1
        self.tally.made += done.made
        self.tally.there += done.there

    def _note(self, item: Item, done: ItemResult) -> None:
        self.results.write(item, done)
        if self.checkpoint is not None:
            self.results.sync()
            self.checkpoint.add(item.identity)

    async def _fail(self, text: str, error: ImagedError) -> None:
        self.tally.failed += 1
        reason = " ".join(str(error).split())
        self._log.warn("not done: {item}: {reason}", item=text, reason=reason)
        if self.failures is not None:
            await self.write(self.failures.add, f"{text}\t{reason}")

    def _break_down(self, failure: Any) -> None:
        """End the whole batch: an input or a journal cannot be used."""
        if not self._over.called:
            self._leaving = True
            self._over.errback(failure)

    def _end_if_over(self) -> None:
        if not self._concurrency or (self._leaving and not self._running):
            self._end()

    def _end(self) -> None:
        if not self._over.called:
            self.tally.unfinished = self._running
            self._over.callback(None)
