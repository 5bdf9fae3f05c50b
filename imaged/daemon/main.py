"""The main program of the daemon: from its first signal to its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.daemon.service import Service
from imaged.daemon.upgrade import Upgrade
from imaged.garbage import LONG_LIVED
from imaged.process.clock import repeat
from imaged.process.ending import end_within, place
from imaged.process.handover import OldProcess
from imaged.process.inherited_sockets import InheritedSockets
from imaged.process.notify import Notifier
from imaged.process.run_to_end import run_to_end
from imaged.process.signals import RELOAD, STOP, UPGRADE, Signals

REPORT_EVERY_S = 5.0
"""How often the status line is reported to the service manager."""

LATE_S = 8.0
"""How long after `shutdown_timeout_s` the process may still take to end; the unit file gives it ten seconds."""


class Daemon:
    """Runs the service that `start` gives, until a signal or a handover ends it. Reactor thread only."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        start: Callable[[], Coroutine[Deferred[Any], Any, Service]],
        signals: Signals,
        notifier: Notifier,
        inherited: InheritedSockets,
    ) -> None:
        self._reactor = reactor
        self._start = start
        self._signals = signals
        self._notifier = notifier
        self._inherited = inherited
        self._stop: Deferred[None] = Deferred()

    def run(self) -> int:
        """Run the reactor until the daemon has ended; return the exit status."""
        status = 0
        self._reactor.callWhenRunning(self._signals.install)
        try:
            run_to_end(self._reactor, self._run())
        except ImagedError as error:
            status = 1
            sys.stderr.write(f"{error}\n")
        except Exception:  # a task root
            status = 1
            self._log.failure("imaged failed unexpectedly")
        self._signals.end()
        self._notifier.close()
        return status

    async def _run(self) -> None:
        old_process = OldProcess(self._reactor, self._inherited)
        service = await self._begin(old_process)
        upgrade = Upgrade(self._reactor, service, self._notifier, self._end)
        self._signals.connect(
            self._reactor, dict.fromkeys(STOP, self._end) | {RELOAD: upgrade.reload, UPGRADE: upgrade.upgrade}
        )
        reports = self._report(service)
        await self._stop
        end_within(service.shutdown_timeout_s + LATE_S, 1, self._log_late)
        old_process.send_left()
        self._notifier.stopping()
        upgrade.cancel()
        await service.stop()
        for each in reports:
            each.stop()

    async def _begin(self, old_process: OldProcess) -> Service:
        """Start the service; return when the old process, if there is one, has handed over."""
        try:
            service = await self._start()
        except Exception as error:
            await old_process.send_failed(str(error))
            raise
        LONG_LIVED.keep()
        old_process.send_ready(self._inherited.claimed)
        is_released = await old_process.released()
        self._notifier.muted = False
        if not is_released:
            self._log.warn("the old process ended before it released the service; this one serves in its place")
            self._notifier.main_process(os.getpid())
        self._notifier.ready()
        return service

    def _end(self) -> None:
        if not self._stop.called:
            self._stop.callback(None)

    def _log_late(self) -> None:
        self._log.error(
            "the shutdown is overdue: ending this process now; its main thread is stuck in {place}", place=place()
        )

    def _report(self, service: Service) -> list[LoopingCall]:
        """Start the reports to the service manager: the status line, and the keep-alive of its watchdog."""

        async def report() -> None:
            try:
                self._notifier.status(await service.status_line())
            except Exception:  # the disk of the queue may be gone; a later report may find it back
                self._log.failure("cannot report the status to the service manager")

        reports = [repeat(self._reactor, REPORT_EVERY_S, lambda: Deferred.fromCoroutine(report()))]
        if self._notifier.watchdog_s is not None:
            reports.append(repeat(self._reactor, self._notifier.watchdog_s / 2, self._notifier.alive))
        return reports
