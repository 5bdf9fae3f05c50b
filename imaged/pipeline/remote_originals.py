"""Reads originals back: from the remote store's public address if it has one, else through the uploader."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import ImagedError, NotFoundError, ReadbackFailedError, StoreError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.fetch.sources import Sources
from imaged.pipeline.remote import Remote
from imaged.store.atomic import discard


class RemoteOriginals:
    """Reads files of the remote store. The operator names `base_url`, so `sources` may connect to any network."""

    _log = Logger()

    def __init__(self, remote: Remote, base_url: str, sources: Callable[[], Sources]) -> None:
        self._remote = remote
        self._base_url = base_url.rstrip("/")
        self._sources = sources() if base_url else None

    @property
    def has_address(self) -> bool:
        """Whether there is a public address, which may give other bytes than the uploader."""
        return self._sources is not None

    async def fetch(self, image: ImageId, file: ImageFile, path: Path) -> bool:
        """Write a file to `path`; return False, and leave no file, when the remote store has none.

        When the public address fails, the uploader is tried. Raises ReadbackFailedError when there is no uploader,
        StoreError when it fails too.
        """
        if self._sources is not None and await self._fetch(self._sources, image, file, path):
            return True
        return await self._remote.download(image, file, path)

    async def _fetch(self, sources: Sources, image: ImageId, file: ImageFile, path: Path) -> bool:
        url = f"{self._base_url}/{self._remote.key(image, file)}"
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
