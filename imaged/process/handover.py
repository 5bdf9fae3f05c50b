"""Handing over: a new process of the program is started with our sockets, and takes their connections when it is ready.

The two talk over a channel, a line of JSON each time. The new one says its process number, then that it is ready or why
it cannot be; the old one says when the service is the new one's. Each learns of the other's end by the channel's; a new
one that leaves in good order, while the old one still drains, says so first.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError
from imaged.hooks.host import RunInThread
from imaged.process.inheritance import Inheritance, Passed, Port, pass_on
from imaged.process.signals import LEAVE, RELOAD, UPGRADE

START_WITHIN_S = 60.0
"""How long a new process may take to be ready; systemd's own patience (TimeoutStartSec) is 90 s."""


class SuccessorError(ImagedError):
    """A new process did not come so far as to take over."""


@dataclass(frozen=True)
class Ready:
    """What a new process says when it serves: its number, and the settings whose ports it took over."""

    pid: int
    took: frozenset[str]


class Channel(LineReceiver):
    """One end of the channel: hands each message to `hear`; `lost` fires when the other end is gone."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, hear: Callable[[dict[str, Any]], None]) -> None:
        self._hear = hear
        self.lost: Deferred[None] = Deferred()

    def say(self, **message: Any) -> None:
        """Send a message; nothing happens when nobody is there to hear it."""
        self.sendLine(json.dumps(message).encode())  # type: ignore[no-untyped-call]  # Twisted has no type for it

    def end(self) -> None:
        """End the channel, when all has been said."""
        transport: Any = self.transport
        transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take a message."""
        self._hear(json.loads(line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802  # Twisted's
        """Tell of the end."""
        self.lost.callback(None)


class Successor:
    """The process that is to take over, as the old one sees it. Reactor thread only.

    `started` is the process that was started, which only brings forth the one that is to stay.
    """

    def __init__(self, reactor: Any, end: socket.socket, started: subprocess.Popen[bytes]) -> None:
        self._reactor = reactor
        self._started = started
        self._pid = 0
        self._left = self._killed = False
        self._ready: Deferred[Ready] = Deferred()
        self._channel = _open(reactor, end, self._hear)
        self._channel.lost.addCallback(self._end)
        self.failed: Deferred[None] = Deferred()
        """Fires when it is gone and has not said that it leaves."""

    async def ready(self) -> Ready:
        """Return when it serves. Raises SuccessorError when it does not, and then it is gone."""
        try:
            return await self._ready.addTimeout(START_WITHIN_S, self._reactor, _too_slow)
        except SuccessorError:
            self.kill()
            raise

    def release(self) -> None:
        """Tell it that the service is its own from now on."""
        self._channel.say(released=True)

    def kill(self) -> None:
        """End it, if it lives, or as soon as its number is known: while the channel is open that is nobody else's."""
        self._killed = True
        self._started.kill()
        if self._pid and not self._channel.lost.called:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _hear(self, message: dict[str, Any]) -> None:
        self._pid = message.get("pid", self._pid)
        self._left = message.get("left", self._left)
        if self._killed:
            self.kill()
        if self._ready.called:
            return
        if "error" in message:
            self._ready.errback(SuccessorError(message["error"]))
        elif "took" in message:
            self._ready.callback(Ready(self._pid, frozenset(message["took"])))

    def _end(self, _: None) -> None:
        if not self._ready.called:
            self._ready.errback(SuccessorError("it ended before it was ready; its own lines say why"))
        if not self._left:
            self.failed.callback(None)


class Predecessor:
    """The process that we take over from, as the new one sees it; there may be none. Reactor thread only."""

    def __init__(self, reactor: Any, inheritance: Inheritance) -> None:
        end = inheritance.channel
        self._channel = None if end is None else _open(reactor, end, self._hear)
        self._released: Deferred[bool] = Deferred()
        if self._channel is None:
            self._released.callback(True)
        else:
            self._channel.lost.addCallback(lambda _: self._hear({"released": False}))

    def ready(self, took: Iterable[str]) -> None:
        """Tell it that we serve, and from which of its ports, by the settings that name them."""
        if self._channel is not None:
            self._channel.say(took=list(took))

    def left(self) -> None:
        """Tell it that we leave in our turn, if it is still there: that is no reason for it to come back."""
        if self._channel is not None:
            self._channel.say(left=True)

    async def failed(self, reason: str) -> None:
        """Tell it why we cannot; return when that is said."""
        if self._channel is not None:
            self._channel.say(error=reason)
            self._channel.end()
            await self._channel.lost

    async def released(self) -> bool:
        """Return when the service is ours: True when it was given to us, False when its owner is gone."""
        return await self._released

    def _hear(self, message: dict[str, Any]) -> None:
        if not self._released.called:
            self._released.callback(message["released"])


async def start_successor(
    reactor: Any, run: RunInThread, passed: Sequence[Passed], ports: Sequence[Port], environ: Mapping[str, str]
) -> Successor:
    """Start the program anew, with these sockets. Raises SuccessorError when there is no program to start."""
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise SuccessorError(f"there can be no channel to it: {error.strerror}") from error
    with theirs:
        environment, descriptors = pass_on(environ, passed, ports, theirs)
        try:
            started = await run(_spawn, command(), environment, descriptors)
        except OSError as error:
            ours.close()
            raise SuccessorError(f"{command()[0]} cannot be run: {error.strerror}") from error
    return Successor(reactor, ours, started)


def command() -> list[str]:
    """Return what starts this program anew as it was started.

    A script that was called by its path is called so again: what lies there now may name another interpreter.
    """
    script = sys.argv[0]
    if sys.orig_argv[1:2] == [script] and os.access(script, os.X_OK):
        return [script, *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


def _too_slow(_: object, timeout_s: float) -> Ready:
    raise SuccessorError(f"it was not ready after {timeout_s:.0f} s")


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    # What is blocked here stays blocked in the new process until it has handlers: until then they would end it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*LEAVE, RELOAD, UPGRADE})
    try:
        started = subprocess.Popen(command, env=environment, pass_fds=descriptors)  # noqa: S603  # our own command line
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    Thread(target=started.wait, daemon=True).start()  # else it stays a zombie
    return started


def _open(reactor: Any, end: socket.socket, hear: Callable[[dict[str, Any]], None]) -> Channel:
    channel = Channel(hear)
    end.setblocking(False)
    with end:
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: channel))
    return channel
