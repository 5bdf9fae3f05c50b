"""One process of the daemon, from its first signal to its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
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


class Process:
    """Runs `service` until a signal or a successor ends it. Reactor thread only."""

    _log = Logger()

    def __init__(
        self, reactor: Any, service: Service, signals: Signals, notifier: Notifier, inheritance: Inheritance
    ) -> None:
        self._reactor = reactor
        self._service = service
        self._signals = signals
        self._notifier = notifier
        self._inheritance = inheritance
        self._leave: Deferred[None] = Deferred()
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
        predecessor = await self._begin()
        succession = Upgrade(self._reactor, self._service, self._notifier, self._end)
        self._signals.connect(
            self._reactor, dict.fromkeys(LEAVE, self._end) | {RELOAD: succession.reload, UPGRADE: succession.upgrade}
        )
        reports = self._report()
        await self._leave
        end_within(self._service.shutdown_timeout_s + LATE_S, 1, self._tell_late)
        predecessor.left()
        self._notifier.stopping()
        succession.abandon()
        await self._service.stop()
        for each in reports:
            each.stop()

    async def _begin(self) -> Predecessor:
        """Start the service, and return when it is ours: the process before may have to let go of it."""
        predecessor = Predecessor(self._reactor, self._inheritance)
        try:
            await self._service.start()
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
        return predecessor

    def _end(self) -> None:
        if not self._leave.called:
            self._leave.callback(None)

    def _tell_late(self) -> None:
        self._log.error("this process does not end, so it is ended: its main thread is in {place}", place=place())

    def _fail(self, failure: Failure) -> None:
        if failure.check(ImagedError):
            sys.stderr.write(f"{failure.value}\n")
        else:
            self._log.failure("imaged broke down", failure)
        self._exit_status = 1

    def _report(self) -> list[LoopingCall]:
        """Begin to tell the service manager how things are, and that we live: the reactor itself is what lives."""
        calls: list[tuple[Callable[[], object], float]] = [(self._tell_status, REPORT_EVERY_S)]
        if self._notifier.watchdog_s is not None:
            calls.append((self._notifier.alive, self._notifier.watchdog_s / 2))
        looping = [(LoopingCall(call), interval_s) for call, interval_s in calls]
        for each, interval_s in looping:
            each.clock = self._reactor
            each.start(interval_s)
        return [each for each, _ in looping]

    def _tell_status(self) -> Deferred[None]:
        async def tell() -> None:
            try:
                self._notifier.status(await self._service.status_line())
            except Exception:  # the disk of the queue may be gone; the next look may find it back
                self._log.failure("the service manager cannot be told how things are")

        return Deferred.fromCoroutine(tell())
