"""Copies the original of a job into memory for a worker process, which may open no file of the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaged.core.errors import StoreError

KEPT_COPY_BYTES = 1 << 23
"""The largest copy of an original whose memory is kept for the next one."""


class OriginalCopy:
    """A file in memory with the original of one job at a time. For one thread at a time.

    The copy is used again while the jobs are of one original: a page asks for several widths of a picture. Its worker
    could change it, and can return false pixels without that.
    """

    def __init__(self) -> None:
        self._written = self._read = -1
        self._copied: tuple[int, ...] = ()
        self._number = 0
        if hasattr(os, "memfd_create"):
            self._written = os.memfd_create("original", os.MFD_CLOEXEC)
            self._read = os.open(f"/proc/self/fd/{self._written}", os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def of(self, source: Path) -> Iterator[tuple[int, int]]:
        """Give a descriptor of a copy, or of the file itself where the system has no files in memory.

        The descriptor is valid in the block. The other value is the number of the copy: a new copy has a new one.
        Raises StoreError when the original cannot be read or copied.
        """
        try:
            identity = _identity(os.stat(source))  # noqa: PTH116  # on each job
            original = -1 if identity == self._copied else os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"the picture cannot be read: {error.strerror}") from error
        if original < 0:
            yield self._read, self._number
            return
        self._copied, self._number = (), self._number + 1
        try:
            if self._written < 0:
                yield original, self._number
                return
            try:
                size_bytes = self._fill(original)
            except OSError as error:
                raise StoreError(f"the picture cannot be copied for a worker: {error.strerror}") from error
            if size_bytes <= KEPT_COPY_BYTES:
                self._copied = identity
            yield self._read, self._number
            if size_bytes > KEPT_COPY_BYTES:
                os.ftruncate(self._written, 0)
        finally:
            os.close(original)

    def _fill(self, original: int) -> int:
        """Copy a file without a read into this process; return its size in bytes."""
        size_bytes = os.fstat(original).st_size
        os.lseek(self._written, 0, os.SEEK_SET)
        copied = 0
        while copied < size_bytes and (count := os.sendfile(self._written, original, copied, size_bytes - copied)):
            copied += count
        os.ftruncate(self._written, copied)
        return copied

    def close(self) -> None:
        """Release the memory."""
        for descriptor in (self._written, self._read):
            if descriptor >= 0:
                os.close(descriptor)
        self._written = self._read = -1


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file is another one or has been written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
