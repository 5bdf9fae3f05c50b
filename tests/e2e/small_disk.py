"""A small disk that a test fills: a tmpfs of its own, which only root can mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_FILLS = ".fills"


class SmallDisk:
    """A file system of `size_bytes` at `folder`, until `close`. Skip the test where it cannot be mounted.

    `options` are further ones of mount.
    """

    def __init__(self, folder: Path, size_bytes: int, options: str = "mode=755") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.which("mount") is None:
            pytest.skip("no mount: install mount")
        mounted = _mount("-t", "tmpfs", "-o", f"size={size_bytes},{options}", "tmpfs", folder)
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted: be root, with CAP_SYS_ADMIN: {mounted.stderr.strip()}")

    @property
    def free_bytes(self) -> int:
        """The bytes that are left."""
        return shutil.disk_usage(self.folder).free

    def fill(self, leave_bytes: int = 0) -> None:
        """Write a file that takes all but `leave_bytes`, in place of the one before."""
        self.clear()
        with (self.folder / _FILLS).open("wb", buffering=0) as file:
            with suppress(OSError):
                while self.free_bytes > leave_bytes:
                    file.write(bytes(min(1 << 16, self.free_bytes - leave_bytes)))
            os.fsync(file.fileno())

    def clear(self) -> None:
        """Remove the file of `fill`."""
        (self.folder / _FILLS).unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Cover the disk with a read-only view of itself: a remount would wait for files that are open for writing."""
        for arguments in (("--bind", self.folder, self.folder), ("-o", "remount,bind,ro", self.folder)):
            covered = _mount(*arguments)
            assert covered.returncode == 0, covered.stderr
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)


def _mount(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
