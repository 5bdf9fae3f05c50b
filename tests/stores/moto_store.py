"""`moto_server`: a store in memory that keeps ACLs, storage classes and headers. It checks no signatures."""

from __future__ import annotations

import secrets
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from store_processes import StoreProcess


class MotoS3(StoreProcess):
    """A server that begins without buckets."""

    def __init__(self, folder: Path) -> None:
        if find_spec("moto") is None or find_spec("flask") is None:
            pytest.skip("no moto_server: pip install 'moto[s3,server]'")
        super().__init__(folder)

    def command(self) -> list[str]:
        """Return the words that start it."""
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def make_bucket(self) -> str:
        """Return the name of a new bucket, whose objects may have ACLs."""
        name = self.bucket = f"pictures-{secrets.token_hex(4)}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
        client.close()
        return name
