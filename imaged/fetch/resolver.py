"""Resolves hosts with the system's resolver, on daemon threads.

`getaddrinfo` knows /etc/hosts, search domains and the other sources of nsswitch.conf, but it cannot be cancelled: glibc
waits 5 seconds for each name server, twice. Ten dead names would fill Twisted's pool of ten threads, stop all
resolution, and delay the end of the process. So each lookup has a daemon thread, concurrent lookups of a name are
coalesced, and the number of lookups is bounded in total and for each zone: a dead zone cannot take all threads.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004  # Twisted's own class
from twisted.internet.interfaces import IHostnameResolver
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]  # zope ships no types

from imaged.core.errors import SourceFailedError, SourceTimeoutError

LOOKUP_S = 8.0
"""How long a caller waits for a name: after 5 seconds glibc asks the second name server."""

MAXIMUM_LOOKUPS = 128
"""How many lookups run at once. Others wait, for at most LOOKUP_S."""

ZONE_LOOKUPS = 32
"""How many of them may be in one zone, the last two labels of a name."""

Address = IPv4Address | IPv6Address
_KINDS = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
"""Hosts whose last label is a number: an IPv4 address or invalid (WHATWG URL, 3.5)."""


class Resolver:
    """Resolves hosts with `getaddrinfo`. Reactor thread only."""

    def __init__(self, reactor: Any, getaddrinfo: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo
        self._waiting: dict[str, list[Deferred[Sequence[Any]]]] = {}  # by host, the oldest first
        self._running: set[str] = set()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the addresses of `host` in the system's order; the list may be empty.

        An address, in any notation, needs no lookup. Raises SourceTimeoutError after LOOKUP_S.
        """
        found = _numeric(host)
        if found is None:
            try:
                found = await self._lookup(host).addTimeout(LOOKUP_S, self._reactor)
            except TimeoutError as error:
                raise SourceTimeoutError(
                    f"{host} does not resolve: no name server answered within {LOOKUP_S:g} seconds; try again later"
                ) from error
        kinds = [(_KINDS.get(family), sockaddr[0]) for family, _, _, _, sockaddr in found]
        return [kind("TCP", address, port) for kind, address in kinds if kind is not None]

    def _lookup(self, host: str) -> Deferred[Sequence[Any]]:
        waiter: Deferred[Sequence[Any]] = Deferred(lambda waiter: self._forget(host, waiter))
        self._waiting.setdefault(host, []).append(waiter)
        self._start()
        return waiter

    def _forget(self, host: str, waiter: Deferred[Sequence[Any]]) -> None:
        """Remove a cancelled waiter, and the lookup if it is queued and has no other waiter."""
        waiters = self._waiting.get(host, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters and host not in self._running:
            self._waiting.pop(host, None)

    def _start(self) -> None:
        """Start queued lookups within the bounds, the oldest first."""
        zones = Counter(map(_zone, self._running))
        for host in [each for each in self._waiting if each not in self._running]:
            if len(self._running) < MAXIMUM_LOOKUPS and zones[_zone(host)] < ZONE_LOOKUPS:
                self._running.add(host)
                zones[_zone(host)] += 1
                try:
                    Thread(target=self._ask, args=(host,), name="lookup", daemon=True).start()
                except RuntimeError:  # no more threads
                    error = SourceFailedError(f"{host} cannot be looked up: this machine gives no more threads")
                    self._reactor.callLater(0, self._answer, host, Failure(error))

    def _ask(self, host: str) -> None:
        """Call the system's resolver. Lookup thread."""
        answer: Sequence[Any]
        try:
            answer = self._getaddrinfo(host, None, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # no such name, no answer, or invalid in IDNA
            answer = ()
        self._reactor.callFromThread(self._answer, host, answer)

    def _answer(self, host: str, answer: Sequence[Any] | Failure) -> None:
        self._running.remove(host)
        for waiter in self._waiting.pop(host):
            waiter.callback(answer)  # a Failure makes it an errback
        self._start()


@implementer(IHostnameResolver)
class ReactorResolver:
    """A Resolver for Twisted's reactor, which plugins use when they connect by name."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def resolveHostName(  # noqa: N802  # Twisted's names, here and below
        self,
        receiver: Any,
        host: str,
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[Any]] | None = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803, ARG002  # the address is good for UDP as well
    ) -> Any:
        """Pass the addresses of `host` to `receiver`, none if it does not resolve in time."""
        receiver.resolutionBegan(self)

        async def resolve() -> None:
            try:
                addresses = await self._resolver.resolve(host, portNumber)
            except SourceFailedError:
                addresses = []
            for address in addresses:
                if addressTypes is None or isinstance(address, tuple(addressTypes)):
                    receiver.addressResolved(address)
            receiver.resolutionComplete()

        Deferred.fromCoroutine(resolve())
        return self


def use_own_threads(reactor: Any) -> None:
    """Make the reactor resolve names with a Resolver, whose threads do not delay the end of the process."""
    reactor.installNameResolver(ReactorResolver(Resolver(reactor)))


def _numeric(host: str) -> Sequence[Any] | None:
    """Return the address that `host` writes in any notation, () if it is invalid, None if it is a name."""
    ask = partial(socket.getaddrinfo, port=None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    numeric = ":" in host or _NUMERIC.fullmatch(host) is not None
    try:
        return ask(host.removesuffix(".")) if numeric else None
    except (OSError, UnicodeError):
        return ()


def _zone(host: str) -> str:
    return ".".join(host.rstrip(".").split(".")[-2:])
