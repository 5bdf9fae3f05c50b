"""Each name has one holder at a time, first come, first served, and unused locks are removed."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from imaged.workers.keyed_locks import KeyedLocks


class Row:
    """Calls that want a lock; each holds it until its gate fires."""

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
        """Begin a call that wants the lock of `name`."""
        self.gates[who] = Deferred()
        return Deferred.fromCoroutine(self._hold(name, who))

    def end(self, who: str) -> None:
        """End a call."""
        self.gates[who].callback(None)

    def assert_nothing_is_left(self) -> None:
        """Assert that no call holds or waits, and that no lock remains."""
        assert self.holding == []
        assert self.locks._locks == {}


@pytest.fixture
def row() -> Row:
    """Return an empty row."""
    return Row()


def cancel(waiting: Deferred[None]) -> None:
    """Cancel a call."""
    waiting.cancel()
    waiting.addErrback(lambda failure: failure.trap(CancelledError) and None)
    assert waiting.result is None


def test_the_longest_wait_ends_first(row: Row) -> None:
    """One call at a time, in the order of arrival."""
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


def test_a_cancelled_wait_leaves_the_queue(row: Row) -> None:
    """The next call takes its place, and the holder continues."""
    row.begin("a")
    leaving = row.begin("b")
    row.begin("c")
    cancel(leaving)
    assert row.holding == ["a"]
    row.end("a")
    assert row.held == ["a", "c"]
    row.end("c")
    row.assert_nothing_is_left()


def test_a_holder_that_is_cancelled_releases_the_lock(row: Row) -> None:
    """As does one that fails."""
    holding = row.begin("a")
    failing = row.begin("b")
    cancel(holding)
    assert row.holding == ["b"]
    row.gates["b"].errback(ValueError("broken"))
    failing.addErrback(lambda failure: failure.trap(ValueError) and None)
    row.assert_nothing_is_left()


def test_the_last_wait_that_is_cancelled_leaves_no_lock(row: Row) -> None:
    """Even if it never held it."""
    row.begin("a")
    cancel(row.begin("b"))
    row.end("a")
    row.assert_nothing_is_left()


def test_a_lock_taken_during_a_release_is_held(row: Row) -> None:
    """The next holder ends at once, and a new call comes before the release returns: the one after has to wait."""
    row.begin("a")
    quick = row.begin("b")
    row.end("b")  # as soon as it has its turn

    def begin_next(_: None) -> None:
        row.begin("c")

    quick.addCallback(begin_next)
    row.end("a")
    assert row.holding == ["c"]
    row.begin("d")
    assert row.holding == ["c"]
    row.end("c")
    assert row.holding == ["d"]
    row.end("d")
    row.assert_nothing_is_left()
