"""The network guard: this server connects to no private network that its configuration does not name.

The guard resolves a host once, checks each address, and connects to the allowed ones alone. It does not resolve the
name again, so a second answer cannot differ (DNS rebinding). It checks each address once more when it connects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver, IReactorTime
from zope.interface import implementer  # type: ignore[import-untyped]  # zope ships no types

from imaged.core.errors import SourceFailedError, SourceForbiddenError
from imaged.fetch.networks import Network, forbidden_network
from imaged.fetch.resolver import Address, Resolver

MAXIMUM_ADDRESSES = 8
"""How many addresses of a family are tried. Each attempt begins 0.3 seconds after the one before, with a socket."""


class Guard:
    """Gives endpoints of the allowed addresses of hosts. `timeout_s` is for one attempt to connect."""

    def __init__(self, reactor: Any, resolver: Resolver, timeout_s: float, allow_networks: Sequence[Network]) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._allow_networks = allow_networks

    async def endpoint(self, host: str, port: int) -> HostnameEndpoint:
        """Return an endpoint of `host`, which is a name or an address in any notation.

        Raises SourceForbiddenError if no address is allowed, and SourceFailedError if the host has none.
        """
        addresses = await self._resolver.resolve(host, port)
        if not addresses:
            raise SourceFailedError(f"{host} does not resolve: check the host of the source")
        passed = _few(each for each in addresses if forbidden_network(each.host, self._allow_networks) is None)
        if not passed:
            self._check(host, addresses[0].host)
        # HostnameEndpoint gets an address, not the name: it refuses some names that are in use (a_b.example).
        passage = _Passage(self._reactor, passed, partial(self._check, host))
        return HostnameEndpoint(passage, passed[0].host, port, self._timeout_s)

    def _check(self, host: str, address: str) -> None:
        if (network := forbidden_network(address, self._allow_networks)) is not None:
            raise SourceForbiddenError(
                f"{host} is in a network that this server does not fetch from, {network}: "
                "an operator may name it in sources.allow_networks"
            )


def _few(addresses: Iterable[Address]) -> list[Address]:
    """Return the first addresses of each family, in their order."""
    counts: Counter[type[Address]] = Counter()
    few = []
    for each in addresses:
        counts[type(each)] += 1
        if counts[type(each)] <= MAXIMUM_ADDRESSES:
            few.append(each)
    return few


@implementer(IHostnameResolver, IReactorPluggableNameResolver, IReactorTime)
class _Passage:
    """The part of the reactor that HostnameEndpoint uses, which connects to the `passed` addresses alone."""

    def __init__(self, reactor: Any, passed: Sequence[Address], check: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._passed = passed
        self._check = check
        self.nameResolver = self
        self.callLater = reactor.callLater
        self.seconds = reactor.seconds

    def resolveHostName(self, receiver: Any, *_: object, **__: object) -> None:  # noqa: N802  # Twisted's name
        for address in self._passed:
            receiver.addressResolved(address)
        receiver.resolutionComplete()

    def connectTCP(self, host: str, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # Twisted's name
        self._check(host)
        return self._reactor.connectTCP(host, *args, **kwargs)
