"""How this process leaves the service to a new one of the program, and takes it back when that one fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from imaged.daemon.service import Service
from imaged.process.handover import Ready, Successor, SuccessorError, command, start_successor
from imaged.process.notify import Notifier
from imaged.process.ports import PortError

_INIT = 1


class Upgrade:
    """Starts the process that is to follow and hands over to it; then `leave` is called. Reactor thread only."""

    _log = Logger()

    def __init__(self, reactor: Any, service: Service, notifier: Notifier, leave: Callable[[], None]) -> None:
        self._reactor = reactor
        self._service = service
        self._notifier = notifier
        self._leave = leave
        self._successor: Successor | None = None
        self._under_way = False
        self._reload_asked = False
        self._abandoned = False
        self._follower: Ready | None = None

    def reload(self) -> None:
        """Have the settings read anew by whoever serves: a process being started may have read them before."""
        if self._follower is not None:
            self._pass_on(self._follower)
        elif self._under_way:
            self._reload_asked = True
        else:
            self._service.reload()

    def upgrade(self) -> None:
        """Start the program anew and hand over to it, unless that is under way or cannot be."""
        if self._under_way or self._service.shutdown.begun:
            self._log.warn("no new process is started: one has been, or this one leaves")
        elif os.getpid() == _INIT:
            self._log.error("no new process is started: with its first process a container ends; start a new container")
        else:
            self._under_way = True
            self._notifier.warning = ""
            Deferred.fromCoroutine(self._hand_over()).addErrback(
                lambda failure: self._log.failure("the handover broke down", failure)
            )

    def abandon(self) -> None:
        """Leave nobody behind: this process was told to end, not to hand over."""
        self._abandoned = True
        if self._successor is not None and not self._service.shutdown.handed_over:
            self._successor.kill()

    async def _hand_over(self) -> None:
        try:
            ready = await self._start()
        except Exception as error:  # a process short of files, say: whatever it is, this one goes on
            if not isinstance(error, SuccessorError):
                self._log.failure("the handover broke down")
            if not self._abandoned:
                self._log.error("the new process did not start: {error}; this one goes on", error=error)
            self._notifier.warning = f"upgrade failed: {error}"
            self._service.cancel_handover()
            self._stay()
            return
        self._log.info("process {pid} serves from now on; this one ends what it has begun", pid=ready.pid)
        if await self._drained(ready) or self._abandoned:
            self._leave()
            return
        self._notifier.muted = False
        self._notifier.main_process(os.getpid())
        self._log.error("process {pid} is gone; this one serves again", pid=ready.pid)
        self._notifier.warning = f"upgrade failed: process {ready.pid} is gone"
        try:
            await self._service.resume()
        except PortError as error:
            self._log.error("a port cannot be opened again: {error}", error=error)
        finally:
            self._stay()

    async def _start(self) -> Ready:
        self._log.info("starting the program anew: {program}", program=command()[0])
        passed, ports = await self._service.prepare_handover()
        self._successor = await start_successor(
            self._reactor, self._service.environment.threads.run, passed, ports, os.environ
        )
        if self._abandoned:
            self._successor.kill()
        return await self._successor.ready()

    async def _drained(self, ready: Ready) -> bool:
        """Leave what comes to the new process; return True when nothing is left here, False when it is gone first."""
        assert self._successor is not None  # noqa: S101  # it is ready
        self._notifier.main_process(ready.pid)
        self._notifier.muted = True
        self._successor.release()
        self._follower = ready
        if self._reload_asked:
            self._pass_on(ready)
        paused = Deferred.fromCoroutine(self._service.pause(ready.took))
        self._successor.failed.addCallback(lambda _: paused.cancel())
        try:
            await paused
        except CancelledError:
            return False
        return True

    def _pass_on(self, follower: Ready) -> None:
        with suppress(ProcessLookupError):
            os.kill(follower.pid, signal.SIGHUP)

    def _stay(self) -> None:
        self._successor, self._follower, self._under_way = None, None, False
        if self._reload_asked:
            self._reload_asked = False
            self._service.reload()
