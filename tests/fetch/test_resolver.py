"""Names are looked up on threads of their own, within bounds, and an address is never looked up."""

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
    """A system's resolver that answers nothing about names in `dead` until the test ends it."""

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
    """A resolver on a clock that stands still; what its threads say is heard when the test listens."""

    def __init__(self, system: System) -> None:
        self.reactor: Any = MemoryReactorClock()
        self._said: list[Callable[[], None]] = []
        self.reactor.callFromThread = lambda f, *args: self._said.append(lambda: f(*args))
        self.resolver = Resolver(self.reactor, system.getaddrinfo)

    def ask(self, host: str) -> Deferred[list[Address]]:
        """Begin to resolve."""
        return Deferred.fromCoroutine(self.resolver.resolve(host, 80))

    def hear(self, count: int) -> None:
        """Wait for so many answers of threads."""
        for _ in range(count):
            until(lambda: self._said)
            self._said.pop(0)()


@pytest.fixture
def system() -> Iterator[System]:
    """Return one whose threads end with the test."""
    made = System()
    yield made
    made.ended.set()


def until(condition: Callable[[], Any]) -> None:
    """Wait until threads have made it so."""
    for _ in range(6000):
        if condition():
            return
        Event().wait(0.005)
    pytest.fail("the threads did not come so far")


def result(deferred: Deferred[Any]) -> Any:
    """Return what it has, without waiting."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results[0] if results else None


def test_a_name_has_the_addresses_of_the_system(system: System) -> None:
    """In its order, with the port that was asked for, on a thread that keeps no process alive."""
    asking = Asking(system)
    found = asking.ask("a_b.example")
    asking.hear(1)
    assert result(found) == [IPv4Address("TCP", PUBLIC, 80), IPv6Address("TCP", "2606:4700::1", 80)]
    assert system.daemons == {True}


def test_a_name_without_addresses_has_none(system: System) -> None:
    """That is no failure of the resolver."""
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
def test_an_address_is_its_own_answer(system: System, host: str, address: str) -> None:
    """In each notation that inet_aton(3) and RFC 4291 know, at once and without asking."""
    (found,) = result(Asking(system).ask(host))
    assert found.host == address
    assert system.asked == []


@pytest.mark.parametrize("host", ["1.2.3.4.5", "256.256.256.256", "a.08", "name.0x", "1::2::3"])
def test_what_ends_in_a_number_and_is_no_address_is_nothing(system: System, host: str) -> None:
    """No domain ends in a number (WHATWG URL, 3.5), so nobody is asked."""
    assert result(Asking(system).ask(host)) == []
    assert system.asked == []


def test_names_that_nobody_answers_for_hold_up_no_other(system: System) -> None:
    """However many names of a dead zone are asked for: another name, and every address, is resolved."""
    asking = Asking(system)
    stuck = [asking.ask(f"{number}.dead.example") for number in range(3 * MAXIMUM_LOOKUPS)]
    found = asking.ask("alive.test")
    asking.hear(1)
    assert len(result(found)) == 2
    assert result(asking.ask("127.0.0.1")) is not None
    until(lambda: len(system.asked) == ZONE_LOOKUPS + 1)
    assert all(each.called is False for each in stuck)


def test_whoever_waits_for_a_name_waits_so_long(system: System) -> None:
    """Then it fails, as a source that is too slow; what had not begun never begins."""
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


def test_one_name_is_looked_up_once_however_many_ask(system: System) -> None:
    """Those who come later join those who wait, also after the first has given up."""
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
    """Beyond the bound they wait for room, the oldest first, and then have their turn."""
    system.dead = "test"
    asking = Asking(system)
    waiting = [asking.ask(f"{number}.{number % 8}.test") for number in range(MAXIMUM_LOOKUPS + 1)]
    until(lambda: len(system.asked) == MAXIMUM_LOOKUPS)
    system.ended.set()
    asking.hear(MAXIMUM_LOOKUPS + 1)
    assert [result(each) for each in waiting] == [[]] * (MAXIMUM_LOOKUPS + 1)


def test_whoever_leaves_is_forgotten(system: System) -> None:
    """The others still get their answer, and so does who asks again."""
    asking = Asking(system)
    leaving, staying = asking.ask("a.test"), asking.ask("a.test")
    leaving.addErrback(lambda _: None)
    leaving.cancel()
    asking.hear(1)
    assert len(result(staying)) == 2


def test_a_reactor_connects_by_it(system: System) -> None:
    """So that neither a plugin's names nor its threads are Twisted's: an endpoint tries what the system says."""
    asking = Asking(system)
    asking.reactor.nameResolver = ReactorResolver(asking.resolver)
    HostnameEndpoint(asking.reactor, "a.test", 80).connect(Factory.forProtocol(Protocol)).addErrback(lambda _: None)
    asking.hear(1)
    asking.reactor.pump([0.3] * 3)
    assert [client[:2] for client in asking.reactor.tcpClients] == [(PUBLIC, 80), ("2606:4700::1", 80)]


def test_the_pool_of_the_reactor_is_not_used() -> None:
    """Twisted waits for its pool at the end, so nothing of ours may be in it."""
    reactor: Any = MemoryReactorClock()
    use_own_threads(reactor)
    assert isinstance(reactor.nameResolver, ReactorResolver)
