"""A folder with a quota: a subvolume of a small Btrfs, which only root can mount."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


class QuotaDisk:
    """A folder `folder` that may hold `size_bytes`, on a file system with more room, until `close`.

    Skip the test where it cannot be made. The quota binds root, too, as those of users and projects do not.
    """

    def __init__(self, scratch: Path, size_bytes: int) -> None:
        if shutil.which("mkfs.btrfs") is None:
            pytest.skip("no mkfs.btrfs: install btrfs-progs")
        image, self._mount = scratch / "btrfs", scratch / "mount"
        self.folder = self._mount / "limited"
        self._mount.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(256 << 20)
        _run("mkfs.btrfs", "-q", image)
        mounted = subprocess.run(
            ["mount", "-o", "loop", image, self._mount], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"no Btrfs can be mounted: be root, with CAP_SYS_ADMIN: {mounted.stderr.strip()}")
        _run("btrfs", "quota", "enable", self._mount)
        _run("btrfs", "subvolume", "create", self.folder)
        _run("btrfs", "qgroup", "limit", str(size_bytes), self.folder)

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", self._mount], check=True)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
