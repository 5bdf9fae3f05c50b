"""Originals: kept once under their hash, found in the local store, else restored from the remote one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import CorruptOriginalError, ImagedError, NotAPictureError, NotFoundError
from imaged.core.events import OriginalUnavailable
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.formats import Format, Formats
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts, ImageInfo
from imaged.core.tracing import DOWNLOAD, SAVE, UPLOAD, WAIT, span
from imaged.fetch.received_file import ReceivedFile, digest
from imaged.hooks.checked_processor import sniff_file
from imaged.hooks.host import RunInThread
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_originals import RemoteOriginals
from imaged.store.atomic import discard
from imaged.store.local import LocalStore
from imaged.store.originals import conflict, read_record
from imaged.workers.engine import Engine
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.single_flight import SingleFlight, wait
from imaged.workers.tasks import Tasks


class Originals:
    """The originals of one generation. `run` runs blocking work on a worker thread. Reactor thread only.

    `takes` says whether a client may send an original of a format to a namespace.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        store: LocalStore,
        engine: Engine,
        remote: Remote,
        remote_originals: RemoteOriginals,
        jobs: AsyncJobQueue,
        run: RunInThread,
        tasks: Tasks,
        metrics: Metrics,
        locks: KeyedLocks,
        formats: Formats,
        takes: Callable[[str, Format], bool],
    ) -> None:
        self._store = store
        self._engine = engine
        self._remote = remote
        self._remote_originals = remote_originals
        self._jobs = jobs
        self._run = run
        self._metrics = metrics
        self._locks = locks
        self._takes = takes
        self._formats = formats
        self._restoring: SingleFlight[ImageId, None] = SingleFlight(tasks)

    async def keep(self, namespace: str, received: ReceivedFile) -> tuple[ImageId, ImageInfo]:
        """Keep a new original, first in the remote store, then in the local one; both have it on return.

        Removes `received.path`. Raises NotAPictureError, TooLargeError, HashConflictError or StoreError, and then keeps
        nothing locally; a copy in the remote store may remain, which is harmless.
        """
        image = ImageId(namespace, ImageHash(received.md5))
        try:
            async with self._locks.held(f"{image}/"):  # else two posts with one MD5 and other bytes pass the check
                info = await self._examine(image, received)
                if not self._store.has(image, ORIGINAL):
                    await self._engine.verify(received.path)
                if self._remote.exists:
                    with span(UPLOAD):
                        await self._keep_remotely(image, received, info)
                with span(SAVE):
                    await self._run(self._keep_locally, image, received, info)
        finally:
            discard(received.path)
        if self._remote.exists:
            await self._jobs.mark_stored(self._remote.identity, image, [ORIGINAL, RECORD])
        return image, info

    async def take(self, image: ImageId, received: ReceivedFile) -> None:
        """Keep bytes that have this image's MD5 in the local store alone. Removes `received.path`.

        Raises NotAPictureError, TooLargeError, HashConflictError or StoreError.
        """
        try:
            info = await self._examine(image, received)
            await self._run(self._keep_locally, image, received, info)
        finally:
            discard(received.path)

    async def find(self, image: ImageId) -> Path:
        """Return the path of an original, restored from the remote store if it was not here.

        The download counts for the first request; concurrent ones wait. Raises NotFoundError when no store has it.
        """
        if not self._store.has(image, ORIGINAL):
            with span(WAIT) if self._restoring.in_flight(image) else nullcontext():
                await wait(self._restoring.do([image], self._restore)[image])
        return self._store.path(image, ORIGINAL)

    async def reuse_output(self, image: ImageId, output: Output) -> bool:
        """Copy an output from the remote store; return False when it has none, or none of that format."""
        with self._store.temporary() as temporary:
            if not await self._remote.download(image, output, temporary):
                return False
            kept = await self._run(self._keep_output, image, output, temporary)
        if kept:
            await self._jobs.mark_stored(self._remote.identity, image, [output])
        return kept

    def _keep_output(self, image: ImageId, output: Output, temporary: Path) -> bool:
        body = temporary.read_bytes()
        if self._formats.sniff(body) != self._formats.of(output):
            self._log.warn(
                "the remote {output} of {image} is not a picture of its format: rendering it",
                output=str(output),
                image=str(image),
            )
            return False
        self._store.variants.save(image, output, body)
        return True

    async def info(self, image: ImageId) -> ImageInfo:
        """Return the record of an original, and write it where it is missing, as in older stores."""
        info = self._store.originals.info(image)
        known = info is not None and info.content_type in self._formats.content_types
        if info is not None and known and self._store.has(image, ORIGINAL):
            return info
        path = await self.find(image)
        info = _describe(image, await self._run(digest, path), await self._engine.identify(path))
        await self._run(self._store.originals.save_info, image, info)
        return info

    async def _examine(self, image: ImageId, received: ReceivedFile) -> ImageInfo:
        format = await self._run(sniff_file, received.path, self._formats)
        if format is not None and not self._takes(image.namespace, format):
            raise NotAPictureError(f"{format.content_type} is not taken here: images.extensions does not list it")
        info = _describe(image, received, await self._engine.identify(received.path))
        await self._run(self._store.originals.check_conflict, image, received.sha256)
        return info

    async def _keep_remotely(self, image: ImageId, received: ReceivedFile, info: ImageInfo) -> None:
        if not self._store.has(image, ORIGINAL):  # another node may have kept other bytes with this MD5
            known = await self._record(image, self._remote.download)
            if known is not None and known.sha256 != received.sha256:
                raise conflict(image)
        await self._remote.upload_for_client(image, ORIGINAL, info.content_type, received.path)
        record = await self._run(self._store.originals.write_record, image, info)
        try:
            await self._remote.upload_for_client(image, RECORD, self._formats.content_type(RECORD), record)
        finally:
            discard(record)

    def _keep_locally(self, image: ImageId, received: ReceivedFile, info: ImageInfo) -> None:
        self._store.originals.keep(image, received.path, received.sha256)
        self._store.originals.save_info(image, info)

    async def _restore(self, images: list[ImageId]) -> AsyncGenerator[tuple[ImageId, None], None]:
        for image in images:
            try:
                await self._download(image)
            except ImagedError as error:
                if isinstance(error, CorruptOriginalError):
                    self._log.error("{error}: not used", error=str(error))
                self._metrics.record(OriginalUnavailable(image.namespace, type(error).__name__))
                raise
            yield image, None

    async def _download(self, image: ImageId) -> None:
        with self._store.temporary() as temporary:
            with span(DOWNLOAD):
                if not await self._remote_originals.fetch(image, ORIGINAL, temporary):
                    raise NotFoundError(f"no image {image}: post it first")
                known = self._store.originals.info(image)
                if known is None:
                    with suppress(ImagedError):  # the MD5 is checked in any case
                        known = await self._record(image, self._remote_originals.fetch)
            try:
                await self._check_and_keep(image, temporary, known)
            except CorruptOriginalError as error:  # from a cache on the way, perhaps
                if not self._remote_originals.has_address:
                    raise
                with span(DOWNLOAD):
                    if not await self._remote.download(image, ORIGINAL, temporary):
                        raise
                self._log.warn("{error}: trying the uploader", error=str(error))
                await self._check_and_keep(image, temporary, known)

    async def _record(
        self, image: ImageId, fetch: Callable[[ImageId, ImageFile, Path], Awaitable[bool]]
    ) -> ImageInfo | None:
        with self._store.temporary() as path:
            return await self._run(read_record, image, path) if await fetch(image, RECORD, path) else None

    async def _check_and_keep(self, image: ImageId, temporary: Path, known: ImageInfo | None) -> None:
        """Keep a restored original if its bytes are the right ones. MD5 alone can be forged, SHA-256 cannot."""
        received = await self._run(digest, temporary)
        if received.md5 != str(image.hash) or (known is not None and known.sha256 != received.sha256):
            raise CorruptOriginalError(
                f"the remote original of {image} has other bytes: MD5 {received.md5}, SHA-256 {received.sha256}"
            )
        info = _describe(image, received, await self._engine.identify(temporary))
        await self._run(self._keep_locally, image, received, info)


def _describe(image: ImageId, received: ReceivedFile, facts: ImageFacts) -> ImageInfo:
    return ImageInfo(
        hash=image.hash,
        width_px=facts.size.width_px,
        height_px=facts.size.height_px,
        content_type=facts.format.content_type,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
    )
