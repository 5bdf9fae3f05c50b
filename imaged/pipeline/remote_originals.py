"""Reads originals back: from the remote store's public address if it has one, else through the uploader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import CorruptOriginalError, ImagedError, NotFoundError, ReadbackFailedError, StoreError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import DOWNLOAD, span
from imaged.fetch.hashing_writer import ReceivedFile, digest
from imaged.fetch.sources import Sources
from imaged.pipeline.remote import Remote
from imaged.pipeline.shared import Shared
from imaged.store.atomic import discard
from imaged.store.disk import reading
from imaged.store.originals import read_record


class RemoteOriginals:
    """Reads and checks originals of the remote store. Reactor thread only.

    `sources` fetches from the public address; None where there is none. The operator names the address, so `sources`
    may connect to any network.
    """

    _log = Logger()

    def __init__(self, shared: Shared, remote: Remote, sources: Sources | None) -> None:
        self._shared = shared
        self._remote = remote
        self._sources = sources

    async def fetch(self, image: ImageId, path: Path) -> ReceivedFile:
        """Write an original to `path`, and check that it has the right bytes. MD5 alone can be forged, SHA-256 cannot.

        Raises NotFoundError when the remote store has none, CorruptOriginalError when it has other bytes,
        ReadbackFailedError or StoreError when it cannot be read, and DiskFullError or BusyError when a post of it would
        have no room.
        """
        most_bytes, known = self._shared.settings.sources.maximum_bytes, self._shared.store.originals.info(image)
        reserved = self._shared.counters.reserve(path.parent, most_bytes, 0 if known is None else known.size_bytes)
        with span(DOWNLOAD), closing(reserved) as reservation:
            if not await self._read(image, ORIGINAL, path):
                raise NotFoundError(f"no image {image}: post it first")
            with reading(f"the copy of {image}"):
                reservation.take(path.stat().st_size)  # noqa: ASYNC240  # metadata may be read on the reactor thread
            if known is None:
                with suppress(ImagedError):  # the MD5 is checked in any case
                    known = await self._record(image, self._read)
        try:
            return await self._check(image, path, known)
        except CorruptOriginalError as error:  # from a cache on the way, perhaps
            if self._sources is None:
                raise
            with span(DOWNLOAD):
                if not await self._remote.download(image, ORIGINAL, path):
                    raise
            self._log.warn("{error}; trying the uploader", error=str(error))
            return await self._check(image, path, known)

    async def record(self, image: ImageId) -> ImageInfo | None:
        """Return the record of an image, read through the uploader; None when there is no sound one."""
        return await self._record(image, self._remote.download)

    async def _record(
        self, image: ImageId, read: Callable[[ImageId, ImageFile, Path], Awaitable[bool]]
    ) -> ImageInfo | None:
        with self._shared.store.temporary() as path:
            return await self._shared.run(read_record, image, path) if await read(image, RECORD, path) else None

    async def _check(self, image: ImageId, path: Path, known: ImageInfo | None) -> ReceivedFile:
        with reading(f"the copy of {image}"):
            received = await self._shared.run(digest, path)
        if received.md5 != str(image.hash) or (known is not None and known.sha256 != received.sha256):
            wanted = f"MD5 {image.hash}" + (f" and SHA-256 {known.sha256}" if known else "")
            raise CorruptOriginalError(
                f"the remote original of {image} does not match its hash: expected {wanted}, "
                f"received MD5 {received.md5} and SHA-256 {received.sha256}"
            )
        return received

    async def _read(self, image: ImageId, file: ImageFile, path: Path) -> bool:
        """Write a file to `path`; return False, and leave no file, when the remote store has none.

        When the public address fails, the uploader is tried. Raises ReadbackFailedError when there is no uploader,
        StoreError when it fails too.
        """
        if self._sources is not None and await self._read_address(self._sources, image, file, path):
            return True
        return await self._remote.download(image, file, path)

    async def _read_address(self, sources: Sources, image: ImageId, file: ImageFile, path: Path) -> bool:
        url = f"{self._shared.settings.remote.base_url.rstrip('/')}/{self._remote.key(image, file)}"
        try:
            with suppress(NotFoundError):
                await sources.fetch(url, path)
                return True
        except StoreError:
            raise  # the local disk failed
        except ImagedError as error:
            if not self._remote.exists:
                raise ReadbackFailedError(f"the original cannot be read back: {error}") from error
            self._log.warn("cannot read {url}, trying the uploader: {error}", url=url, error=str(error))
        discard(path)
        return False
