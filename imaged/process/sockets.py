"""Listening sockets: adopt an inherited one, bind a new one, remove a stale one.

An endpoint listens by asking the reactor. `Listening` stands in for the reactor, and gives the endpoint an inherited
socket of its address, if there is one. So every endpoint of Twisted (tcp, tcp6, ssl, unix, and those that wrap them)
can be handed over to another process, which only Twisted's own `systemd:` supports.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.abstract import isIPv6Address
from twisted.internet.error import CannotListenError
from twisted.protocols.tls import TLSMemoryBIOFactory

BACKLOG = 1024
"""How many connections may wait to be accepted, unless the endpoint sets another number than 50, Twisted's default. A
queue of 50 overflows while the reactor reads a configuration. The kernel's net.core.somaxconn is the upper limit."""

_TWISTED_BACKLOG = 50


class Listening:
    """Stands in for the reactor: listens on an inherited socket, and passes every other call on.

    `inherited` is the socket to listen on, whatever the endpoint's address. `passed` are sockets of systemd, one of
    which may have that address. `own` are sockets of this process that will be closed soon: a new socket may share
    their port.
    """

    def __init__(
        self,
        reactor: Any,
        inherited: socket.socket | None,
        passed: Sequence[socket.socket],
        own: Sequence[socket.socket],
    ) -> None:
        self._reactor = reactor
        self._inherited = inherited
        self._passed = passed
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = _TWISTED_BACKLOG, interface: str = "") -> Any:  # noqa: N802
        """Listen as the reactor does."""
        family = socket.AF_INET6 if isIPv6Address(interface) else socket.AF_INET
        try:
            known = socket.getaddrinfo(interface or None, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
            address = known[0][-1]
            found = self._inherited or self._passed_for(address) or self._bind(family, address, backlog)
        except OSError as error:
            raise CannotListenError(interface, port, error) from error
        return self._adopt(found, factory)

    def listenSSL(  # noqa: N802  # Twisted's name
        self,
        port: int,
        factory: Any,
        contextFactory: Any,  # noqa: N803  # as above
        backlog: int = _TWISTED_BACKLOG,
        interface: str = "",
    ) -> Any:
        """Listen with TLS as the reactor does."""
        wrapped = TLSMemoryBIOFactory(contextFactory, isClient=False, wrappedFactory=factory)
        return self.listenTCP(port, wrapped, backlog, interface)

    def listenUNIX(  # noqa: N802  # Twisted's name
        self,
        path: str,
        factory: Any,
        backlog: int = _TWISTED_BACKLOG,
        mode: int = 0o666,
        wantPID: int = 0,  # noqa: ARG002, N803
    ) -> Any:
        """Bind a UNIX socket, replacing a stale one. Needs no lock file."""
        try:
            found = (
                self._inherited or self._passed_for(path) or self._own_at(path, mode) or _bind_path(path, backlog, mode)
            )
        except OSError as error:
            raise CannotListenError(None, path, error) from error
        return self._adopt(found, factory)

    def _adopt(self, found: socket.socket, factory: Any) -> Any:
        port = adopt(self._reactor, found, factory)
        if found not in self._passed:
            found.close()
        return port

    def _own_at(self, path: str, mode: int) -> socket.socket | None:
        """Return a copy of our own socket at `path`, with the new mode: a path can have one socket only."""
        own = next((each for each in self._own if each.family == socket.AF_UNIX and serves(each, path)), None)
        if own is None:
            return None
        os.chmod(path, mode)  # noqa: PTH101  # a name of the kernel's, not a Path
        return copy(own)

    def _passed_for(self, address: Any) -> socket.socket | None:
        return next((each for each in self._passed if serves(each, address)), None)

    def _bind(self, family: int, address: Any, backlog: int) -> socket.socket:
        """Bind a new socket, sharing the port with one of our own if need be.

        A move from 127.0.0.1 to every interface, for example, needs both sockets for a moment. SO_REUSEPORT allows that
        among sockets of one user that all set it. The first attempt does not set it, so that a second daemon still gets
        the error that the port is in use.
        """
        try:
            return _bound(family, address, backlog)
        except OSError as error:
            beside = [each for each in self._own if _port(each) == address[1] != 0]
            if error.errno != errno.EADDRINUSE or not beside:
                raise
        for each in beside:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return _bound(family, address, backlog, share=True)


def adopt(reactor: Any, found: socket.socket, factory: Any) -> Any:
    """Return a port that listens on a copy of `found`. Closing it closes the copy alone."""
    if found.family != socket.AF_UNIX:
        return reactor.adoptStreamPort(found.fileno(), found.family, factory)
    port = _UnixPort(found.getsockname(), factory, reactor=reactor)
    port._preexistingSocket = copy(found)  # noqa: SLF001  # as reactor.adoptStreamPort does
    port.startListening()
    return port


def copy(found: socket.socket) -> socket.socket:
    """Return another descriptor of a socket.

    socket.dup() would make every descriptor of the socket blocking.
    """
    return socket.socket(fileno=os.dup(found.fileno()))


class _UnixPort(unix.Port):
    """A UNIX port that keeps its path: Twisted's changes the mode at the start, and removes the path at the end."""

    def startListening(self) -> None:  # noqa: N802  # Twisted's name
        tcp.Port.startListening(self)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802  # Twisted's name
        tcp.Port.connectionLost(self, reason)


def serves(found: socket.socket, address: Any) -> bool:
    """Return whether a listening socket has an address. A socket of `::` may serve all of IPv4 too."""
    bound = found.getsockname()
    if found.family == socket.AF_UNIX or isinstance(address, str):
        return bool(bound == address)
    if (bound[0], address[0]) == ("::", "0.0.0.0"):  # noqa: S104  # read, not bound
        return bound[1] == address[1] and not found.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return bool(bound[:2] == address[:2])


def occupy_queue(listening: socket.socket) -> socket.socket | None:
    """Take the only place in the queue of a TCP socket with backlog 0; return None if another connection has it.

    While the returned connection waits there, the kernel drops every SYN: no client completes a handshake.
    """
    made = socket.socket(listening.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    made.connect_ex(listening.getsockname())
    if select.select([], [made], [], 0)[1] and made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
        return made
    made.close()
    return None


def is_same(one: socket.socket, other: socket.socket) -> bool:
    """Return whether two descriptors refer to the same socket."""
    return os.fstat(one.fileno()).st_ino == os.fstat(other.fileno()).st_ino


def remove_path(listening: socket.socket) -> None:
    """Remove the path of a UNIX socket that no process will listen on any more."""
    path = listening.getsockname()
    if listening.family == socket.AF_UNIX and isinstance(path, str) and path:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108  # a name of the kernel's, not a Path


def _bound(family: int, address: Any, backlog: int, *, share: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(BACKLOG if backlog == _TWISTED_BACKLOG else backlog)
    except BaseException:
        made.close()
        raise
    return made


def _bind_path(path: str, backlog: int, mode: int) -> socket.socket:
    _remove_stale(path)
    made = _bound(socket.AF_UNIX, path, backlog)
    if path and not path.startswith("\0"):
        os.chmod(path, mode)  # noqa: PTH101  # as above
    return made


def _remove_stale(path: str) -> None:
    """Remove the socket at `path` if no process listens on it."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116  # as above
            return
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)  # noqa: PTH108  # as above


def _port(listening: socket.socket) -> Any:
    return None if listening.family == socket.AF_UNIX else listening.getsockname()[1]
