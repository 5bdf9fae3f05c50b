"""The handover from an old process to a new one, which inherits the sockets and serves them when it is ready.

They exchange messages over a channel, each a line of JSON. The new process sends its process number, then that it is
ready, or why it cannot start. The old process sends that it has released the service. When either one ends, the channel
closes; a new process that shuts down in order, while the old one still drains, sends that first.
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
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError
from imaged.hooks.host import RunInThread
from imaged.process.inherited_sockets import ActivationSocket, InheritedPort, InheritedSockets, handover_environment
from imaged.process.signals import RELOAD, STOP, UPGRADE

START_WITHIN_S = 60.0
"""How long a new process may take to be ready; systemd waits 90 s for a start (TimeoutStartSec)."""


class UpgradeError(ImagedError):
    """A new process could not be started, or did not become ready."""


class HandoverChannel(LineReceiver):
    """One end of the channel. Passes each message to `receive`; `lost` fires when the other end has closed."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, receive: Callable[[dict[str, Any]], None]) -> None:
        self._receive = receive
        self.lost: Deferred[None] = Deferred()

    def send(self, **message: Any) -> None:
        """Send a message; do nothing when the other end has closed."""
        self.sendLine(json.dumps(message).encode())  # type: ignore[no-untyped-call]  # Twisted has no type for it

    def close(self) -> None:
        """Close the channel when every message has been sent."""
        transport: Any = self.transport
        transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        """Pass a message on."""
        self._receive(json.loads(line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802  # Twisted's
        """Fire `lost`."""
        self.lost.callback(None)


class NewProcess:
    """The new process, as the old one sees it. Reactor thread only.

    `started` is the program that was started; it forks the new process and ends. From `ready` on, `pid` is its process
    number, and `claimed` has the keys of the ports that it claimed.
    """

    def __init__(self, reactor: Any, end: socket.socket, started: subprocess.Popen[bytes]) -> None:
        self._reactor = reactor
        self._started = started
        self.pid = 0
        self.claimed: frozenset[str] = frozenset()
        self._has_left = self._killed = False
        self._ready: Deferred[None] = Deferred()
        self._channel = _open(reactor, end, self._receive)
        self._channel.lost.addCallback(self._lost)
        self.failed: Deferred[None] = Deferred()
        """Fires when the process has ended without a message that it shuts down."""

    async def ready(self) -> None:
        """Wait until it is ready to serve. Kill it and raise UpgradeError when it fails, or takes too long."""
        try:
            await self._ready.addTimeout(START_WITHIN_S, self._reactor, _too_slow)
        except UpgradeError:
            self.kill()
            raise

    def release(self) -> None:
        """Tell it that it is the service from now on."""
        self._channel.send(released=True)

    def reload(self) -> None:
        """Tell it to reload its settings."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, RELOAD)

    def kill(self) -> None:
        """Kill it, now or as soon as its process number is known. While the channel is open, the number is its own."""
        self._killed = True
        self._started.kill()
        if self.pid and not self._channel.lost.called:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _receive(self, message: dict[str, Any]) -> None:
        self.pid = message.get("pid", self.pid)
        self._has_left = message.get("left", self._has_left)
        if self._killed:
            self.kill()
        if self._ready.called:
            return
        if "error" in message:
            self._ready.errback(UpgradeError(message["error"]))
        elif "took" in message:
            self.claimed = frozenset(message["took"])
            self._ready.callback(None)

    def _lost(self, _: None) -> None:
        if not self._ready.called:
            self._ready.errback(UpgradeError("it ended before it was ready; its own log lines say why"))
        if not self._has_left:
            self.failed.callback(None)


class OldProcess:
    """The old process, as the new one sees it, or none after an ordinary start. Reactor thread only."""

    def __init__(self, reactor: Any, inherited: InheritedSockets) -> None:
        end = inherited.channel
        self._channel = None if end is None else _open(reactor, end, self._receive)
        self._released: Deferred[bool] = Deferred()
        if self._channel is None:
            self._released.callback(True)
        else:
            self._channel.lost.addCallback(lambda _: self._receive({"released": False}))

    def send_ready(self, claimed: Iterable[str]) -> None:
        """Tell it that this process is ready, and the keys of the ports that it has claimed."""
        if self._channel is not None:
            self._channel.send(took=list(claimed))

    def send_left(self) -> None:
        """Tell it that this process shuts down in order, so that it does not serve again."""
        if self._channel is not None:
            self._channel.send(left=True)

    async def send_failed(self, reason: str) -> None:
        """Tell it why this process cannot start; return when it has the message."""
        if self._channel is not None:
            self._channel.send(error=reason)
            self._channel.close()
            await self._channel.lost

    async def released(self) -> bool:
        """Wait until this process is the service: True if the old one released it, False if the old one has ended."""
        return await self._released

    def _receive(self, message: dict[str, Any]) -> None:
        if not self._released.called:
            self._released.callback(message["released"])


async def start_new_process(
    reactor: Any,
    run: RunInThread,
    passed: Sequence[ActivationSocket],
    ports: Sequence[InheritedPort],
    environ: Mapping[str, str],
) -> NewProcess:
    """Start the program again, with these sockets. Raises UpgradeError when it cannot be run."""
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise UpgradeError(f"the socket pair to the new process cannot be opened: {error.strerror}") from error
    with theirs:
        environment, descriptors = handover_environment(environ, passed, ports, theirs)
        try:
            started = await run(_spawn, command(), environment, descriptors)
        except OSError as error:
            ours.close()
            raise UpgradeError(f"{command()[0]} cannot be run: {error.strerror}") from error
    return NewProcess(reactor, ours, started)


def command() -> list[str]:
    """Return the command line that started this program.

    A script that was run by its path is run by its path again: its first line may now name another interpreter.
    """
    script = sys.argv[0]
    if sys.orig_argv[1:2] == [script] and os.access(script, os.X_OK):
        return [script, *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


def _too_slow(_: object, timeout_s: float) -> None:
    raise UpgradeError(f"it was not ready after {timeout_s:.0f} s")


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    # The new process inherits the blocked signals. They would end it before it has installed its handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP, RELOAD, UPGRADE})
    try:
        started = subprocess.Popen(command, env=environment, pass_fds=descriptors)  # noqa: S603  # the command line of this process
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    Thread(target=started.wait, daemon=True).start()  # it would stay a zombie
    return started


def _open(reactor: Any, end: socket.socket, receive: Callable[[dict[str, Any]], None]) -> HandoverChannel:
    channel = HandoverChannel(receive)
    end.setblocking(False)
    with end:
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: channel))
    return channel
