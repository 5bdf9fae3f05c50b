"""Counts of origins, and what the log says of their errors."""

from __future__ import annotations

from imaged.pipeline.origin_tallies import WARN_EVERY_S, OriginTallies


def test_an_origin_that_fails_for_some_paths_does_not_fill_the_log() -> None:
    """The log has one error a minute at most, and an answer only after an error that it has."""
    tallies = OriginTallies()
    assert [tallies.failed("a", "x", 0.0), tallies.failed("a", "y", 1.0)] == [True, False]
    assert tallies.failed("b", "x", 1.0)
    assert [tallies.answered("a"), tallies.answered("a")] == [True, False]
    for now_s in (2.0, WARN_EVERY_S - 1):
        assert not tallies.failed("a", "z", now_s)
        assert tallies.of("a").fault == "z"
        assert not tallies.answered("a")
        assert tallies.of("a").fault is None
    assert tallies.failed("a", "z", WARN_EVERY_S)
    assert (tallies.of("a").failed, tallies.of("b").failed) == (5, 1)
