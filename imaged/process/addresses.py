"""The addresses that endpoints would listen on, found without listening."""

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
_OURS = {"tcp", "tcp6", "ssl", "unix"}  # endpoints that only ask the reactor to listen
_WRAPPERS = {"haproxy"}


@dataclass(frozen=True)
class Address:
    """The address of one endpoint: a port of an interface, or a path."""

    interface: str = ""
    port: int = 0
    path: str = ""

    def fault(self) -> str | None:
        """Return why no process can listen here, or None. Resolves the interface when it is a name."""
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
        """Return whether both addresses have a place to connect to in common. Neither has a fault."""
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
    """Return where an endpoint would listen, or None for a kind that may do more than ask the reactor to listen.

    Raises whatever Twisted's parsers raise for a malformed endpoint.
    """
    recorder = _Recorder(reactor)
    parsed = serverFromString(recorder, endpoint)
    kinds = [kind for kind in endpoint.split(":")[:2] if kind not in _WRAPPERS]
    if kinds and kinds[0] in _OURS:
        parsed.listen(Factory()).addErrback(lambda _: None)
    return recorder.address


class _Recorder:
    """Stands in for the reactor: records the address of a call to listen, and passes every other call on."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.address: Address | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, *_: Any, interface: str = "", **__: Any) -> None:  # noqa: N802  # Twisted's name
        self.address = Address(interface=interface, port=port)

    listenSSL = listenTCP  # noqa: N815  # as above

    def listenUNIX(self, address: str, *_: Any, **__: Any) -> None:  # noqa: N802  # Twisted's name
        self.address = Address(path=address)
