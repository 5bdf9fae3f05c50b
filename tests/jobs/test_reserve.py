"""A full disk has room for what must work."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from imaged.jobs.reserve import PIECE_BYTES, PIECES, Reserve


def fails(times: int, error: Exception) -> Callable[[], str]:
    """Return a function that raises an error so often, then works."""
    left = [error] * times

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def pieces(folder: Path) -> list[int]:
    """Return the sizes of the pieces."""
    return [path.stat().st_size for path in folder.glob("reserve-*")]


@pytest.mark.parametrize("error", [FULL, sqlite3.OperationalError("disk I/O error")])
def test_work_gets_the_room_when_the_disk_is_full(tmp_path: Path, error: Exception) -> None:
    """It is tried again for each piece that is given up; then it raises."""
    reserve = Reserve(tmp_path)
    with pytest.raises(type(error)):
        reserve.lend(fails(1, error))  # there is no room to give up
    reserve.fill()
    assert pieces(tmp_path) == [PIECE_BYTES] * PIECES
    assert reserve.lend(fails(0, error)) == "done"
    assert len(pieces(tmp_path)) == PIECES
    assert reserve.lend(fails(1, error)) == "done"
    assert reserve.lend(fails(2, error)) == "done"
    assert len(pieces(tmp_path)) == PIECES - 3
    with pytest.raises(type(error)):
        reserve.lend(fails(2, error))
    reserve.fill()
    assert reserve.lend(fails(PIECES, error)) == "done"


def test_other_errors_leave_the_room(tmp_path: Path) -> None:
    """More room would not help."""
    reserve = Reserve(tmp_path)
    reserve.fill()
    with pytest.raises(PermissionError):
        reserve.lend(fails(1, PermissionError(errno.EACCES, "no")))
    assert len(pieces(tmp_path)) == PIECES


def test_a_disk_without_room_has_no_reserve(tmp_path: Path) -> None:
    """A part of a piece would be of no use, and nothing is raised."""
    (tmp_path / "reserve-0").symlink_to("/dev/full")
    Reserve(tmp_path).fill()
    assert pieces(tmp_path) == [PIECE_BYTES] * (PIECES - 1)
