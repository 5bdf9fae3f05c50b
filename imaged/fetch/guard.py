"""The network guard: this server connects to no private network that its configuration does not name.

The guard resolves a host once, checks each address, and connects to the allowed ones alone. It does not resolve the
name again, so a second answer cannot differ (DNS rebinding). It checks each address once more when it connects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IHostnameResolver,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTime,
    IStreamClientEndpoint,
)
from zope.interface import implementer  # type: ignore[import-untyped]  # zope ships no types

from imaged.core.errors import SourceFailedError, SourceForbiddenError
from imaged.fetch.networks import Network, forbidden_network
from imaged.fetch.resolver import Address, Resolves


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """Connects to the allowed addresses of `host`, which is a name or an address in any notation.

    `connect` fails with SourceForbiddenError if no address is allowed, with SourceFailedError if the host has none, and
    otherwise as HostnameEndpoint does. `timeout_s` is for one attempt.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Resolves,
        host: str,
        port: int,
        timeout_s: float,
        allow_networks: Sequence[Network],
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._allow_networks = allow_networks

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of the connected protocol; cancelling it cancels every attempt."""
        return Deferred.fromCoroutine(self._connect(protocol_factory))

    async def _connect(self, protocol_factory: IProtocolFactory) -> IProtocol:
        addresses = await self._resolver.resolve(self._host, self._port)
        if not addresses:
            raise SourceFailedError(f"{self._host} does not resolve: check the host of the source")
        passed = [address for address in addresses if self._refusal(address.host) is None]
        if not passed:
            self._check(addresses[0].host)
        # HostnameEndpoint gets an address, not the name: it refuses some names that are in use (a_b.example).
        passage = _Passage(self._reactor, passed, self._check)
        return await HostnameEndpoint(passage, passed[0].host, self._port, self._timeout_s).connect(protocol_factory)

    def _refusal(self, address: str) -> SourceForbiddenError | None:
        network = forbidden_network(address, self._allow_networks)
        if network is None:
            return None
        return SourceForbiddenError(
            f"{self._host} lies in a network that this server does not fetch from, {network}: "
            "an operator may name it in sources.allow_networks"
        )

    def _check(self, address: str) -> None:
        if (refusal := self._refusal(address)) is not None:
            raise refusal


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
