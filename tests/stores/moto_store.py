"""`moto_server`: an S3 store in memory with ACLs, storage classes and headers. It does not verify signatures."""

from __future__ import annotations

import secrets
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from store_processes import StoreProcess


class MotoS3(StoreProcess):
    """A server, at first without buckets."""

    def __init__(self, folder: Path) -> None:
        if find_spec("moto") is None or find_spec("flask") is None:
            pytest.skip("no moto_server: pip install 'moto[s3,server]'")
        super().__init__(folder)

    def command(self) -> list[str]:
        """Return the command that starts it."""
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def make_bucket(self) -> str:
        """Make a bucket whose objects may have ACLs, and return its name."""
        name = self.bucket = f"pictures-{secrets.token_hex(4)}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
        client.close()
        return name
