"""Tells one metrics sink what happens, on a thread of its own: one that fails or hangs costs no request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import BusyError, PluginFailedError
from imaged.core.events import Event
from imaged.hooks.contracts import Exposing, Flushing, MetricsSink
from imaged.hooks.host import OwnThreads
from imaged.hooks.sink_health import SinkHealth, SinkStatus
from imaged.hooks.sink_thread import HANGS_AFTER_S, Outcome, ShowingFailedError, describe, show, tell

DELAY_S = 0.1
"""How long events are gathered before they are handed over: waking a thread for each would cost requests time."""

MAXIMUM_WAITING = 10_000
"""How many events wait for a sink that is slow; more are lost to it."""

PATIENCE_S = 5.0
"""How long a sink may take to show its figures."""

MAXIMUM_ASKING = 10
"""How many scrapers may wait for a sink at once: each is a piece of work for a thread that may hang."""

LAST_WORDS_S = 2.0
"""How long a sink may take at the end of its generation."""


class SinkRunner:
    """Hands events to one sink, on its one thread of `threads`. `clock` is the reactor's. Reactor thread only."""

    _log = Logger()

    def __init__(self, name: str, sink: MetricsSink, clock: Any, threads: OwnThreads) -> None:
        self._name = name
        self._sink = self.sink = sink
        self.hangs = False
        """Whether the sink was still at work when the feed was closed."""
        self._clock = clock
        self._threads = threads
        self._waiting: list[Event] = []
        self._handing_over = False
        self._asking = 0
        self._standing = SinkHealth(name, clock)
        self._flush_every_s = sink.flush_every_s if isinstance(sink, Flushing) else None
        self._flushed_at_s = clock.seconds()
        self._alarm: Any = None
        self._expected = 0
        self._hang_alarm: Any = None
        self._closed = False
        if self._flush_every_s is not None:
            self._wake_in(self._flush_every_s)

    @property
    def told(self) -> SinkStatus:
        """How the sink stands."""
        return self._standing.told

    @property
    def exposing(self) -> bool:
        """Whether the sink shows its figures."""
        return isinstance(self._sink, Exposing)

    def offer(self, event: Event) -> None:
        """Have the sink told of `event` in a moment; it is lost where too many wait already."""
        if self._closed or len(self._waiting) >= MAXIMUM_WAITING:
            self._standing.lost(1, None if self._closed else f"hangs: {MAXIMUM_WAITING} events wait for it")
            return
        if not self._waiting:
            self._wake_in(DELAY_S)
        self._waiting.append(event)

    async def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
        """Return what the sink shows, all that has happened included.

        Raises BusyError, also once the feed is closed, and PluginFailedError.
        """
        if not isinstance(self._sink, Exposing):
            raise PluginFailedError(f"metrics sink {self._name} has nothing to show")
        if self._closed:
            raise BusyError(f"metrics sink {self._name} has ended with its configuration", retry_after_s=1)
        if self._asking >= MAXIMUM_ASKING:
            raise BusyError(f"metrics sink {self._name} is asked by {self._asking} already")
        self._asking += 1
        self._run(self._take())
        shown: Deferred[tuple[str, bytes]] = Deferred()
        self._on_thread(show, self._name, self._sink, snapshot, accept).addBoth(self._shown, shown)
        try:
            return await shown.addTimeout(PATIENCE_S, self._clock)
        except defer.CancelledError:
            raise
        except defer.TimeoutError as error:
            raise BusyError(f"metrics sink {self._name} takes longer than {PATIENCE_S:g} s") from error
        except Exception as error:  # the thread may fail us, too
            name = error.name if isinstance(error, ShowingFailedError) else type(error).__name__
            raise PluginFailedError(f"metrics sink {self._name} failed: {name}") from error

    async def close(self) -> None:
        """Tell the sink what still waits, have it flush, and let go of its thread, within LAST_WORDS_S."""
        if self._closed:
            return
        self._stop()
        done = self._run(self._take(), flush=self._flush_every_s is not None)
        try:
            await done.addTimeout(LAST_WORDS_S, self._clock)
        except defer.TimeoutError:
            self.hangs = True
            self._log.warn("metrics sink {sink} hangs: what it still had to send is lost", sink=self._name)
        self._threads.let_go()

    def let_go(self) -> None:
        """End the thread as soon as it has nothing left to do; returns at once."""
        self._stop()
        self._threads.let_go()

    def _stop(self) -> None:
        self._closed = True
        _cancel(self._alarm)
        _cancel(self._hang_alarm)

    def _take(self) -> list[Event]:
        taken, self._waiting = self._waiting, []
        return taken

    def _wake_in(self, delay_s: float) -> None:
        if self._handing_over or self._closed:
            return
        if self._alarm is not None and self._alarm.active():
            if self._alarm.getTime() <= self._clock.seconds() + delay_s:
                return
            self._alarm.cancel()
        self._alarm = self._clock.callLater(delay_s, self._hand_over)

    def _hand_over(self) -> None:
        now_s = self._clock.seconds()
        flush = self._flush_every_s is not None and now_s - self._flushed_at_s >= self._flush_every_s
        if flush:
            self._flushed_at_s = now_s
        self._handing_over = True
        self._run(self._take(), flush=flush).addBoth(self._handed_over)

    def _handed_over(self, _: object) -> None:
        self._handing_over = False
        if self._waiting:
            self._wake_in(DELAY_S)
        elif self._flush_every_s is not None:
            self._wake_in(max(0.0, self._flushed_at_s + self._flush_every_s - self._clock.seconds()))

    def _shown(self, result: Any, shown: Deferred[tuple[str, bytes]]) -> None:
        self._asking -= 1
        if isinstance(result, Failure):
            self._standing.scrape_failed(_fault(result))
        else:
            self._standing.works("scrape")
        shown.callback(result)  # a Failure makes it an errback, and who was sent away hears nothing

    def _run(self, events: list[Event], *, flush: bool = False) -> Deferred[None]:
        """Tell the sink on its thread, and take note of how that went; it fails when who waits for it leaves."""

        def note(outcome: Outcome) -> None:
            standing = self._standing
            standing.works("hang")
            standing.recorded(len(events), outcome.failed, outcome.fault)
            if outcome.recovered:
                standing.works("record")
            if outcome.flushed is False:
                standing.flush_failed(outcome.flush_fault)
            elif outcome.flushed:
                standing.works("flush")

        def lose(failure: Failure) -> Failure | None:
            if failure.check(defer.CancelledError):
                return failure
            self._standing.lost(len(events), f"has no thread: {_fault(failure)}")
            return None

        self._expect(1)
        told: Any = self._on_thread(tell, self._name, self._sink, events, flush=flush)
        told.addBoth(self._come_back)
        noted: Deferred[None] = told.addCallbacks(note, lose)
        return noted

    def _come_back(self, result: Any) -> Any:
        self._expect(-1)
        return result

    def _expect(self, more: int) -> None:
        """Count what the thread has to come back from; the time of the next of it runs from now."""
        self._expected += more
        if more < 0 or self._expected == 1:
            _cancel(self._hang_alarm)
            waits = self._expected and not self._closed
            self._hang_alarm = (
                self._clock.callLater(HANGS_AFTER_S, self._standing.hangs, HANGS_AFTER_S) if waits else None
            )

    def _on_thread(self, function: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run it there; what the threads themselves raise is a failure like any other."""
        running: Deferred[Any] = defer.maybeDeferred(self._threads.run, function, *args, **kwargs)
        return running


def _cancel(alarm: Any) -> None:
    if alarm is not None and alarm.active():
        alarm.cancel()


def _fault(failure: Failure) -> str:
    error: Any = failure.value
    return str(error) if isinstance(error, ShowingFailedError) else describe(error)
