"""SinkHealth shows a fault for as long as it lasts, and logs it without filling the log."""

from __future__ import annotations

from twisted.internet.task import Clock

from imaged.hooks.sink_health import HANGS_AFTER_S, LOG_EVERY_S, SinkHealth


def test_a_fault_lasts_until_the_same_task_succeeds(log_lines: list[str]) -> None:
    """A recorded event says nothing about sending."""
    health = SinkHealth("mine", Clock())
    health.fails("flush", "OSError: no route")
    health.records(None)
    status = health.status
    assert (status.flushes_failed, status.failed, status.fault) == (1, 0, "OSError: no route")
    health.works("flush")
    assert (health.status.flushes_failed, health.status.fault) == (1, None)
    assert health.status.last_missed_s is None, "no event was missed"
    assert log_lines == [
        "metrics sink mine fails: OSError: no route; 1 failures since the last start or reload",
        "metrics sink mine works again",
    ]


def test_a_recorded_event_ends_the_fault_of_a_failed_one() -> None:
    """The failed event stays counted, with its age."""
    clock = Clock()
    health = SinkHealth("mine", clock)
    health.records("ValueError: no")
    clock.advance(10)
    status = health.status
    assert (status.recorded, status.failed, status.last_missed_s, status.fault) == (1, 1, 10.0, "ValueError: no")
    health.records(None)
    assert (health.status.recorded, health.status.failed, health.status.fault) == (2, 1, None)


def test_a_sink_that_fails_now_and_then_does_not_fill_the_log(log_lines: list[str]) -> None:
    """The log gets one line a minute about the failures and one about the recovery."""
    clock = Clock()
    health = SinkHealth("mine", clock)
    for _ in range(int(LOG_EVERY_S)):
        clock.advance(1)
        health.fails("flush", "OSError: no")
        health.works("flush")
    assert len(log_lines) == 2
    clock.advance(1)
    health.fails("flush", "OSError: no")
    assert log_lines[2:] == ["metrics sink mine fails: OSError: no; 61 failures since the last start or reload"]


def test_a_sink_works_again_when_no_fault_is_left(log_lines: list[str]) -> None:
    """Of two faults, the status shows the second when the first has ended."""
    health = SinkHealth("mine", Clock())
    health.records("ValueError: a")
    health.fails("expose", "ValueError: b")
    health.records(None)
    assert health.status.fault == "ValueError: b"
    assert len(log_lines) == 1
    health.works("expose")
    assert (health.status.scrapes_failed, health.status.fault) == (1, None)
    assert log_lines[1:] == ["metrics sink mine works again"]


def test_a_call_that_does_not_return_is_a_fault_until_it_does() -> None:
    """The status shows it long before events are lost; the watch of running calls logs it with its stack."""
    clock = Clock()
    health = SinkHealth("mine", clock)
    with health.calling("record"):
        clock.advance(HANGS_AFTER_S - 1)
        assert health.status.fault is None
        clock.advance(2)
        assert health.status.fault == "hangs: record has not returned for 16 s"
    assert health.status.fault is None


def test_an_event_after_the_end_is_counted_without_a_fault(log_lines: list[str]) -> None:
    """Nothing is wrong with the sink."""
    health = SinkHealth("mine", Clock())
    health.loses(None)
    assert (health.status.lost, health.status.last_missed_s, health.status.fault, log_lines) == (1, None, None, [])


def test_a_full_queue_is_a_fault_until_the_sink_keeps_up(log_lines: list[str]) -> None:
    """Each lost event is counted; the log gets one line."""
    health = SinkHealth("mine", Clock())
    for _ in range(5):
        health.loses("hangs: 10 events wait for it")
    assert (health.status.lost, health.status.fault) == (5, "hangs: 10 events wait for it")
    health.works("queue")
    assert (health.status.lost, health.status.fault) == (5, None)
    assert log_lines == [
        "metrics sink mine hangs: 10 events wait for it, more are lost to it",
        "metrics sink mine works again",
    ]
