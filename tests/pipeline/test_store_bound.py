"""When the store has to forget, and what it may still take."""

from __future__ import annotations

from pathlib import Path

from imaged.config.model import StoreSettings
from imaged.core.errors import StoreError
from imaged.pipeline.store_bound import StoreBound
from imaged.store.usage import Usage

MIB = 2**20


def bound(total_bytes: int | None, free_bytes: int = 0, **settings: int) -> StoreBound:
    """Return a bound of these settings, for a store of this size on a disk with so many free bytes."""
    made = StoreBound(free_bytes=lambda _: free_bytes)
    made.follow(StoreSettings(**settings), Path("store"))  # type: ignore[arg-type]  # the keys are those of numbers
    made.size.usage = None if total_bytes is None else Usage(0, 0, total_bytes)
    return made


def test_without_a_bound_nothing_is_forgotten_or_refused() -> None:
    """As before there were bounds."""
    none = bound(10**15)
    assert (none.exists, none.is_near(), none.has_room(10**15)) == (False, False, True)


def test_the_store_forgets_before_it_is_full_and_then_some_more() -> None:
    """It begins one per cent below its bound, and ends two per cent below."""
    assert not bound(9_900, maximum_bytes=10_000).is_near()
    assert bound(9_901, maximum_bytes=10_000).is_near()
    assert bound(9_901, maximum_bytes=10_000).excess() == 101


def test_the_store_never_takes_what_would_be_too_much() -> None:
    """Its bound is a bound."""
    near = bound(9_950, maximum_bytes=10_000)
    assert (near.has_room(50), near.has_room(51)) == (True, False)


def test_files_that_are_being_written_have_their_room() -> None:
    """Whole blocks of it, until they count themselves."""
    empty = bound(0, maximum_bytes=3 * 4096)
    first = empty.reserve(5000)
    assert first == 8192
    assert (empty.reserve(4097), empty.refused_saves) == (None, 1)
    assert empty.reserve(4096) == 4096
    empty.release(first)
    assert empty.reserve(8000) == 8192


def test_the_store_forgets_for_a_file_that_it_has_refused() -> None:
    """Else an output of more than what is free would be refused at each request; one as large as the store still is."""
    full = bound(98 * MIB + MIB // 2, maximum_bytes=100 * MIB)
    assert (full.reserve(3 * MIB), full.is_near(), full.excess()) == (None, True, MIB + MIB // 2)
    full.has_searched()
    assert not full.is_near()
    assert (full.reserve(26 * MIB), full.is_near()) == (None, False)
    tight = bound(None, 11 * MIB, keep_free_bytes=10 * MIB)
    assert (tight.reserve(2 * MIB), tight.is_near(), tight.excess()) == (None, True, MIB)


def test_free_bytes_bound_the_store_too() -> None:
    """The disk may be full of other things."""
    near, far = bound(None, 10_099, keep_free_bytes=10_000), bound(None, 10_100, keep_free_bytes=10_000)
    assert (far.is_near(), near.is_near(), near.excess()) == (False, True, 101)
    assert (near.has_room(99), near.has_room(100)) == (True, False)


def test_space_that_is_freed_later_is_not_freed_twice() -> None:
    """A search ends when it has forgotten enough, whatever the disk says by then."""
    assert bound(None, 9_000, keep_free_bytes=10_000).excess(10_200) == 0


def test_the_larger_excess_counts() -> None:
    """Both bounds hold."""
    both = {"maximum_bytes": 10_000, "keep_free_bytes": 1000}
    assert (bound(10_000, MIB, **both).excess(), bound(10_000, 0, **both).excess()) == (200, 1020)


def test_an_uncounted_store_grows_a_little() -> None:
    """It forgets nothing until the first count has ended, and takes a hundredth of its bound until then."""
    uncounted = bound(None, maximum_bytes=100_000_000)
    assert (uncounted.is_near(), uncounted.has_room(1_000_000), uncounted.has_room(1_000_001)) == (False, True, False)
    uncounted.size.add(Usage(1, 400_000, 400_000))
    assert (uncounted.has_room(600_000), uncounted.has_room(600_001)) == (True, False)


def test_originals_that_arrive_take_room() -> None:
    """Their unfinished files are in the store already."""
    made = StoreBound(lambda: 4000)
    made.follow(StoreSettings(maximum_bytes=10_000), Path("store"))
    made.size.usage = Usage(0, 0)
    assert (made.has_room(6000), made.has_room(6001)) == (True, False)


def test_a_full_disk_is_freed_where_outputs_may_be_forgotten() -> None:
    """So that it heals: whatever the bounds are. Without bounds, nothing is forgotten."""
    full = StoreBound(wanted_free_bytes=lambda: 10_000, free_bytes=lambda _: 0)
    assert not full.is_near()
    full.follow(StoreSettings(maximum_bytes=10_000), Path("store"))
    assert full.excess() >= 10_000


def test_originals_may_take_all_but_what_stays_free_when_nothing_can_be_forgotten() -> None:
    """Until then, outputs make room for them."""
    kept = bound(None, 1_000, keep_free_bytes=400)
    assert kept.room_bytes(Path("store")) == 1_000
    kept.fault = "nothing more to forget"
    assert kept.room_bytes(Path("store")) == 600
    over = bound(None, 300, keep_free_bytes=400)
    over.fault = "nothing more to forget"
    assert over.room_bytes(Path("store")) == 0


def test_a_disk_that_does_not_tell_has_room() -> None:
    """A write will show whether it has."""

    def fail(_: Path) -> int:
        raise StoreError("no answer")

    made = StoreBound(free_bytes=fail)
    made.follow(StoreSettings(keep_free_bytes=10), Path("store"))
    assert made.has_room(10)
