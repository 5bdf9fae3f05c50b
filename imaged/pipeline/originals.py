"""Originals: kept once under their hash, found in the local store, else brought back from the remote one."""

from __future__ import annotations

from pathlib import Path

from imaged.core.errors import ImagedError, NotFoundError, StoreError
from imaged.core.events import OriginalUnavailable
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageInfo
from imaged.hooks.host import RunInThread
from imaged.metrics import Metrics
from imaged.pipeline.received import Received, digest
from imaged.pipeline.remote import Remote
from imaged.pipeline.rendering import Renderer
from imaged.pipeline.single_flight import SingleFlight, arrival
from imaged.pipeline.tasks import Tasks
from imaged.store.atomic import discard
from imaged.store.local import INFO, ORIGINAL, LocalStore


class Originals:
    """The originals of one generation. `run` runs blocking work on a thread. Reactor thread only."""

    def __init__(
        self, store: LocalStore, renderer: Renderer, remote: Remote, run: RunInThread, tasks: Tasks, metrics: Metrics
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._remote = remote
        self._run = run
        self._metrics = metrics
        self._restoring: SingleFlight[ImageId, None] = SingleFlight(tasks)

    async def keep(self, namespace: str, received: Received) -> tuple[ImageId, ImageInfo]:
        """Keep a new original, locally and remotely; it is safe on return.

        `received.path` is gone afterwards. Raises NotAPictureError, TooLargeError, HashConflictError or StoreError,
        and then nothing is acknowledged.
        """
        image = ImageId(namespace, ImageHash(received.md5))
        try:
            info = await self._run(self._keep_locally, image, received)
        finally:
            discard(received.path)
        await self._remote.upload(image, ORIGINAL, info.content_type)
        await self._remote.upload(image, INFO, "application/json")
        return image, info

    async def find(self, image: ImageId) -> Path:
        """Return where an original lies, after it has been brought back if it was not there.

        Raises NotFoundError when neither store has it.
        """
        if not self._store.has(image, ORIGINAL):
            await arrival(self._restoring.fly([image], self._restore)[image])
        return self._store.path(image, ORIGINAL)

    async def info(self, image: ImageId) -> ImageInfo:
        """Return what is known of an original; where the record is missing, as in older stores, it is made anew."""
        info = self._store.read_info(image)
        if info is not None and self._store.has(image, ORIGINAL):
            return info
        path = await self.find(image)
        return await self._run(self._describe, image, path)

    def _keep_locally(self, image: ImageId, received: Received) -> ImageInfo:
        info = self._facts(image, received)
        self._store.keep_original(image, received.path, received.sha256)
        self._store.save_info(image, info)
        return info

    def _describe(self, image: ImageId, path: Path) -> ImageInfo:
        info = self._facts(image, digest(path))
        self._store.save_info(image, info)
        return info

    def _facts(self, image: ImageId, received: Received) -> ImageInfo:
        facts = self._renderer.identify(received.path)
        return ImageInfo(
            hash=image.hash,
            width_px=facts.size.width_px,
            height_px=facts.size.height_px,
            content_type=facts.format.content_type,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
        )

    async def _restore(self, images: list[ImageId]) -> None:
        for image in images:
            temporary = self._store.new_temporary()
            try:
                if not await self._remote.download(image, ORIGINAL, temporary):
                    raise NotFoundError(f"no image {image}: post it first")
                await self._run(self._check_and_keep, image, temporary)
            except ImagedError as error:
                self._metrics.record(OriginalUnavailable(image.namespace, type(error).__name__))
                raise
            finally:
                discard(temporary)
            self._restoring.land(image, None)

    def _check_and_keep(self, image: ImageId, temporary: Path) -> None:
        received = digest(temporary)
        if received.md5 != str(image.hash):
            raise StoreError(f"the remote original of {image} has other bytes: its MD5 is {received.md5}")
        self._store.keep_original(image, temporary, received.sha256)
