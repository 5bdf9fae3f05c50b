"""The addresses that endpoints would listen on, found out without listening."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from twisted.internet.abstract import isIPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from imaged.core.source_urls import MAXIMUM_PORT

_LONGEST_UNIX_PATH = 107  # sun_path of unix(7), without its NUL
_OURS = {"tcp", "tcp6", "ssl", "unix"}  # endpoints that do nothing but ask the reactor to listen
_WRAPPERS = {"haproxy"}


@dataclass(frozen=True)
class Address:
    """Where one endpoint listens: on a port of an interface, or on a path."""

    interface: str = ""
    port: int = 0
    path: str = ""

    def fault(self) -> str | None:
        """Return why nothing can listen here, on any machine or on this one; a name of an interface is resolved."""
        if self.path:
            if len(os.fsencode(self.path)) > _LONGEST_UNIX_PATH:
                return f"the path of a socket has at most {_LONGEST_UNIX_PATH} bytes: take a shorter one"
            return None
        if not 0 <= self.port <= MAXIMUM_PORT:
            return f"there is no port {self.port}: take one from 1 to {MAXIMUM_PORT}"
        try:
            self._resolved()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            return (
                f"the interface {self.interface!r} is no address and does not resolve to one ({reason}): take an "
                "address of this machine, or leave interface= out for all of them"
            )
        return None

    def overlaps(self, other: Address) -> bool:
        """Say whether what connects to one of the two might have meant the other. Neither has a fault."""
        if self.path or other.path:
            return bool(self.path) and os.path.realpath(self.path) == os.path.realpath(other.path)
        if self.port != other.port or not self.port:  # port 0 is any that is free
            return False
        here, there = self._resolved(), other._resolved()
        return here == there or "::" in {here, there} or ("0.0.0.0" in {here, there} and ":" not in here + there)  # noqa: S104  # compared, not bound

    def _resolved(self) -> str:
        family = socket.AF_INET6 if isIPv6Address(self.interface) else socket.AF_INET  # as the endpoints listen
        found = socket.getaddrinfo(self.interface or None, 0, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
        return str(found[0][-1][0])


def address(reactor: Any, endpoint: str) -> Address | None:
    """Return where an endpoint would listen, or None for a kind that may do more than ask the reactor for it.

    Raises what Twisted's parsers raise for one that is malformed.
    """
    asked = _Asked(reactor)
    parsed = serverFromString(asked, endpoint)
    kinds = [kind for kind in endpoint.split(":")[:2] if kind not in _WRAPPERS]
    if kinds and kinds[0] in _OURS:
        parsed.listen(Factory()).addErrback(lambda _: None)
    return asked.address


class _Asked:
    """The reactor, but for listening: that it only takes note of."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.address: Address | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, *_: Any, interface: str = "", **__: Any) -> None:  # noqa: N802  # Twisted's name
        self.address = Address(interface=interface, port=port)

    def listenSSL(self, port: int, *_: Any, interface: str = "", **__: Any) -> None:  # noqa: N802  # Twisted's name
        self.address = Address(interface=interface, port=port)

    def listenUNIX(self, address: str, *_: Any, **__: Any) -> None:  # noqa: N802  # Twisted's name
        self.address = Address(path=address)
