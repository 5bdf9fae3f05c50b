"""How a sink stands: what is wrong with it is told while it is wrong, and no longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from imaged.core.events import RequestFailed
from imaged.hooks.sink_health import TELL_EVERY_S, SinkHealth
from imaged.hooks.sink_runner import DELAY_S, SinkRunner
from imaged.testing.fakes import NoThreads, RecordingSink

EVENT = RequestFailed("p", "jpg", 404)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Return the lines of the log, as they come."""
    lines: list[str] = []

    def keep(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(keep)
    yield lines
    globalLogPublisher.removeObserver(keep)


class Resting(RecordingSink):
    """A sink that counts well, and whose flushes do what the test says: raise it, or return it."""

    flush_every_s = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.flushes: list[Exception | bool | None] = []

    def flush(self) -> bool | None:
        """Do what comes next."""
        outcome = self.flushes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_a_fault_stands_until_the_same_goes_well(lines: list[str]) -> None:
    """Events that are counted say nothing of what is sent, nor does a flush that sent nothing."""
    sink, clock = Resting(), Clock()
    feed = SinkRunner("mine", sink, clock, NoThreads())
    sink.flushes = [OSError("no route"), False, None]
    feed.offer(EVENT)
    clock.advance(2.0)
    feed.offer(EVENT)
    clock.advance(DELAY_S)
    assert (feed.told.flushes_failed, feed.told.failed, feed.told.fault) == (1, 0, "OSError: no route")
    clock.advance(2.0)
    assert (feed.told.flushes_failed, feed.told.fault) == (1, "OSError: no route")
    clock.advance(2.0)
    assert (feed.told.flushes_failed, feed.told.fault) == (1, None)
    assert feed.told.last_missed_s is None, "no event was missed"
    assert lines == ["metrics sink mine fails: OSError: no route; 1 failures so far", "metrics sink mine works again"]


def test_an_event_that_is_counted_clears_the_fault_of_one_that_was_not() -> None:
    """What was missed stays counted, with how long ago that was."""
    sink, clock = RecordingSink(), Clock()
    feed = SinkRunner("mine", sink, clock, NoThreads())
    sink.failure = ValueError("no")
    feed.offer(EVENT)
    clock.advance(DELAY_S)
    sink.failure = None
    clock.advance(10)
    told = feed.told
    assert (told.recorded, told.failed, told.last_missed_s, told.fault) == (1, 1, 10.0, "ValueError: no")
    feed.offer(EVENT)
    clock.advance(DELAY_S)
    assert (feed.told.recorded, feed.told.failed, feed.told.fault) == (2, 1, None)


def test_a_sink_that_fails_now_and_then_fills_no_log(lines: list[str]) -> None:
    """One line a minute that it fails and one that it works again, however often that changes."""
    clock = Clock()
    standing = SinkHealth("mine", clock)
    for _ in range(int(TELL_EVERY_S)):
        clock.advance(1)
        standing.flush_failed("OSError: no")
        standing.works("flush")
    assert len(lines) == 2
    clock.advance(1)
    standing.flush_failed("OSError: no")
    assert lines[2:] == ["metrics sink mine fails: OSError: no; 61 failures so far"]


def test_it_works_again_when_nothing_is_wrong(lines: list[str]) -> None:
    """Of two faults the other one is told when the first is gone."""
    standing = SinkHealth("mine", Clock())
    standing.recorded(1, 1, "ValueError: a")
    standing.scrape_failed("ValueError: b")
    standing.works("record")
    assert standing.told.fault == "ValueError: b"
    assert len(lines) == 1
    standing.works("scrape")
    assert standing.told.fault is None
    assert lines[1:] == ["metrics sink mine works again"]


def test_what_comes_after_the_end_is_no_fault(lines: list[str]) -> None:
    """It is counted."""
    standing = SinkHealth("mine", Clock())
    standing.lost(1, None)
    assert (standing.told.lost, standing.told.last_missed_s, standing.told.fault, lines) == (1, None, None, [])
