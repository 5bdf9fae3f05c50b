"""The copy of an original for a worker is the file as it is now, and is made once for jobs of one original."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.core.errors import StoreError
from imaged.workers.original_copy import KEPT_COPY_BYTES, OriginalCopy


def read(copy: OriginalCopy, source: Path) -> bytes:
    """Return what a worker reads."""
    with copy.of(source) as descriptor, Path(f"/dev/fd/{descriptor}").open("rb") as file:
        return file.read()


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
    assert [read(copy, path) for path in (first, first, other, first)] == [
        b"first",
        b"first",
        b"other picture",
        b"first",
    ]
    assert len(copies) == 3
    times = first.stat()
    first.write_bytes(b"FIRST")
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read(copy, first) == b"FIRST"
    with pytest.raises(StoreError):
        read(copy, gone)
    first.unlink()
    with pytest.raises(StoreError):
        read(copy, first)
    copy.close()


def test_the_memory_of_a_large_original_is_not_kept(tmp_path: Path) -> None:
    """It is copied again for the next job."""
    copy, large = OriginalCopy(), tmp_path / "large"
    large.write_bytes(bytes(KEPT_COPY_BYTES) + b"end")
    for _ in range(2):
        assert read(copy, large).endswith(b"end")
    copy.close()
