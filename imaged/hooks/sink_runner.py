"""Runs one metrics sink on its own thread: a sink that fails or hangs delays no request."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from inspect import isawaitable
from threading import Event as Flag
from time import monotonic
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import BusyError, PluginFailedError
from imaged.core.events import Event
from imaged.core.snapshot import SinkStatus, Snapshot
from imaged.hooks.boundary import describe, kind_of
from imaged.hooks.contracts import FlushingSink, MetricsSink
from imaged.hooks.host import OwnThreads
from imaged.hooks.sink_health import SinkHealth

GATHER_S = 0.1
"""How long the thread gathers events after the first one: waking it for each event would slow requests down."""

MAXIMUM_WAITING = 10_000
"""How many events may wait for a slow sink; the runner drops further events and counts them as lost."""

EXPOSE_TIMEOUT_S = 5.0
"""How long a scrape waits for the sink."""

MAXIMUM_SCRAPES = 10
"""How many scrapes may wait for a sink at once."""

CLOSE_TIMEOUT_S = 2.0
"""How long `close` waits for the last events and the last flush."""

_CONTENT_TYPE = re.compile(r"[ -~]*")


@dataclass(frozen=True)
class _Scrape:
    """A call of `expose` that waits for the sink's thread."""

    snapshot: Snapshot
    accept: str
    answer: Deferred[tuple[str, bytes]]


