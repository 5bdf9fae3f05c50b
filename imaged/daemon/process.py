"""One process of the daemon, from its first signal to its exit status: who it answers to, and who comes after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError
from imaged.daemon.handover import Predecessor, Successor, SuccessorError, command, start_successor
from imaged.daemon.inheritance import Inheritance
from imaged.daemon.notify import Notifier
from imaged.daemon.service import Service
from imaged.daemon.signals import LEAVE, RELOAD, UPGRADE, Signals

REPORT_EVERY_S = 5.0
"""How often the service manager is told how things are."""


class Process:
    """Runs `service` until a signal ends it. Reactor thread only, but for `run`, which is the reactor's thread."""

    _log = Logger(namespace="imaged")

    def __init__(
        self, reactor: Any, service: Service, signals: Signals, notifier: Notifier, inheritance: Inheritance
    ) -> None:
        self._reactor = reactor
        self._service = service
        self._signals = signals
        self._notifier = notifier
        self._inheritance = inheritance
        self._successor: Successor | None = None
        self._starting = False
        self._leave: Deferred[None] = Deferred()
        self._exit_status = 0

    def run(self) -> int:
        """Run the reactor until the daemon has ended; return the exit status."""
        self._reactor.callWhenRunning(
            lambda: Deferred.fromCoroutine(self._live()).addErrback(self._fail).addBoth(lambda _: self._reactor.stop())
        )
        self._reactor.run(installSignalHandlers=False)
        return self._exit_status

    async def _live(self) -> None:
        predecessor = Predecessor(self._reactor, self._inheritance)
        try:
            await self._service.start()
        except BaseException as error:
            predecessor.failed(str(error))
            raise
        predecessor.ready()
        given = await predecessor.released()
        self._notifier.muted = False
        if not given:
            self._log.warn("the process before this one is gone without a word; this one serves in its place")
            self._notifier.main_process(os.getpid())
        self._notifier.ready()
        reports = self._report()
        self._signals.connect(
            self._reactor, dict.fromkeys(LEAVE, self._end) | {RELOAD: self._service.reload, UPGRADE: self._upgrade}
        )
        await self._leave
        self._notifier.stopping()
        if self._successor is not None and not self._service.aside:
            self._successor.kill()
        await self._service.stop()
        for each in reports:
            each.stop()

    def _end(self) -> None:
        if not self._leave.called:
            self._leave.callback(None)

    def _fail(self, failure: Failure) -> None:
        if failure.check(ImagedError):
            sys.stderr.write(f"{failure.value}\n")
        else:
            self._log.failure("imaged broke down", failure)
        self._exit_status = 1

    def _upgrade(self) -> None:
        if self._successor is not None or self._starting:
            self._log.warn("a new program has been started already")
            return
        self._starting = True
        Deferred.fromCoroutine(self._hand_over()).addErrback(
            lambda failure: self._log.failure("the handover broke down; this process goes on", failure)
        )

    async def _hand_over(self) -> None:
        """Start the program anew and leave the service to it; take it back should it end while we still drain."""
        try:
            self._successor = await self._start_successor()
            pid = await self._successor.ready()
        except SuccessorError as error:
            self._successor = None
            self._log.error("the new program did not start: {error}; this process goes on", error=error)
            self._service.trouble = f"upgrade failed: {error}"
            await self._tell_status()
            return
        finally:
            self._starting = False
        self._log.info("process {pid} serves from now on; this one ends what it has begun", pid=pid)
        self._notifier.main_process(pid)
        self._notifier.muted = True
        self._successor.release()
        aside = Deferred.fromCoroutine(self._service.step_aside())
        self._successor.lost.addCallback(lambda _: aside.cancel())
        try:
            await aside
        except CancelledError:
            self._successor = None
            self._service.come_back()
            self._notifier.muted = False
            self._notifier.main_process(os.getpid())
            self._log.error("process {pid} is gone; this one serves again", pid=pid)
        else:
            self._end()

    async def _start_successor(self) -> Successor:
        self._log.info("starting the program anew: {command}", command=" ".join(command()))
        passed, ports = await self._service.bequest()
        return await start_successor(self._reactor, self._service.run, passed, ports, os.environ)

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
