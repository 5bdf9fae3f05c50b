"""Errors that are remembered for a time."""

from __future__ import annotations

from twisted.internet.task import Clock

from imaged.core.errors import NotFoundError
from imaged.pipeline.refusals import MOST_REFUSALS, Refusals


def test_an_error_lasts_for_its_time() -> None:
    """Then it is forgotten; a later one replaces it."""
    clock, error, later = Clock(), NotFoundError("a"), NotFoundError("b")
    refusals: Refusals[str] = Refusals(clock.seconds)
    refusals.add("x", error, 10)
    clock.advance(9)
    assert (refusals.find("x"), refusals.find("y")) == (error, None)
    refusals.add("x", later, 10)
    clock.advance(9)
    assert refusals.find("x") is later
    clock.advance(1)
    assert refusals.find("x") is None


def test_memory_is_bounded() -> None:
    """The oldest error is forgotten first."""
    refusals: Refusals[int] = Refusals(Clock().seconds)
    for number in range(MOST_REFUSALS + 1):
        refusals.add(number, NotFoundError("a"), 10)
    assert refusals.find(0) is None
    assert refusals.find(1) is not None
    assert refusals.find(MOST_REFUSALS) is not None
