"""Tells one metrics sink what happens, on a thread of its own: one that fails or hangs costs no request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import BusyError, PluginFailedError
from imaged.core.events import Event
from imaged.hooks.contracts import Exposing, Flushing, MetricsSink
from imaged.hooks.host import OwnThreads

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

TELL_EVERY_S = 60.0
"""How often the log is told that a sink fails, however often it does."""


@dataclass(frozen=True)
class Told:
    """What a sink has been told: events `recorded`, `failed` at and `lost`, and the last `fault`, or None."""

    name: str
    recorded: int
    failed: int
    lost: int
    fault: str | None


class Feed:
    """Hands events to one sink, on its one thread of `threads`. `clock` is the reactor's. Reactor thread only."""

    _log = Logger()

    def __init__(self, name: str, sink: MetricsSink, clock: Any, threads: OwnThreads) -> None:
        self._name = name
        self._sink = sink
        self._clock = clock
        self._threads = threads
        self._waiting: list[Event] = []
        self._handing_over = False
        self._asking = 0
        self._recorded = self._failed = self._lost = 0
        self._fault: str | None = None
        self._told_at_s: float | None = None
        self._flush_every_s = sink.flush_every_s if isinstance(sink, Flushing) else None
        self._flushed_at_s = clock.seconds()
        self._alarm: Any = None
        self._closed = False
        if self._flush_every_s is not None:
            self._wake_in(self._flush_every_s)

    @property
    def told(self) -> Told:
        """What the sink has been told until now."""
        return Told(self._name, self._recorded, self._failed, self._lost, self._fault)

    @property
    def exposing(self) -> bool:
        """Whether the sink shows its figures."""
        return isinstance(self._sink, Exposing)

    def offer(self, event: Event) -> None:
        """Have the sink told of `event` in a moment; it is lost where too many wait already."""
        if self._closed or len(self._waiting) >= MAXIMUM_WAITING:
            self._lose()
            return
        if not self._waiting:
            self._wake_in(DELAY_S)
        self._waiting.append(event)

    async def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
        """Return what the sink shows, all that has happened included. Raises BusyError and PluginFailedError."""
        if not isinstance(self._sink, Exposing):
            raise PluginFailedError(f"metrics sink {self._name} has nothing to show")
        if self._asking >= MAXIMUM_ASKING:
            raise BusyError(f"metrics sink {self._name} is asked by {self._asking} already")
        self._asking += 1
        self._run(self._take())
        shown: Deferred[tuple[str, bytes]] = Deferred()
        running: Any = self._threads.run(self._sink.expose, snapshot, accept)
        running.addBoth(self._shown, shown)
        try:
            content_type, body = await shown.addTimeout(PATIENCE_S, self._clock)
            return str(content_type), bytes(body)
        except defer.TimeoutError as error:
            raise BusyError(f"metrics sink {self._name} takes longer than {PATIENCE_S:g} s") from error
        except Exception as error:  # a plugin may raise anything
            self._fail(error)
            raise PluginFailedError(f"metrics sink {self._name} failed: {type(error).__name__}") from error

    async def close(self) -> None:
        """Tell the sink what still waits, have it flush, and let go of its thread, within LAST_WORDS_S."""
        if self._closed:
            return
        self._stop()
        done = self._run(self._take(), flush=self._flush_every_s is not None)
        try:
            await done.addTimeout(LAST_WORDS_S, self._clock)
        except defer.TimeoutError:
            self._log.warn("metrics sink {sink} hangs: what it still had to send is lost", sink=self._name)
        self._threads.let_go()

    def let_go(self) -> None:
        """End the thread as soon as it has nothing left to do; returns at once."""
        self._stop()
        self._threads.let_go()

    def _stop(self) -> None:
        self._closed = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()

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
        self._run(self._take(), flush=flush).addCallback(self._handed_over)

    def _handed_over(self, _: None) -> None:
        self._handing_over = False
        if self._waiting:
            self._wake_in(DELAY_S)
        elif self._flush_every_s is not None:
            self._wake_in(max(0.0, self._flushed_at_s + self._flush_every_s - self._clock.seconds()))

    def _shown(self, result: Any, shown: Deferred[tuple[str, bytes]]) -> None:
        self._asking -= 1
        shown.callback(result)  # a Failure makes it an errback, and who was sent away hears nothing

    def _run(self, events: list[Event], *, flush: bool = False) -> Deferred[None]:
        """Tell the sink on its thread, and take note of how that went."""

        def note(errors: list[BaseException]) -> None:
            self._recorded += len(events)
            for error in errors:
                self._fail(error)

        told: Any = self._threads.run(self._tell_sink, events, flush=flush)
        noted: Deferred[None] = told.addCallback(note)
        return noted

    def _tell_sink(self, events: list[Event], *, flush: bool) -> list[BaseException]:
        """Tell the sink, on its thread, and return what it raised: whatever that is, it hears of the next event."""
        errors: list[BaseException] = []
        for event in events:
            try:
                self._sink.record(event)
            except BaseException as error:
                errors.append(error)
        if flush and isinstance(self._sink, Flushing):
            try:
                self._sink.flush()
            except BaseException as error:
                errors.append(error)
        return errors

    def _fail(self, error: BaseException) -> None:
        self._failed += 1
        self._fault = f"{type(error).__name__}: {error}"
        self._tell_log("metrics sink {sink} fails: {fault}; {failed} failures so far")

    def _lose(self) -> None:
        self._lost += 1
        if not self._closed:
            self._fault = f"hangs: {MAXIMUM_WAITING} events wait for it"
            self._tell_log("metrics sink {sink} {fault}, more are lost to it")

    def _tell_log(self, format: str) -> None:
        now_s = self._clock.seconds()
        if self._told_at_s is None or now_s - self._told_at_s >= TELL_EVERY_S:
            self._told_at_s = now_s
            self._log.error(format, sink=self._name, fault=self._fault, failed=self._failed)
