"""The upgrade: hand the service over to a new process, and serve again when that process fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from imaged.daemon.service import Service
from imaged.process.handover import NewProcess, UpgradeError, command, start_new_process
from imaged.process.notify import Notifier
from imaged.process.ports import PortError

_INIT = 1  # the process number of the first process of a container


class Upgrade:
    """Starts a new process and hands over to it, then calls `stop`. Reactor thread only."""

    _log = Logger()

    def __init__(self, reactor: Any, service: Service, notifier: Notifier, stop: Callable[[], None]) -> None:
        self._reactor = reactor
        self._service = service
        self._notifier = notifier
        self._stop = stop
        self._running = False
        self._new_process: NewProcess | None = None
        self._serving = False
        self._reload_requested = False
        self._cancelled = False

    def reload(self) -> None:
        """Reload the settings in the process that serves.

        During the start of a new process, the request waits: that process may have read the old settings.
        """
        if self._new_process is not None and self._serving:
            self._new_process.reload()
        elif self._running:
            self._reload_requested = True
        else:
            self._service.reload()

    def upgrade(self) -> None:
        """Hand over to a new process, unless an upgrade runs already or cannot work here."""
        if self._running or self._service.shutdown.begun:
            self._log.warn("upgrade refused: another one is in progress, or this process shuts down")
        elif os.getpid() == _INIT:
            self._log.error("upgrade refused: this is process 1, and its container ends with it; start a new container")
        else:
            self._running = True
            self._notifier.warning = ""
            Deferred.fromCoroutine(self._hand_over()).addErrback(
                lambda failure: self._log.failure("the handover failed unexpectedly", failure)
            )

    def cancel(self) -> None:
        """Cancel the upgrade: this process shuts down. Kill a new process that does not serve yet."""
        self._cancelled = True
        if self._new_process is not None and not self._service.shutdown.handed_over:
            self._new_process.kill()

    async def _hand_over(self) -> None:
        try:
            new = await self._start()
        except Exception as error:  # this process keeps serving, whatever the error is: too many open files, say
            if not isinstance(error, UpgradeError):
                self._log.failure("the handover failed unexpectedly")
            if not self._cancelled:
                self._log.error(
                    "the new process did not start: {error}; this one keeps serving; fix the cause, then send SIGUSR2 "
                    "again",
                    error=error,
                )
            self._notifier.warning = f"upgrade failed: {error}"
            self._service.reloads.resume()
            self._finish()
            return
        self._log.info("process {pid} serves from now on; this one drains", pid=new.pid)
        if await self._drained(new) or self._cancelled:
            self._stop()
            return
        self._notifier.muted = False
        self._notifier.main_process(os.getpid())
        self._log.error(
            "the new process {pid} died during the handover; this one serves again; look at the log lines of the new "
            "one, then send SIGUSR2 again",
            pid=new.pid,
        )
        self._notifier.warning = f"upgrade failed: the new process {new.pid} died during the handover"
        try:
            await self._service.resume()
        except PortError as error:
            self._log.error("a port cannot be reopened: {error}, or free this one; then reload", error=error)
        finally:
            self._finish()

    async def _start(self) -> NewProcess:
        """Start a new process, and wait until it is ready. Raises UpgradeError."""
        self._log.info("starting a new process: {program}", program=command()[0])
        passed, ports = await self._service.prepare_handover()
        run = self._service.environment.threads.run
        new = self._new_process = await start_new_process(self._reactor, run, passed, ports, os.environ)
        if self._cancelled:
            new.kill()
        await new.ready()
        return new

    async def _drained(self, new: NewProcess) -> bool:
        """Release the service and drain; return True at the end, or False when the new process ends before that."""
        self._notifier.main_process(new.pid)
        self._notifier.muted = True
        new.release()
        self._serving = True
        if self._reload_requested:
            new.reload()
        paused = Deferred.fromCoroutine(self._service.pause(new.claimed))
        new.failed.addCallback(lambda _: paused.cancel())
        try:
            await paused
        except CancelledError:
            return False
        return True

    def _finish(self) -> None:
        self._new_process, self._serving, self._running = None, False, False
        if self._reload_requested:
            self._reload_requested = False
            self._service.reload()