class SinkRunner:
    """Calls the sink of the plugin `name` on the one thread of `threads`. Reactor thread only.

    Methods of the class that begin with `_on_thread` run on the sink's thread.
    """

    _log = Logger()

    def __init__(self, name: str, sink: MetricsSink, reactor: Any, threads: OwnThreads) -> None:
        self._name = name
        self.sink = sink
        self.hangs = False
        """Whether `close` gave up waiting for the sink."""
        self._reactor = reactor
        self._threads = threads
        self._waiting: deque[Event | _Scrape] = deque()
        self._scrapes = 0
        self._health = SinkHealth(name, reactor)
        self._flush_every_s = sink.flush_every_s if isinstance(sink, FlushingSink) else math.inf
        self._wake, self._hurry = Flag(), Flag()  # there is work; do it without gathering more
        self._closed = False
        run: Any = threads.run
        self._ended: Deferred[None] = defer.maybeDeferred(run, self._on_thread)
        self._ended.addErrback(self._without_thread)

    @property
    def status(self) -> SinkStatus:
        """The sink's counters and its present fault."""
        return self._health.status

    def record(self, event: Event) -> None:
        """Queue `event` for the sink, or count it as lost if the queue is full. Returns at once."""
        if self._closed or len(self._waiting) >= MAXIMUM_WAITING:
            self._health.loses(None if self._closed else f"hangs: {MAXIMUM_WAITING} events wait for it")
            return
        self._waiting.append(event)
        if not self._wake.is_set():
            self._wake.set()

    async def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return the sink's figures, which include every event recorded before.

        Raises BusyError, also after `close`, and PluginFailedError.
        """
        if self._closed:
            raise BusyError(f"metrics sink {self._name} was closed by a reload: try again", retry_after_s=1)
        if self._scrapes >= MAXIMUM_SCRAPES:
            raise BusyError(f"metrics sink {self._name} has {self._scrapes} waiting scrapes already: scrape less often")
        answer: Deferred[tuple[str, bytes]] = Deferred()
        self._scrapes += 1
        self._waiting.append(_Scrape(snapshot, accept, answer))
        self._hurry.set()
        self._wake.set()
        try:
            return await answer.addTimeout(EXPOSE_TIMEOUT_S, self._reactor)
        except defer.TimeoutError as error:
            raise BusyError(f"metrics sink {self._name} takes longer than {EXPOSE_TIMEOUT_S:g} s") from error

    async def close(self) -> None:
        """Let the sink record what waits, flush it and end its thread, within CLOSE_TIMEOUT_S."""
        if self._closed:
            return
        self._stop()
        try:
            await self._ended.addTimeout(CLOSE_TIMEOUT_S, self._reactor)
        except defer.TimeoutError:
            self.hangs = True
            self._log.warn("metrics sink {sink} hangs: the events it had not sent are lost", sink=self._name)

    def discard(self) -> None:
        """End the thread of a generation that never worked, without a last flush. Returns at once."""
        self._flush_every_s = math.inf
        self._stop()

    def _stop(self) -> None:
        self._closed = True
        self._hurry.set()
        self._wake.set()
        self._threads.let_go()

    def _without_thread(self, failure: Failure) -> Failure | None:
        error: Any = failure.value
        if failure.check(defer.CancelledError):
            return failure
        self._health.fails("thread", describe(error))
        return None

    def _on_thread(self) -> None:
        """Serve the queue and flush in time, until the runner is closed and the queue is empty."""
        flush_at_s = monotonic() + self._flush_every_s
        while not self._closed:
            if self._wake.wait(None if math.isinf(flush_at_s) else max(0.0, flush_at_s - monotonic())):
                self._hurry.wait(GATHER_S)
            self._hurry.clear()
            self._wake.clear()
            self._on_thread_serve()
            if monotonic() >= flush_at_s:
                flush_at_s = monotonic() + self._flush_every_s
                self._on_thread_flush()
        self._on_thread_serve()
        if not math.isinf(self._flush_every_s):
            self._on_thread_flush()

    def _on_thread_serve(self) -> None:
        """Pass on what waits now; what arrives meanwhile is for the next round, after a flush that may be due."""
        for _ in range(len(self._waiting)):
            item = self._waiting.popleft()
            if isinstance(item, _Scrape):
                self._on_thread_expose(item)
            else:
                self._on_thread_record(item)
        self._health.works("queue")

    def _on_thread_record(self, event: Event) -> None:
        fault = None
        try:
            returned = self._on_thread_call("record", event)
            if isawaitable(returned):
                raise TypeError(f"record returned a {kind_of(returned)}: declare it with def, not async def")
        except BaseException as error:  # a plugin's SystemExit must not end the thread
            fault = describe(error)
        self._health.records(fault)

    def _on_thread_flush(self) -> None:
        try:
            sent = self._on_thread_call("flush")
            if sent is not None and not isinstance(sent, bool):
                raise TypeError(f"flush returned {kind_of(sent)}, not True, False or None")
        except BaseException as error:  # as above
            self._health.fails("flush", describe(error))
        else:
            if sent is not False:
                self._health.works("flush")

    def _on_thread_expose(self, scrape: _Scrape) -> None:
        answer: tuple[str, bytes] | Failure
        try:
            answer = _checked_page(self._on_thread_call("expose", scrape.snapshot, scrape.accept))
        except BaseException as error:  # as above
            self._health.fails("expose", describe(error))
            answer = Failure(PluginFailedError(f"metrics sink {self._name} failed: {type(error).__name__}"))
        else:
            self._health.works("expose")
        self._reactor.callFromThread(self._answer, scrape, answer)

    def _on_thread_call(self, method: str, *arguments: Any) -> Any:
        with self._health.calling(method):
            return getattr(self.sink, method)(*arguments)

    def _answer(self, scrape: _Scrape, answer: Any) -> None:
        self._scrapes -= 1
        scrape.answer.callback(answer)  # a Failure makes it an errback; a scrape that timed out ignores it


def _checked_page(page: Any) -> tuple[str, bytes]:
    match page:
        case (str() as content_type, bytes() as body) if _CONTENT_TYPE.fullmatch(content_type):
            return content_type, body
        case (str(), bytes()):
            raise ValueError("the content type that expose returned is not fit for a header")
    raise TypeError(f"expose returned {kind_of(page)}, not a pair of str and bytes")
