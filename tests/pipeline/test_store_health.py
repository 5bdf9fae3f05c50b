"""A store that is full or read-only has one fault, which begins with a save or a trial and ends with a trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from imaged.core.errors import DiskFullError, NoPermissionError, ReadOnlyError, StoreError
from imaged.pipeline.store_health import HEALED_BYTES, StoreHealth, prevents_service
from imaged.store.trial import STORE, Trial

FULL = DiskFullError("x1.jpg cannot be kept: No space left on device; free some space")
READ_ONLY = ReadOnlyError("no files can be kept in /store: Read-only file system")
ROOM = Trial(None, 1 << 40, 1 << 41)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test advances."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> StoreHealth:
    """Return the health of a store that takes files."""
    health = StoreHealth(clock.seconds)
    health.tried({STORE: ROOM})
    return health


@contextmanager
def lines() -> Iterator[list[str]]:
    """Give a list that has the log lines of the block after it."""
    texts: list[str] = []
    with capturedLogs() as logged:
        yield texts
    texts += [str(formatEvent(event)) for event in logged]


def test_a_full_disk_has_two_lines(health: StoreHealth, clock: Clock) -> None:
    """Saves that fail log when the first one does, and that is over when a trial succeeds."""
    with lines() as texts:
        for _ in range(100):
            assert health.failed("p", FULL, 1000)
        assert (health.is_full, health.is_read_only, health.failures) == (True, False, 100)
        clock.advance(90)
        health.tried({STORE: ROOM})
    assert texts == [
        f"the store is full: {FULL}; posts get 507, and outputs are served without being stored, until there is room",
        "the store takes files again after 90 s",
    ]
    assert not health.is_full
    health.check("p")


def test_without_trials_there_is_no_fault(clock: Clock) -> None:
    """In a batch, each save that fails is logged by itself."""
    health = StoreHealth(clock.seconds)
    assert not health.failed("p", FULL, 1)
    health.check("p")


def test_a_save_does_not_end_a_full_disk(health: StoreHealth) -> None:
    """A small output may fit into what is left: the fault ends when there is room for more."""
    health.failed("p", FULL, 1000)
    health.succeeded()
    with pytest.raises(DiskFullError, match="No space left"):
        health.check("p")


@pytest.mark.parametrize(
    ("trial", "heals"),
    [
        (Trial(None, 999, 100_000), False),
        (Trial(None, 1_000, 100_000), True),
        (Trial(None, HEALED_BYTES - 1, 1 << 50), False),
        (Trial(None, HEALED_BYTES, 1 << 50), True),
    ],
)
def test_a_hundredth_of_the_disk_is_enough(health: StoreHealth, trial: Trial, heals: bool) -> None:  # noqa: FBT001
    """On a large disk, less is."""
    health.tried({STORE: Trial(FULL)})
    health.tried({STORE: trial})
    assert health.is_full != heals


def test_the_largest_refused_file_has_to_fit_twice(health: StoreHealth) -> None:
    """Else the next file of its size would fill the disk again."""
    for size_bytes in (300, 5000, 20):
        health.failed("p", FULL, size_bytes)
    health.tried({STORE: Trial(None, 9_999, 100_000)})
    assert health.is_full
    health.tried({STORE: Trial(None, 10_000, 100_000)})
    assert not health.is_full


def test_a_full_disk_says_how_much_it_wants(health: StoreHealth) -> None:
    """Enough to be healed; where the free bytes do not show what is missing, as with a quota, so much more."""
    assert health.wanted_free_bytes == 0
    health.tried({STORE: Trial(FULL, 10, 100_000)})
    assert health.wanted_free_bytes == 1000
    health.tried({STORE: Trial(FULL, 60_000, 100_000)})
    assert health.wanted_free_bytes == 61_000
    health.tried({STORE: Trial(None, 999, 100_000)})
    assert health.wanted_free_bytes == 1000
    health.tried({STORE: ROOM})
    assert health.wanted_free_bytes == 0


def test_a_namespace_on_a_full_disk_of_its_own(health: StoreHealth) -> None:
    """It alone takes no files, until its disk has room or it is gone."""
    health.tried({STORE: ROOM, "q": Trial(FULL)})
    health.check("p")
    with pytest.raises(DiskFullError):
        health.check("q")
    assert (health.is_full, health.takes_nothing) == (True, False)
    health.tried({STORE: ROOM})
    health.check("q")
    health.tried({STORE: ROOM, "q": ROOM})
    health.failed("q", FULL, 1)
    health.check("p")
    health.tried({STORE: Trial(FULL)})
    with pytest.raises(DiskFullError):
        health.check("p")
    health.tried({STORE: ROOM, "q": ROOM})
    assert health.error is None


def test_a_read_only_store_is_for_trials_to_find(health: StoreHealth) -> None:
    """One save that is not permitted may be the fault of one folder, and has a line of its own."""
    assert not health.failed("p", READ_ONLY, 1)
    assert (health.error, health.has_failed) == (None, True)
    with lines() as texts:
        health.tried({STORE: Trial(READ_ONLY)})
        assert health.failed("p", READ_ONLY, 1)
        health.tried({STORE: Trial(READ_ONLY)})
    assert [text.split(":")[0] for text in texts] == ["the store is read-only"]
    assert (health.is_full, health.is_read_only) == (False, True)
    with pytest.raises(ReadOnlyError):
        health.check("p")
    health.tried({STORE: Trial(None)})
    health.check("p")


def test_a_full_disk_may_become_read_only(health: StoreHealth) -> None:
    """The later fault takes the place of the first."""
    health.tried({STORE: Trial(FULL)})
    health.tried({STORE: Trial(READ_ONLY)})
    assert (health.is_full, health.is_read_only) == (False, True)


def test_other_faults_are_the_health_checks(health: StoreHealth) -> None:
    """They neither refuse posts nor end a fault that is known."""
    broken = StoreError("Input/output error")
    assert health.tried({STORE: Trial(broken)}) is broken
    health.check("p")
    health.tried({STORE: Trial(FULL)})
    health.tried({STORE: Trial(broken)})
    assert health.is_full


@pytest.mark.parametrize(
    ("error", "prevents"),
    [(None, False), (FULL, False), (READ_ONLY, False), (NoPermissionError("a"), True), (StoreError("a"), True)],
)
def test_what_a_daemon_cannot_begin_with(error: StoreError | None, prevents: bool) -> None:  # noqa: FBT001
    """A full or read-only store is served, one that the user may not write to is a mistake in the settings."""
    assert prevents_service(error) == prevents
