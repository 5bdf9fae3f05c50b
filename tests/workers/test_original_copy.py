"""The copy of an original for a worker is the file as it is now, and is made once for jobs of one original."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.core.errors import StoreError
from imaged.workers.original_copy import KEPT_COPY_BYTES, OriginalCopy


def read(copy: OriginalCopy, source: Path) -> tuple[bytes, int]:
    """Return what a worker reads, and the number of the copy."""
    with copy.of(source) as (descriptor, number), Path(f"/dev/fd/{descriptor}").open("rb") as file:
        return file.read(), number


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no files in memory")
def test_an_original_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until another one, or one that has been written to, needs the memory."""
    copies, sendfile = [], os.sendfile

    def count(*arguments: int) -> int:
        copies.append(arguments)
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", count)
    copy, first, other, gone = OriginalCopy(), *(tmp_path / name for name in ("first", "other", "gone"))
    first.write_bytes(b"first")
    other.write_bytes(b"other picture")
    results = [read(copy, path) for path in (first, first, other, first)]
    assert results == [(b"first", 1), (b"first", 1), (b"other picture", 2), (b"first", 3)]
    assert len(copies) == 3
    times = first.stat()
    first.write_bytes(b"FIRST")
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read(copy, first) == (b"FIRST", 4)
    with pytest.raises(StoreError):
        read(copy, gone)
    first.unlink()
    with pytest.raises(StoreError):
        read(copy, first)
    copy.close()


def test_an_error_of_the_caller_stays_what_it_is(tmp_path: Path) -> None:
    """A worker that dies is no original that cannot be read, the first time and later."""
    copy, source = OriginalCopy(), tmp_path / "original"
    source.write_bytes(b"picture")
    for _ in range(2):
        with pytest.raises(BrokenPipeError), copy.of(source):
            raise BrokenPipeError
    copy.close()


def test_the_memory_of_a_large_original_is_not_kept(tmp_path: Path) -> None:
    """It is copied again for the next job."""
    copy, large = OriginalCopy(), tmp_path / "large"
    large.write_bytes(bytes(KEPT_COPY_BYTES) + b"end")
    for number in (1, 2):
        body, found = read(copy, large)
        assert (body[-3:], found) == (b"end", number)
    copy.close()
