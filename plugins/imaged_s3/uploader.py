"""The uploader: runs each blocking call of the bucket on a thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from imaged.api import OwnThreads

from .options import Options
from .timeouts import Timeouts

if TYPE_CHECKING:
    from .bucket import Bucket


class S3Uploader:
    """Stores files in one bucket. Reactor thread only. `connections` is the number of threads."""

    def __init__(
        self, options: Options, threads: OwnThreads, connections: int, timeouts: Timeouts | None = None
    ) -> None:
        self.detail = f"{options.uri} at {options.endpoint_url}" if options.endpoint_url else options.uri
        self.identity = options.identity(os.environ)
        self.noted_as = self.detail  # the identity of this store in earlier versions of imaged
        self._options = options
        self._threads = threads
        self._connections = connections
        self._timeouts = timeouts or Timeouts()
        self._opening = Lock()
        self._opened: Bucket | None = None

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Upload the file."""
        await self._threads.run(lambda: self._bucket().upload(key, path, content_type))

    async def download(self, key: str, path: Path) -> bool:
        """Download the file. Return False if the key does not exist."""
        return await self._threads.run(lambda: self._bucket().download(key, path))

    async def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """Download an object of another ETag than `known`, up to a size. Return its ETag, None without such a key."""
        return await self._threads.run(lambda: self._bucket().download_changed(key, path, known, maximum_bytes))

    async def list(self, prefix: str) -> Sequence[str]:
        """Return all keys with a prefix, sorted."""
        return await self._threads.run(lambda: self._bucket().list(prefix))

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete keys, a thousand in each request."""
        await self._threads.run(lambda: self._bucket().delete(keys))

    def close(self) -> None:
        """Release the threads and close the connections."""
        self._threads.let_go()
        if self._opened is not None:
            self._opened.close()

    def _bucket(self) -> Bucket:
        # To import boto3, make a client and find credentials takes half a second to several.
        with self._opening:
            if self._opened is None:
                from .bucket import open_bucket  # noqa: PLC0415

                self._opened = open_bucket(self._options, self._connections, self._timeouts)
            return self._opened
