"""When the store has to forget, and what it may still take."""

from __future__ import annotations

from imaged.config.model import StoreSettings
from imaged.pipeline.store_bound import StoreBound
from imaged.store.size import StoreSize

PLENTY = 10**12


def bound(total_bytes: int | None, **settings: int) -> StoreBound:
    """Return a bound of these settings, for a store of this size."""
    made = StoreBound()
    made.follow(StoreSettings(**settings))  # type: ignore[arg-type]  # the keys are those of numbers
    made.size = StoreSize()
    made.size.total_bytes = total_bytes
    return made


def test_without_a_bound_nothing_is_forgotten_or_refused() -> None:
    """As before there were bounds."""
    none = bound(10**15)
    assert (none.exists, none.is_near(0), none.has_room(10**15, 0)) == (False, False, True)


def test_the_store_forgets_before_it_is_full_and_then_some_more() -> None:
    """It begins one per cent below its bound, and ends two per cent below."""
    assert not bound(9_900, maximum_bytes=10_000).is_near(PLENTY)
    assert bound(9_901, maximum_bytes=10_000).is_near(PLENTY)
    assert bound(9_901, maximum_bytes=10_000).excess(PLENTY) == 101


def test_the_store_never_takes_what_would_be_too_much() -> None:
    """Its bound is a bound."""
    near = bound(9_950, maximum_bytes=10_000)
    assert (near.has_room(50, PLENTY), near.has_room(51, PLENTY)) == (True, False)


def test_free_bytes_bound_the_store_too() -> None:
    """The disk may be full of other things."""
    free = bound(None, keep_free_bytes=10_000)
    assert (free.is_near(10_100), free.is_near(10_099), free.excess(10_099)) == (False, True, 101)
    assert (free.has_room(99, 10_099), free.has_room(100, 10_099)) == (True, False)


def test_the_larger_excess_counts() -> None:
    """Both bounds hold."""
    both = bound(10_000, maximum_bytes=10_000, keep_free_bytes=1000)
    assert (both.excess(PLENTY), both.excess(0)) == (200, 1020)


def test_an_uncounted_store_has_no_excess() -> None:
    """Until the first count has ended, only the free space says when to forget."""
    assert not bound(None, maximum_bytes=10).is_near(PLENTY)
