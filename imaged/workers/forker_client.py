"""The daemon's side of a template: asks it for children, and hears how each ends."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred

from imaged.workers.forker import FORK, KILL, REPORT, REQUEST


class ChildProcess:
    """A process that a template forks. Its end fires `wait`. Reactor thread only, but for `connection`.

    `pid` is None until the template has reported it, and for ever when it could not fork. `status` is the wait status
    of a process that has ended (waitpid(2)), or None when its template died first; `ended_s` is when its end was
    reported, on the monotonic clock.
    """

    def __init__(self, reactor: Any, number: int, connection: socket.socket, report: int) -> None:
        self.number = number
        self.connection = connection
        self.pid: int | None = None
        self.status: int | None = None
        self.ended = False
        self.ended_s = 0.0
        self._reactor = reactor
        self._report = report
        self._waiting: list[Deferred[None]] = []
        reactor.addReader(self)

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when the process has ended."""
        waiter: Deferred[None] = Deferred()
        if self.ended:
            waiter.callback(None)
        else:
            self._waiting.append(waiter)
        return waiter

    async def end_within(self, within_s: float) -> bool:
        """Wait until the process has ended, or that time is over; return whether it has."""
        await self.wait().addTimeout(within_s, self._reactor).addErrback(lambda _: None)
        return self.ended

    def fileno(self) -> int:
        """Return the descriptor that the reactor watches."""
        return self._report

    def doRead(self) -> None:  # noqa: N802  # Twisted's name
        """Read the pid, then the status, then the end of the pipe."""
        report = os.read(self._report, REPORT.size)
        if not report:
            self.connectionLost()
        elif self.pid is None:
            (self.pid,) = REPORT.unpack(report)
        else:
            (self.status,) = REPORT.unpack(report)

    def connectionLost(self, _: object = None) -> None:  # noqa: N802  # Twisted's name
        """Note the end: of the process, of the template, or of the reactor."""
        if self.ended:
            return
        self.ended, self.ended_s = True, monotonic()
        self._reactor.removeReader(self)
        os.close(self._report)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def logPrefix(self) -> str:  # noqa: N802  # Twisted's name
        """Return the name for Twisted's own log lines."""
        return "worker process"


class ForkerClient:
    """Sends requests to the Forker at the other end of `control`. Reactor thread only."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers = count(1)

    def fork(self, reactor: Any) -> ChildProcess:
        """Ask for a child, whose end `reactor` notices; return at once. Raises OSError when the template has died."""
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            socket.send_fds(self._control, [REQUEST.pack(FORK, number)], [theirs.fileno(), write])
        except OSError:
            ours.close()
            os.close(read)
            raise
        finally:
            theirs.close()
            os.close(write)
        return ChildProcess(reactor, number, ours, read)

    def kill(self, child: ChildProcess) -> None:
        """Kill a child and what it has forked; return at once."""
        with suppress(OSError):  # the template has died, and its children with it
            self._control.send(REQUEST.pack(KILL, child.number))

    def close(self) -> None:
        """End the template and all its children."""
        self._control.close()
