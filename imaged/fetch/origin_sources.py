"""Where the originals of an origin come from: a site, a bucket that a plugin reads, or a folder of this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from imaged.core.errors import (
    DiskFullError,
    NotFoundError,
    ReadOnlyError,
    SourceFailedError,
    StoreError,
    TooLargeError,
)
from imaged.core.origin_paths import LONGEST_PATH_BYTES, quote_origin_path, read_origin_path
from imaged.core.source_urls import SourceUrl
from imaged.fetch.budget import Reservation
from imaged.fetch.exchange import Validators
from imaged.fetch.hashing_writer import digest
from imaged.fetch.origin_folders import copy_changed
from imaged.fetch.sources import Fetched, Sources
from imaged.fetch.timed_copies import TimedCopies
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.host import OwnThreads, RunInThread

FOLDER_THREADS = 4
"""How many files of a folder are copied at once."""


class OriginSource(Protocol):
    """Fetches the originals of one origin. `identity` says which place it is, and nothing else. Reactor thread only."""

    identity: str

    async def fetch(self, path: str, temporary: Path, known: Validators) -> Fetched:
        """Write the original at `path` to the file `temporary`, unless it is still in the `known` version.

        `path` is one that `read_origin_path` has returned. Raises NotFoundError when the origin has no such original,
        and other ImagedErrors when it fails. After an error a part of the file may remain: the caller removes it.
        """

    def close(self) -> None:
        """Release what the source holds. It is not called again."""


class SiteSource:
    """A site: each path follows its URL. The operator names it, so `sources` may connect to any network."""

    def __init__(self, sources: Sources, url: str, headers: Mapping[str, str]) -> None:
        self.identity = url
        self._sources = sources
        self._base = SourceUrl.parse(f"{url}/")
        self._headers = headers

    async def fetch(self, path: str, temporary: Path, known: Validators) -> Fetched:
        """Fetch the original, with a conditional request where a version is known."""
        url = SourceUrl.parse(f"{self._base}{quote_origin_path(path)}")
        return await self._sources.fetch_changed(url, temporary, self._headers, known, self._is_below)

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def _is_below(self, url: SourceUrl) -> bool:
        """Return whether a redirect stays below the URL of the origin, which alone may get the headers."""
        base = self._base
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            return False
        rest = url.target.removeprefix(base.target).partition("?")[0]
        try:
            read_origin_path(rest.encode().split(b"/"))
        except NotFoundError:  # also for a path that is not below the URL: it still begins with a slash
            return False
        return True


class BucketSource:
    """A bucket that an uploader plugin reads. Its ETags tell versions; without them, the object is downloaded again."""

    def __init__(
        self, uploader: CheckedUploader, base_path: str, run: RunInThread, clock: Any, timeout_s: float, most_bytes: int
    ) -> None:
        self.identity = f"{uploader.name} {uploader.identity} {base_path}"
        self._uploader = uploader
        self._prefix = f"{base_path.strip('/')}/" if base_path else ""
        self._run = run
        self._copies = TimedCopies("bucket", clock, timeout_s)
        self._most_bytes = most_bytes

    async def fetch(self, path: str, temporary: Path, known: Validators) -> Fetched:
        """Download the object, unless the plugin says that it has not changed."""
        key, too_large = f"{self._prefix}{path}", f"the original has more than {self._most_bytes} bytes"
        if len(key.encode()) > LONGEST_PATH_BYTES:
            raise NotFoundError("the key is longer than buckets take")
        try:
            version = await self._copies.make(
                lambda: self._uploader.download_changed(key, temporary, known.etag, self._most_bytes), temporary
            )
        except (DiskFullError, ReadOnlyError):  # of the local disk
            raise
        except TooLargeError as error:
            raise TooLargeError(too_large) from error
        except StoreError as error:
            raise SourceFailedError(str(error)) from error
        if version is None:
            raise NotFoundError("the bucket has no such key")
        if version and version == known.etag:
            return Fetched(None, known)
        try:
            file = await self._run(digest, temporary)
        except OSError as error:
            raise StoreError(f"the copy of an object cannot be read: {error.strerror}") from error
        if file.size_bytes > self._most_bytes:
            raise TooLargeError(too_large)
        return Fetched(file, Validators(version))

    def close(self) -> None:
        """Do nothing: the plugin is closed with the other plugins."""


class FolderSource:
    """A folder of this machine. The time and the size of a file tell its version.

    It has threads of its own: a network file system that hangs would hold those of the store.
    """

    def __init__(self, folder: str, threads: OwnThreads, clock: Any, timeout_s: float, most_bytes: int) -> None:
        self.identity = folder
        self._folder = folder
        self._threads = threads
        self._copies = TimedCopies("folder", clock, timeout_s)
        self._most_bytes = most_bytes

    async def fetch(self, path: str, temporary: Path, known: Validators) -> Fetched:
        """Copy the file, on a thread."""
        copy = partial(self._threads.run, copy_changed, self._folder, path, temporary, known, self._most_bytes)
        return await self._copies.make(copy, temporary)

    def close(self) -> None:
        """End the threads, each when its work is done."""
        self._threads.let_go()


class CountedSource:
    """A source that makes copies, which count as originals that come in, as `Sources` counts those of sites.

    `reserve` begins to count a file in a folder, of at most `most_bytes`. It raises DiskFullError when the bytes that
    are announced have no room. A copy counts when it is complete.
    """

    def __init__(self, source: OriginSource, reserve: Callable[[Path, int, int], Reservation], most_bytes: int) -> None:
        self.identity = source.identity
        self._source = source
        self._reserve = reserve
        self._most_bytes = most_bytes

    async def fetch(self, path: str, temporary: Path, known: Validators) -> Fetched:
        """Fetch the original. Without room for it, a new one is not asked for."""
        announced_bytes = 0 if known.etag else 1  # one that has not changed needs no room
        with closing(self._reserve(temporary.parent, self._most_bytes, announced_bytes)) as reservation:
            fetched = await self._source.fetch(path, temporary, known)
            if fetched.file is not None:
                reservation.take(fetched.file.size_bytes)
            return fetched

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def digest_of(source: OriginSource) -> str:
    """Return what names the records of an origin beside its own name: another place has other records."""
    return hashlib.sha256(source.identity.encode()).hexdigest()[:12]
