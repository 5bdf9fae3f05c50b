"""An error of a disk becomes the error that tells clients and operators what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from imaged.core.disk_errors import disk_error, is_full
from imaged.core.errors import DiskFullError, NoPermissionError, ReadOnlyError, StoreError


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, DiskFullError, "a cannot be kept: No space left on device; free some space"),
        (errno.EDQUOT, DiskFullError, "a cannot be kept: Disk quota exceeded; free some space"),
        (
            errno.EROFS,
            ReadOnlyError,
            "a cannot be kept: Read-only file system; look at its disk, and mount it for writing",
        ),
        (errno.EACCES, NoPermissionError, "a cannot be kept: Permission denied; let the user of imaged write there"),
        (
            errno.EPERM,
            NoPermissionError,
            "a cannot be kept: Operation not permitted; let the user of imaged write there",
        ),
        (errno.EIO, StoreError, "a cannot be kept: Input/output error; look at its file system"),
    ],
)
def test_each_error_has_its_kind(number: int, kind: type[StoreError], advice: str) -> None:
    """Its message says what is not done, why, and what to do."""
    error = disk_error("a cannot be kept", OSError(number, os.strerror(number)))
    assert (type(error), str(error)) == (kind, advice)


def test_an_error_without_a_number() -> None:
    """Its class is the reason."""
    assert (
        str(disk_error("a cannot be kept", TimeoutError())) == "a cannot be kept: TimeoutError; look at its file system"
    )


def test_sqlite_has_a_code_of_its_own(tmp_path: Path) -> None:
    """A database that may not grow is full; one that is none is not."""
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (a)")
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as raised:
            db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert is_full(raised.value)
    (tmp_path / "none").write_bytes(b"no database" * 100)
    with closing(sqlite3.connect(tmp_path / "none")) as db, pytest.raises(sqlite3.DatabaseError) as raised_:
        db.execute("SELECT * FROM t")
    assert not is_full(raised_.value)
