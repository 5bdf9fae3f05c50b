"""Errors that are remembered for a time."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import BusyError, NotFoundError
from imaged.pipeline.refusals import MOST_REFUSALS, Refusals


def test_an_error_lasts_for_its_time() -> None:
    """Then it is forgotten; a later one replaces it."""
    clock, error, later = Clock(), NotFoundError("a"), NotFoundError("b")
    refusals: Refusals[str] = Refusals(clock.seconds)
    refusals.add("x", error, 10)
    clock.advance(9)
    assert (str(refusals.find("x")), refusals.find("y")) == ("a", None)
    refusals.add("x", later, 10)
    clock.advance(9)
    assert str(refusals.find("x")) == "b"
    clock.advance(1)
    assert refusals.find("x") is None


def test_an_error_can_be_forgotten() -> None:
    """Also one that is not kept."""
    refusals: Refusals[str] = Refusals(Clock().seconds)
    refusals.add("x", NotFoundError("a"), 10)
    for key in ("x", "y"):
        refusals.forget(key)
    assert refusals.find("x") is None


def test_memory_is_bounded() -> None:
    """The oldest error is forgotten first."""
    refusals: Refusals[int] = Refusals(Clock().seconds)
    for number in range(MOST_REFUSALS + 1):
        refusals.add(number, NotFoundError("a"), 10)
    assert refusals.find(0) is None
    assert refusals.find(1) is not None
    assert refusals.find(MOST_REFUSALS) is not None


def test_an_error_keeps_no_frames() -> None:
    """Those of the failed work, and of clients that got it, would stay in memory with all they refer to."""
    refusals: Refusals[str] = Refusals(Clock().seconds)
    try:
        raise BusyError("a", 7) from NotFoundError("b")
    except BusyError as error:
        refusals.add("x", error, 10)
    for _ in range(2):
        found = refusals.find("x")
        assert isinstance(found, BusyError)
        assert (str(found), found.retry_after_s) == ("a", 7)
        assert (found.__traceback__, found.__cause__, found.__context__) == (None, None, None)
        with pytest.raises(BusyError):
            raise found
