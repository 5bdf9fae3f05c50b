"""Listening sockets: adopt an inherited one, bind a new one, remove a stale one."""

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

from imaged.process.addresses import TWISTED_BACKLOG, Address

BACKLOG = 1024
"""How many connections may wait to be accepted, unless the endpoint sets another number than Twisted's: a queue of 50
overflows while the reactor reads a configuration. The kernel's net.core.somaxconn is the upper limit."""


def open_socket(
    address: Address, backlog: int, mode: int, passed: Sequence[socket.socket], own: Sequence[socket.socket]
) -> socket.socket:
    """Return a listening socket of an address: a copy of one that has it already, or a new one. Raises OSError.

    `passed` are sockets of systemd. `own` are sockets of this process that will be closed soon: a new socket may share
    their port, and a path can have one socket only, which gets the new mode.
    """
    family, wanted = address.resolved()
    for each in passed:
        if serves(each, wanted):
            return copy(each)
    if address.path is None:
        return _bind(family, wanted, backlog, own)
    for each in own:
        if each.family == socket.AF_UNIX and serves(each, wanted):
            os.chmod(wanted, mode)  # noqa: PTH101  # a name of the kernel's, not a Path
            return copy(each)
    return _bind_path(wanted, backlog, mode)


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


def _bind(family: int, address: Any, backlog: int, own: Sequence[socket.socket]) -> socket.socket:
    """Bind a new socket, sharing the port with one of our own if need be.

    A move from 127.0.0.1 to every interface, for example, needs both sockets for a moment. SO_REUSEPORT allows that
    among sockets of one user that all set it. The first attempt does not set it, so that a second daemon still gets
    the error that the port is in use.
    """
    try:
        return _bound(family, address, backlog)
    except OSError as error:
        beside = [each for each in own if each.family != socket.AF_UNIX and each.getsockname()[1] == address[1] != 0]
        if error.errno != errno.EADDRINUSE or not beside:
            raise
    for each in beside:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return _bound(family, address, backlog, share=True)


def _bound(family: int, address: Any, backlog: int, *, share: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(BACKLOG if backlog == TWISTED_BACKLOG else backlog)
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
