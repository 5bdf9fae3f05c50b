"""Names are resolved on daemon threads within bounds; addresses need no lookup."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from threading import Event, current_thread
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from imaged.core.errors import SourceTimeoutError
from imaged.fetch.resolver import (
    LOOKUP_S,
    MAXIMUM_LOOKUPS,
    ZONE_LOOKUPS,
    Address,
    ReactorResolver,
    Resolver,
    use_own_threads,
)

PUBLIC = "93.184.215.14"
ANSWER = [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 0)),
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1", 0, 0, 0)),
]


class System:
    """A system resolver that does not answer for names in `dead` until the test ends."""

    def __init__(self, dead: str = "dead.example") -> None:
        self.dead = dead
        self.asked: list[str] = []
        self.ended = Event()
        self.daemons: set[bool] = set()

    def getaddrinfo(self, host: str, *_: object) -> Sequence[Any]:
        """Answer as the system does."""
        self.asked.append(host)
        self.daemons.add(current_thread().daemon)
        if host.endswith(self.dead):
            self.ended.wait(60)
            return []
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ANSWER


class Asking:
    """A resolver on a manual clock; the test receives the answers of its threads."""

    def __init__(self, system: System) -> None:
        self.reactor: Any = MemoryReactorClock()
        self._said: list[Callable[[], None]] = []
        self.reactor.callFromThread = lambda f, *args: self._said.append(lambda: f(*args))  # type: ignore[attr-defined]
        self.resolver = Resolver(self.reactor, system.getaddrinfo)

    def ask(self, host: str) -> Deferred[list[Address]]:
        """Start to resolve."""
        return Deferred.fromCoroutine(self.resolver.resolve(host, 80))

    def hear(self, count: int) -> None:
        """Wait for so many answers of threads."""
        for _ in range(count):
            until(lambda: self._said)
            self._said.pop(0)()


@pytest.fixture
def system() -> Iterator[System]:
    """Return a system whose threads end with the test."""
    made = System()
    yield made
    made.ended.set()


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that threads fulfil."""
    for _ in range(6000):
        if condition():
            return
        Event().wait(0.005)
    pytest.fail("the threads did not come so far")


def result(deferred: Deferred[Any]) -> Any:
    """Return the result of a coroutine that has ended."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results[0] if results else None


def test_a_name_has_the_addresses_of_the_system(system: System) -> None:
    """They are in its order, with the given port; the thread is a daemon."""
    asking = Asking(system)
    found = asking.ask("a_b.example")
    asking.hear(1)
    assert result(found) == [IPv4Address("TCP", PUBLIC, 80), IPv6Address("TCP", "2606:4700::1", 80)]
    assert system.daemons == {True}


def test_a_name_without_addresses_has_none(system: System) -> None:
    """It is no error of the resolver."""
    asking = Asking(system)
    found = asking.ask("nowhere.example")
    asking.hear(1)
    assert result(found) == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("93.184.215.14.", PUBLIC),
        ("2606:4700::1", "2606:4700::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ],
)
def test_an_address_needs_no_lookup(system: System, host: str, address: str) -> None:
    """This holds for every notation of inet_aton(3) and RFC 4291."""
    (found,) = result(Asking(system).ask(host))
    assert found.host == address
    assert system.asked == []


@pytest.mark.parametrize("host", ["1.2.3.4.5", "256.256.256.256", "a.08", "name.0x", "1::2::3"])
def test_a_host_that_ends_in_a_number_and_is_no_address_does_not_exist(system: System, host: str) -> None:
    """No domain ends in a number (WHATWG URL, 3.5), so there is no lookup."""
    assert result(Asking(system).ask(host)) == []
    assert system.asked == []


def test_dead_names_do_not_delay_others(system: System) -> None:
    """With any number of names of a dead zone, another name and every address resolve."""
    asking = Asking(system)
    stuck = [asking.ask(f"{number}.dead.example") for number in range(3 * MAXIMUM_LOOKUPS)]
    found = asking.ask("alive.test")
    asking.hear(1)
    assert len(result(found)) == 2
    assert result(asking.ask("127.0.0.1")) is not None
    until(lambda: len(system.asked) == ZONE_LOOKUPS + 1)
    assert all(each.called is False for each in stuck)


def test_a_lookup_has_a_timeout(system: System) -> None:
    """Then it fails like a slow source; a queued lookup never starts."""
    asking = Asking(system)
    stuck = [asking.ask(f"{number}.dead.example") for number in range(ZONE_LOOKUPS + 1)]
    until(lambda: len(system.asked) == ZONE_LOOKUPS)
    asking.reactor.pump([LOOKUP_S])
    errors = [result(each) for each in stuck]
    assert all(error.check(SourceTimeoutError) for error in errors)
    assert "0.dead.example" in str(errors[0].value)
    system.ended.set()
    asking.hear(ZONE_LOOKUPS)
    assert f"{ZONE_LOOKUPS}.dead.example" not in system.asked
    assert asking.reactor.getDelayedCalls() == []


def test_concurrent_lookups_of_a_name_are_coalesced(system: System) -> None:
    """Later callers get the same answer, also after the first was cancelled."""
    asking = Asking(system)
    first, second = asking.ask("x.dead.example"), asking.ask("x.dead.example")
    asking.reactor.pump([LOOKUP_S])
    third = asking.ask("x.dead.example")
    system.ended.set()
    asking.hear(1)
    assert result(first).check(SourceTimeoutError)
    assert result(second).check(SourceTimeoutError)
    assert result(third) == []
    assert system.asked == ["x.dead.example"]


def test_all_lookups_together_are_bounded(system: System) -> None:
    """Further lookups wait, and start in order."""
    system.dead = "test"
    asking = Asking(system)
    waiting = [asking.ask(f"{number}.{number % 8}.test") for number in range(MAXIMUM_LOOKUPS + 1)]
    until(lambda: len(system.asked) == MAXIMUM_LOOKUPS)
    system.ended.set()
    asking.hear(MAXIMUM_LOOKUPS + 1)
    assert [result(each) for each in waiting] == [[]] * (MAXIMUM_LOOKUPS + 1)


def test_a_caller_may_cancel(system: System) -> None:
    """Other callers get their answer, and so does a later one."""
    asking = Asking(system)
    leaving, staying = asking.ask("a.test"), asking.ask("a.test")
    leaving.addErrback(lambda _: None)
    leaving.cancel()
    asking.hear(1)
    assert len(result(staying)) == 2


def test_a_reactor_resolves_with_it(system: System) -> None:
    """An endpoint of a plugin tries the addresses of the system, without Twisted's threads."""
    asking = Asking(system)
    asking.reactor.nameResolver = ReactorResolver(asking.resolver)
    factory: Any = Factory.forProtocol(Protocol)
    HostnameEndpoint(asking.reactor, "a.test", 80).connect(factory).addErrback(lambda _: None)
    asking.hear(1)
    asking.reactor.pump([0.3] * 3)
    assert [client[:2] for client in asking.reactor.tcpClients] == [(PUBLIC, 80), ("2606:4700::1", 80)]


def test_the_pool_of_the_reactor_is_not_used() -> None:
    """Twisted waits for its pool at the end, so no lookup may be in it."""
    reactor: Any = MemoryReactorClock()
    use_own_threads(reactor)
    assert isinstance(reactor.nameResolver, ReactorResolver)
