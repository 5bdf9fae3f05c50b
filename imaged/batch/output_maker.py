"""One item of a batch: find out which files are missing, make only those, and store them."""

from __future__ import annotations

import errno
import shutil
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imaged.batch.items import Item
from imaged.batch.scratch import clear
from imaged.core.errors import CorruptOriginalError, NotAPictureError, NotFoundError, PolicyError
from imaged.core.files import ORIGINAL, RECORD, ImageFile, Original
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import AUTO, Output
from imaged.core.pictures import ImageInfo
from imaged.fetch.hashing_writer import ReceivedFile, digest
from imaged.hooks.host import RunInThread
from imaged.pipeline.pipeline import Pipeline
from imaged.store.local import LocalStore
from imaged.store.originals import read_record
from imaged.workers.keyed_locks import KeyedLocks


@dataclass(frozen=True)
class ItemResult:
    """The result of an item: the image, and how many of its outputs were made now or existed before."""

    image: ImageId
    width_px: int
    height_px: int
    made: int
    there: int


@dataclass(eq=False)
class OutputMaker:
    """Makes the outputs of items, several at once, each image once at a time. Reactor thread only.

    With a remote store, `pipeline` works in a scratch store. `local` is the configured store, perhaps that of a daemon:
    originals are copied from it, and nothing is written to it. `run` runs blocking work.
    """

    pipeline: Pipeline
    local: LocalStore
    outputs: Sequence[Output]
    run: RunInThread
    _locks: KeyedLocks = field(default_factory=KeyedLocks, init=False)

    def __post_init__(self) -> None:
        self._store = self.pipeline.store

    async def make(self, item: Item) -> ItemResult:
        """Make and store all outputs of an item. Raises the ImagedError that it ends with."""
        outputs = self.pipeline.outputs(item.namespace, self.outputs)
        if not outputs:
            raise PolicyError(f"the namespace {item.namespace} has no outputs of its own: name some with --outputs")
        if item.image is not None:
            return await self._make(item, item.image, outputs, None)
        async with self._received(item) as received:
            image = ImageId(item.namespace, ImageHash(received.md5))
            return await self._make(item, image, outputs, received if item.url else None)

    async def _make(
        self, item: Item, image: ImageId, outputs: Sequence[Output], received: ReceivedFile | None
    ) -> ItemResult:
        async with self._locks.held(str(image)):
            try:
                return await self._complete(item, image, outputs, received)
            finally:
                if self._store is not self.local:
                    await self.run(clear, self._store, image)

    async def _complete(
        self, item: Item, image: ImageId, outputs: Sequence[Output], received: ReceivedFile | None
    ) -> ItemResult:
        remote = self.pipeline.remote
        there = await remote.files(image) if remote.exists else set(self._store.files(image))
        if any(output.extension == AUTO for output in outputs):
            known = await self._looked_at(item, image, there, received)
            outputs = self.pipeline.auto.expand(image, known, outputs)
        missing = [output for output in outputs if output not in there]
        lacking = [file for file in (ORIGINAL, RECORD) if file not in there]
        info = None if missing or lacking else await self._known(image)
        if info is None:
            await self.pipeline.other_nodes.check_there(image)
            await self._bring(item, image, there, received)
            results = await self.pipeline.renders.several(image, missing)
            info = await self.pipeline.originals.info(image)  # with the details, if a smart crop needed them
            made = [output for output, error in results.items() if error is None]
            mended = [] if missing or lacking else [RECORD]  # there is no sound one
            try:
                await self._upload(image, info, [*lacking, *mended, *made])
            finally:
                await self.pipeline.other_nodes.check_there(image)
            for error in filter(None, results.values()):
                raise error
        return ItemResult(image, info.width_px, info.height_px, len(missing), len(outputs) - len(missing))

    async def _looked_at(
        self, item: Item, image: ImageId, there: set[ImageFile], received: ReceivedFile | None
    ) -> ImageInfo:
        """Return the record of an original, which is brought here if that takes it."""
        if ORIGINAL in there and RECORD in there and (info := await self._known(image)) is not None:
            return info
        await self._bring(item, image, there, received)
        return await self.pipeline.originals.info(image)

    async def _known(self, image: ImageId) -> ImageInfo | None:
        """Return the record of an original, without the original itself; None where there is no sound record."""
        if (info := self.local.originals.info(image)) is not None or not self.pipeline.remote.exists:
            return info
        with self._store.temporary() as record:
            if await self.pipeline.remote.download(image, RECORD, record):
                return read_record(image, record)
        return None

    async def _bring(self, item: Item, image: ImageId, there: set[ImageFile], received: ReceivedFile | None) -> None:
        """Bring the original into the store that renders read, from the nearest place that has it."""
        if item.path:
            await self._take(image, Path(item.path))
        elif received is not None and received.path.exists():
            await self.pipeline.originals.take(image, received)
        elif self.local.has(image, ORIGINAL):
            if self.local is not self._store and not self._store.has(image, ORIGINAL):
                await self._take(image, self.local.path(image, ORIGINAL))
        elif item.url and self.pipeline.remote.exists and ORIGINAL not in there:
            await self._fetch(item, image)
        else:
            try:
                await self.pipeline.originals.find(image)
            except NotFoundError:
                if not item.url:
                    raise
                await self._fetch(item, image)

    async def _fetch(self, item: Item, image: ImageId) -> None:
        async with self._received(item) as received:
            if received.md5 != str(image.hash):
                raise NotAPictureError(f"{item.url} does not match the hash {image.hash}: it has MD5 {received.md5}")
            await self.pipeline.originals.take(image, received)

    async def _take(self, image: ImageId, path: Path) -> None:
        """Copy a file into the store."""
        with self._store.temporary() as temporary:
            received = await self.run(read_picture, path, temporary)
            if received.md5 != str(image.hash):
                raise CorruptOriginalError(f"{path} does not match the hash {image.hash}: it has MD5 {received.md5}")
            await self.pipeline.originals.take(image, received)

    async def _upload(self, image: ImageId, info: ImageInfo, files: Sequence[ImageFile]) -> None:
        """Upload the files in their order: the original first, from which each output can be rendered again."""
        for file in files:
            kind = info.content_type if isinstance(file, Original) else self.pipeline.formats.content_type(file)
            await self.pipeline.remote.upload(image, file, kind)

    @asynccontextmanager
    async def _received(self, item: Item) -> AsyncIterator[ReceivedFile]:
        """Read an item without a known hash; a file is read in place."""
        if item.path:
            yield await self.run(read_picture, Path(item.path))
            return
        with self._store.temporary() as temporary:
            yield await self.pipeline.ingest.fetch(item.namespace, item.url, temporary)


def read_picture(path: Path, copy: Path | None = None) -> ReceivedFile:
    """Hash a file, or its new copy: another process may write to the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device, which may block or never end
            raise OSError(errno.EINVAL, "not a regular file")
        if copy is not None:
            shutil.copyfile(path, copy)
        return digest(copy or path)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
