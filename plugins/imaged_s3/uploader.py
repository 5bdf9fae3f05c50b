"""The uploader: every call of the blocking bucket, on a thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from imaged.api import OwnThreads

from .options import Options
from .patience import Patience

if TYPE_CHECKING:
    from .bucket import Bucket


class S3Uploader:
    """Keeps files in one bucket. Reactor thread only; `connections` is how many threads there are."""

    def __init__(
        self, options: Options, threads: OwnThreads, connections: int, patience: Patience | None = None
    ) -> None:
        self.detail = f"{options.place} at {options.endpoint_url}" if options.endpoint_url else options.place
        self.identity = options.identity(os.environ)
        self.noted_as = self.detail  # by which earlier versions of imaged remembered this store
        self._options = options
        self._threads = threads
        self._connections = connections
        self._patience = patience or Patience()
        self._opening = Lock()
        self._opened: Bucket | None = None

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Put the file."""
        await self._threads.run(self._upload, key, path, content_type)

    async def download(self, key: str, path: Path) -> bool:
        """Get the file, if there is one."""
        return await self._threads.run(self._download, key, path)

    async def list(self, prefix: str) -> Sequence[str]:
        """List keys, page by page."""
        return await self._threads.run(self._list, prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete keys, a thousand at a time."""
        await self._threads.run(self._delete, tuple(keys))

    def close(self) -> None:
        """Let threads and connections go."""
        self._threads.let_go()
        if self._opened is not None:
            self._opened.close()

    def _upload(self, key: str, path: Path, content_type: str) -> None:
        self._bucket().upload(key, path, content_type)

    def _download(self, key: str, path: Path) -> bool:
        return self._bucket().download(key, path)

    def _list(self, prefix: str) -> Sequence[str]:
        return self._bucket().list(prefix)

    def _delete(self, keys: Sequence[str]) -> None:
        self._bucket().delete(keys)

    def _bucket(self) -> Bucket:
        # Importing boto3, making its client and looking for credentials takes a good part of a second, or several.
        with self._opening:
            if self._opened is None:
                from .bucket import open_bucket  # noqa: PLC0415

                self._opened = open_bucket(self._options, self._connections, self._patience)
            return self._opened
