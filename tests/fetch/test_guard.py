"""The guard connects to checked addresses alone. These tests use no network."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from names import Names
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from imaged.core.errors import SourceFailedError, SourceForbiddenError
from imaged.fetch.guard import MAXIMUM_ADDRESSES, Guard

PUBLIC, OTHER, PUBLIC_IPV6 = "93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"


class Net:
    """A reactor in memory with names, and a guard."""

    def __init__(self, *answers: Sequence[str] | None, allow: Sequence[str] = ()) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.names = Names(*answers)
        networks = [ip_network(network) for network in allow]
        self.guard = Guard(self.reactor, self.names, 5.0, networks)

    def connect(self) -> Deferred[Any]:
        """Start to connect."""
        return Deferred.fromCoroutine(self._connect())

    async def _connect(self) -> Any:
        endpoint = await self.guard.endpoint("a_b.example", 80)
        return await endpoint.connect(Factory.forProtocol(Protocol))  # type: ignore[arg-type]

    def tried(self) -> list[str]:
        """Return the addresses of all attempts within the next minute."""
        self.reactor.pump([0.3] * 200)
        return [client[0] for client in self.reactor.tcpClients]


def failure(connecting: Deferred[Any]) -> BaseException:
    """Return its error."""
    failures: list[Failure] = []
    connecting.addErrback(failures.append)
    assert failures[0].value is not None
    return failures[0].value


def test_a_public_address_is_allowed() -> None:
    """The name is resolved once, unchanged."""
    net = Net([PUBLIC])
    net.connect()
    assert net.tried() == [PUBLIC]
    assert net.names.asked == ["a_b.example"]


def test_all_public_addresses_are_tried_one_after_the_other() -> None:
    """A host with one dead address is reached (RFC 8305)."""
    net = Net([PUBLIC_IPV6, PUBLIC, OTHER])
    net.connect()
    assert net.tried() == [PUBLIC_IPV6, PUBLIC, OTHER]


def test_private_addresses_are_left_out() -> None:
    """Of a name with both kinds, the public addresses are used."""
    net = Net(["10.0.0.1", PUBLIC, "::1", OTHER, "fe80::1"])
    net.connect()
    assert net.tried() == [PUBLIC, OTHER]


def test_private_addresses_alone_are_forbidden() -> None:
    """The error names the host and the range."""
    net = Net(["10.0.0.1", "::1"])
    error = failure(net.connect())
    assert isinstance(error, SourceForbiddenError)
    assert "a_b.example" in str(error)
    assert "private 10.0.0.0/8" in str(error)
    assert net.tried() == []


def test_a_network_of_the_operator_is_allowed() -> None:
    """No other private network is."""
    net = Net(["10.1.2.3", "10.2.0.1"], allow=["10.1.0.0/16"])
    net.connect()
    assert net.tried() == ["10.1.2.3"]


def test_a_name_is_resolved_once() -> None:
    """The guard connects to the addresses that it checked (DNS rebinding)."""
    net = Net([PUBLIC], ["127.0.0.1"])
    net.connect()
    assert net.tried() == [PUBLIC]
    assert len(net.names.asked) == 1
    assert isinstance(failure(net.connect()), SourceForbiddenError)
    assert net.tried() == [PUBLIC]


def test_addresses_are_checked_again_when_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that passed the first check wrongly is refused."""
    net = Net(["127.0.0.1"])
    judgements = iter([None, "late"])
    monkeypatch.setattr("imaged.fetch.guard.forbidden_network", lambda *_: next(judgements))
    connecting = net.connect()
    assert net.tried() == []
    assert "late" in str(failure(connecting))


def test_a_name_without_an_address_fails() -> None:
    """It is the source's failure."""
    assert isinstance(failure(Net([]).connect()), SourceFailedError)


def test_the_last_failure_is_raised() -> None:
    """If every address fails, the error has the reason."""
    net = Net([PUBLIC])
    connecting = net.connect()
    factory = net.reactor.tcpClients[0][2]
    factory.clientConnectionFailed(net.reactor.connectors[0], Failure(ConnectError()))
    net.tried()
    assert isinstance(failure(connecting), ConnectError)


@pytest.mark.parametrize("answer", [None, [PUBLIC]])
def test_cancelling_leaves_nothing(answer: Sequence[str] | None) -> None:
    """It cancels a lookup, and an attempt to connect."""
    net = Net(answer)
    connecting = net.connect()
    connecting.cancel()
    assert isinstance(failure(connecting), CancelledError | ConnectingCancelledError)
    assert all(connector.stoppedConnecting or connector._disconnected for connector in net.reactor.connectors)
    assert net.reactor.getDelayedCalls() == []


def test_a_few_addresses_of_each_family_are_tried() -> None:
    """A name may have thousands, and each attempt has a socket until the download ends."""
    many = [f"2606:4700::{number:x}" for number in range(100)] + [f"93.184.215.{number}" for number in range(100)]
    net = Net(many)
    net.connect()
    assert net.tried() == [*many[:MAXIMUM_ADDRESSES], *many[100 : 100 + MAXIMUM_ADDRESSES]]
