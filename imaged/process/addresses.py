"""The addresses that endpoints would listen on, found without listening."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.abstract import isIPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from imaged.core.client_addresses import is_of_this_machine
from imaged.core.source_urls import MAXIMUM_PORT

TWISTED_BACKLOG = 50
"""The default of every endpoint."""

_LONGEST_UNIX_PATH = 107  # sun_path of unix(7), without its NUL
_OURS = {"tcp", "tcp6", "ssl", "unix"}  # endpoints that only ask the reactor to listen
_WRAPPERS = {"haproxy"}


@dataclass(frozen=True)
class Address:
    """The address of one endpoint: a port of an interface, or a path."""

    interface: str = ""
    port: int = 0
    path: str | None = None

    def fault(self) -> str | None:
        """Return why no process can listen here, or None. Resolves the interface when it is a name."""
        if self.path is not None:
            if len(os.fsencode(self.path)) > _LONGEST_UNIX_PATH:
                return f"the path of a socket has at most {_LONGEST_UNIX_PATH} bytes: take a shorter one"
            return None
        if not 0 <= self.port <= MAXIMUM_PORT:
            return f"there is no port {self.port}: take one from 1 to {MAXIMUM_PORT}"
        try:
            self.resolved()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            return (
                f"the interface {self.interface!r} is no address and does not resolve to one ({reason}): take an "
                "address of this machine, or leave interface= out for all of them"
            )
        return None

    def overlaps(self, other: Address) -> bool:
        """Return whether both addresses have a place to connect to in common. Neither has a fault."""
        if self.path is not None and other.path is not None:
            return os.path.realpath(self.path) == os.path.realpath(other.path)
        if {self.path, other.path} != {None} or self.port != other.port or not self.port:  # port 0 is any that is free
            return False
        here, there = (each.resolved()[1][0] for each in (self, other))
        return here == there or "::" in {here, there} or ("0.0.0.0" in {here, there} and ":" not in here + there)  # noqa: S104  # compared, not bound

    @property
    def is_private(self) -> bool:
        """Whether only programs of this machine can connect here. The address has no fault."""
        return self.path is not None or is_of_this_machine(str(self.resolved()[1][0]))

    def resolved(self) -> tuple[int, Any]:
        """Return the family of the socket, and what to bind it to. Raises OSError or UnicodeError."""
        if self.path is not None:
            return socket.AF_UNIX, self.path
        family = socket.AF_INET6 if isIPv6Address(self.interface) else socket.AF_INET  # as the endpoints listen
        flags = socket.AI_PASSIVE
        return family, socket.getaddrinfo(self.interface or None, self.port, family, socket.SOCK_STREAM, 0, flags)[0][4]


def address(reactor: Any, endpoint: str) -> Address | None:
    """Return where an endpoint would listen, or None for a kind that may do more than ask the reactor to listen.

    Raises whatever Twisted's parsers raise for a malformed endpoint.
    """
    found: list[Address] = []
    parsed = serverFromString(StandIn(reactor, lambda address, *_: found.append(address)), endpoint)
    kinds = [kind for kind in endpoint.split(":")[:2] if kind not in _WRAPPERS]
    if kinds and kinds[0] in _OURS:
        parsed.listen(Factory()).addErrback(lambda _: None)
    return found[0] if found else None


class StandIn:
    """Stands in for the reactor: passes calls to listen to `listen`, and every other call to the reactor.

    An endpoint listens by asking the reactor. So every endpoint of Twisted (tcp, tcp6, ssl, unix, and those that wrap
    them) can be handed over to another process, which only Twisted's own `systemd:` supports. `listen` gets the
    address, the factory, the backlog and the mode of a path.
    """

    def __init__(self, reactor: Any, listen: Callable[[Address, Any, int, int], Any]) -> None:
        self._reactor = reactor
        self._listen = listen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = TWISTED_BACKLOG, interface: str = "") -> Any:  # noqa: N802  # Twisted's name
        """Listen on a port."""
        return self._listen(Address(interface=interface, port=port), factory, backlog, 0)

    def listenSSL(  # noqa: N802  # Twisted's name
        self,
        port: int,
        factory: Any,
        contextFactory: Any,  # noqa: N803  # as above
        backlog: int = TWISTED_BACKLOG,
        interface: str = "",
    ) -> Any:
        """Listen on a port with TLS."""
        wrapped = TLSMemoryBIOFactory(contextFactory, isClient=False, wrappedFactory=factory)
        return self.listenTCP(port, wrapped, backlog, interface)

    def listenUNIX(  # noqa: N802  # Twisted's name
        self, address: str, factory: Any, backlog: int = TWISTED_BACKLOG, mode: int = 0o666, **_: Any
    ) -> Any:
        """Listen on a path, without a lock file."""
        return self._listen(Address(path=address), factory, backlog, mode)
