"""Locks: never two on the same thing, in order, and nothing is left behind."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from imaged.workers.keyed_locks import KeyedLocks


class Row:
    """Those who want a lock; each holds it until its gate fires."""

    def __init__(self) -> None:
        self.locks = KeyedLocks()
        self.holding: list[str] = []
        self.held: list[str] = []
        self.gates: dict[str, Deferred[None]] = {}

    async def _hold(self, name: str, who: str) -> None:
        async with self.locks.held(name):
            self.holding.append(who)
            self.held.append(who)
            try:
                await self.gates[who]
            finally:
                self.holding.remove(who)

    def begin(self, who: str, name: str = "key") -> Deferred[None]:
        """Let somebody want the lock of `name`."""
        self.gates[who] = Deferred()
        return Deferred.fromCoroutine(self._hold(name, who))

    def end(self, who: str) -> None:
        """Let somebody end."""
        self.gates[who].callback(None)

    def assert_nothing_is_left(self) -> None:
        """See that nobody holds or waits, and that no lock is kept."""
        assert self.holding == []
        assert self.locks._locks == {}


@pytest.fixture
def row() -> Row:
    """Return a row in which nobody stands."""
    return Row()


def cancel(waiting: Deferred[None]) -> None:
    """Cancel somebody."""
    waiting.cancel()
    waiting.addErrback(lambda failure: failure.trap(CancelledError) and None)
    assert waiting.result is None


def test_who_waits_longest_is_next(row: Row) -> None:
    """One at a time, in the order in which they came."""
    for who in ("a", "b", "c"):
        row.begin(who)
    for number, who in enumerate(("a", "b", "c"), start=1):
        assert row.holding == [who]
        row.end(who)
        assert row.held == ["a", "b", "c"][: number + 1]
    row.assert_nothing_is_left()


def test_other_names_do_not_wait(row: Row) -> None:
    """A lock is for one name."""
    row.begin("a", "one")
    row.begin("b", "two")
    assert row.holding == ["a", "b"]
    row.end("a")
    row.end("b")
    row.assert_nothing_is_left()


def test_who_is_cancelled_leaves_the_row(row: Row) -> None:
    """The next one comes in its place, and who holds goes on."""
    row.begin("a")
    leaving = row.begin("b")
    row.begin("c")
    cancel(leaving)
    assert row.holding == ["a"]
    row.end("a")
    assert row.held == ["a", "c"]
    row.end("c")
    row.assert_nothing_is_left()


def test_who_is_cancelled_while_it_holds_gives_the_lock_up(row: Row) -> None:
    """As does one that fails."""
    holding = row.begin("a")
    failing = row.begin("b")
    cancel(holding)
    assert row.holding == ["b"]
    row.gates["b"].errback(ValueError("broken"))
    failing.addErrback(lambda failure: failure.trap(ValueError) and None)
    row.assert_nothing_is_left()


def test_the_last_one_that_is_cancelled_leaves_nothing(row: Row) -> None:
    """Even if it never had its turn."""
    row.begin("a")
    cancel(row.begin("b"))
    row.end("a")
    row.assert_nothing_is_left()


def test_a_lock_taken_while_another_is_given_up_is_a_lock(row: Row) -> None:
    """Who waited ends at once, and somebody comes before the one before it has left: the next has to wait for that."""
    row.begin("a")
    quick = row.begin("b")
    row.end("b")  # as soon as it has its turn
    quick.addCallback(lambda _: row.begin("c") and None)
    row.end("a")
    assert row.holding == ["c"]
    row.begin("d")
    assert row.holding == ["c"]
    row.end("c")
    assert row.holding == ["d"]
    row.end("d")
    row.assert_nothing_is_left()
