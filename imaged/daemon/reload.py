"""Reload requests: served one reload at a time, with the outcome of the last one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.config.faults import ConfigurationError
from imaged.core.snapshot import Reload
from imaged.process.notify import Notifier


class Reloads:
    """Serves reload requests by `apply`, which raises ConfigurationError to refuse the settings. Reactor thread only.

    Requests that arrive during a reload are all served by the next one, which reads what has been written since. The
    service manager gets a notice when a reload begins and when it ends.
    """

    _log = Logger()

    def __init__(
        self, clock: Any, apply: Callable[[], Coroutine[Deferred[Any], Any, None]], notifier: Notifier
    ) -> None:
        self._clock = clock
        self._apply = apply
        self._notifier = notifier
        self._waiting: list[Deferred[Reload]] = []
        self._running: Deferred[None] | None = None
        self._paused = False
        self.last: Reload | None = None

    def request(self) -> Deferred[Reload]:
        """Reload, and return the outcome; the Deferred never fails."""
        waiter: Deferred[Reload] = Deferred()
        self._waiting.append(waiter)
        self._start()
        return waiter

    async def pause(self) -> None:
        """Wait for the running reload to end; requests then wait until `resume`."""
        self._paused = True
        while self._running is not None:
            await deferLater(self._clock, 0)

    def resume(self) -> None:
        """Serve the requests that have arrived during the pause, and those that follow."""
        self._paused = False
        self._start()

    def _start(self) -> None:
        if self._running is None and self._waiting and not self._paused:
            self._running = Deferred.fromCoroutine(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting and not self._paused:
                await deferLater(self._clock, 0)  # signals arrive in bursts: one reload serves all that are here by now
                waiting, self._waiting = self._waiting, []
                self._notifier.reloading()
                errors = await self._errors()
                self.last = Reload(datetime.now(UTC), not errors, errors)
                if self.last.ok:
                    self._notifier.warning = ""
                self._notifier.ready()
                for each in waiting:
                    each.callback(self.last)
        finally:
            self._running = None

    async def _errors(self) -> tuple[str, ...]:
        try:
            await self._apply()
        except ConfigurationError as error:
            self._log.error("reload refused, the settings stay as they were:\n{error}", error=error)
            return tuple(map(str, error.faults))
        except Exception as error:  # the daemon keeps running with the old settings, whatever the error is
            self._log.failure("reload failed unexpectedly, the settings stay as they were")
            return (f"an unexpected failure, see the log: {type(error).__name__}",)
        return ()
