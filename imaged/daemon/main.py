"""The main program of the daemon: from its first signal to its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError
from imaged.daemon.service import Service
from imaged.daemon.upgrade import Upgrade
from imaged.process.ending import end_within, place
from imaged.process.handover import Predecessor
from imaged.process.inheritance import Inheritance
from imaged.process.notify import Notifier
from imaged.process.signals import LEAVE, RELOAD, UPGRADE, Signals

REPORT_EVERY_S = 5.0
"""How often the service manager is told how things are."""

LATE_S = 8.0
"""How long past `shutdown_timeout_s` the end may take; systemd waits ten seconds as the unit file stands."""


class Daemon:
    """Runs the service that `start` gives, until a signal or a handover ends it. Reactor thread only."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        start: Callable[[], Coroutine[Deferred[Any], Any, Service]],
        signals: Signals,
        notifier: Notifier,
        inheritance: Inheritance,
    ) -> None:
        self._reactor = reactor
        self._start = start
        self._signals = signals
        self._notifier = notifier
        self._inheritance = inheritance
        self._stop: Deferred[None] = Deferred()
        self._exit_status = 0

    def run(self) -> int:
        """Run the reactor until the daemon has ended; return the exit status."""
        self._reactor.callWhenRunning(self._signals.install)
        self._reactor.callWhenRunning(
            lambda: Deferred.fromCoroutine(self._live()).addErrback(self._fail).addBoth(lambda _: self._reactor.stop())
        )
        self._reactor.run()
        self._signals.end()
        self._notifier.close()
        return self._exit_status

    async def _live(self) -> None:
        predecessor = Predecessor(self._reactor, self._inheritance)
        service = await self._begin(predecessor)
        upgrade = Upgrade(self._reactor, service, self._notifier, self._end)
        self._signals.connect(
            self._reactor, dict.fromkeys(LEAVE, self._end) | {RELOAD: upgrade.reload, UPGRADE: upgrade.upgrade}
        )
        reports = self._report(service)
        await self._stop
        end_within(service.shutdown_timeout_s + LATE_S, 1, self._tell_late)
        predecessor.left()
        self._notifier.stopping()
        upgrade.abandon()
        await service.stop()
        for each in reports:
            each.stop()

    async def _begin(self, predecessor: Predecessor) -> Service:
        """Start the service; return when the old process, if there is one, has handed over."""
        try:
            service = await self._start()
        except Exception as error:
            await predecessor.failed(str(error))
            raise
        predecessor.ready(self._inheritance.taken)
        given = await predecessor.released()
        self._notifier.muted = False
        if not given:
            self._log.warn("the process before this one is gone without a word; this one serves in its place")
            self._notifier.main_process(os.getpid())
        self._notifier.ready()
        return service

    def _end(self) -> None:
        if not self._stop.called:
            self._stop.callback(None)

    def _tell_late(self) -> None:
        self._log.error("this process does not end, so it is ended: its main thread is in {place}", place=place())

    def _fail(self, failure: Failure) -> None:
        if failure.check(ImagedError):
            sys.stderr.write(f"{failure.value}\n")
        else:
            self._log.failure("imaged broke down", failure)
        self._exit_status = 1

    def _report(self, service: Service) -> list[LoopingCall]:
        """Start the reports to the service manager: the status line, and the keep-alive of its watchdog."""

        async def report() -> None:
            try:
                self._notifier.status(await service.status.line())
            except Exception:  # the disk of the queue may be gone; a later report may find it back
                self._log.failure("the service manager cannot be told how things are")

        calls: list[tuple[Callable[[], object], float]] = [(lambda: Deferred.fromCoroutine(report()), REPORT_EVERY_S)]
        if self._notifier.watchdog_s is not None:
            calls.append((self._notifier.alive, self._notifier.watchdog_s / 2))
        looping = [(LoopingCall(call), interval_s) for call, interval_s in calls]
        for each, interval_s in looping:
            each.clock = self._reactor
            each.start(interval_s)
        return [each for each, _ in looping]
