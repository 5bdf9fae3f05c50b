"""A common bound holds for everything that comes in; slow bodies make room for new ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from imaged.core.errors import BusyError, StoreError
from imaged.fetch.budget import FULL_ORIGINALS, SLOW_AFTER_S, Budget, Reservation

PLENTY = 1 << 40


class Coming:
    """Originals of at most 100 bytes on a manual clock; `given_up` are the cancelled ones."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.budget = Budget(self.clock.seconds)
        self.given_up: list[str] = []

    def begin(self, name: str = "", announced_bytes: int = 0, free_bytes: int = PLENTY) -> Reservation:
        """Begin to receive an original; one with a name can be cancelled."""
        return self.budget.reserve(
            100, free_bytes, announced_bytes, (lambda _: self.given_up.append(name)) if name else None
        )


def test_so_many_full_originals_come_in_at_once() -> None:
    """One byte more is refused; a body that ends makes room."""
    coming = Coming()
    full = [coming.begin(str(number)) for number in range(FULL_ORIGINALS)]
    for each in full:
        each.take(100)
    with pytest.raises(BusyError):
        coming.begin("more").take(1)
    with pytest.raises(BusyError):
        coming.begin("announced", 1)
    full[0].close()
    coming.begin("more", 100).take(100)
    assert coming.given_up == []
    assert coming.budget.used_bytes == FULL_ORIGINALS * 100


def test_what_is_announced_is_not_counted() -> None:
    """Otherwise a few bytes of heads could take all the room."""
    coming = Coming()
    for number in range(10 * FULL_ORIGINALS):
        coming.begin(str(number), 100)
    assert coming.budget.used_bytes == 0


def test_the_oldest_makes_room() -> None:
    """It is cancelled when it is old enough, and as many as needed."""
    coming = Coming()
    for number in range(FULL_ORIGINALS):
        coming.begin(str(number)).take(100)
        coming.clock.advance(0.1)
    with pytest.raises(BusyError):
        coming.begin("new", 100)
    coming.clock.advance(SLOW_AFTER_S)
    new = coming.begin("new", 100)
    new.take(100)
    assert coming.given_up == ["0"]
    coming.begin("newer").take(100)
    assert coming.given_up == ["0", "1"]


def test_what_has_come_and_what_is_fetched_makes_no_room() -> None:
    """A complete body is in use; a download has its own deadline."""
    coming = Coming()
    for number in range(FULL_ORIGINALS):
        each = coming.begin("" if number % 2 else str(number))
        each.take(100)
        each.complete()
    coming.clock.advance(SLOW_AFTER_S)
    with pytest.raises(BusyError):
        coming.begin("new", 1)
    assert coming.given_up == []


def test_none_makes_room_for_itself() -> None:
    """It is refused at any age."""
    coming = Coming()
    alone = coming.begin("alone", free_bytes=20)
    alone.take(10)
    coming.clock.advance(SLOW_AFTER_S)
    with pytest.raises(StoreError):
        alone.take(1)
    assert coming.given_up == []


def test_half_of_the_disk_is_all_there_is() -> None:
    """An upload is there twice for a moment; the error tells the operator that the disk is full."""
    coming = Coming()
    coming.begin("a", 50, free_bytes=100).take(50)
    with pytest.raises(StoreError, match="free some space"):
        coming.begin("b", 26, free_bytes=50)
    coming.begin("b", 25, free_bytes=50)
    with pytest.raises(StoreError):
        coming.begin("c", 1, free_bytes=0)


def test_what_was_given_up_takes_nothing_more() -> None:
    """Otherwise its bytes would count forever."""
    coming = Coming()
    old = coming.begin("old")
    old.take(100)
    coming.clock.advance(SLOW_AFTER_S)
    for _ in range(FULL_ORIGINALS):
        coming.begin().take(100)
    assert coming.given_up == ["old"]
    with pytest.raises(BusyError, match="send it again"):
        old.take(0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300), st.integers(0, 20))))
def test_the_count_is_that_of_what_is_open(steps: list[tuple[int, int, int]]) -> None:
    """In any order of arrivals, ends and cancellations."""
    coming = Coming()
    live: list[Reservation] = []
    for kind, size_bytes, seconds in steps:
        coming.clock.advance(seconds)
        try:
            if kind == 0 or not live:
                live.append(coming.begin("x"))
            elif kind == 1:
                live.pop(size_bytes % len(live)).close()
            else:
                live[size_bytes % len(live)].take(size_bytes)
        except BusyError:
            continue
        assert 0 <= coming.budget.used_bytes <= FULL_ORIGINALS * 100
    for each in live:
        each.close()
    assert coming.budget.used_bytes == 0
