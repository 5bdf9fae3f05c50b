"""Originals: kept once under their hash, found in the local store, else restored from the remote one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from imaged.core.clients import Charge
from imaged.core.details import ImageDetails
from imaged.core.errors import (
    BusyError,
    CorruptOriginalError,
    DiskFullError,
    GoneError,
    ImagedError,
    NotAPictureError,
    NotFoundError,
    OutOfTimeError,
    ReadOnlyError,
    StoreError,
)
from imaged.core.events import OriginalUnavailable
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import SAVE, UPLOAD, WAIT, current_trace, span
from imaged.fetch.hashing_writer import ReceivedFile, digest
from imaged.hooks.checked_processor import sniff_file
from imaged.pipeline.erase import Eraser
from imaged.pipeline.other_nodes import OtherNodes
from imaged.pipeline.refusals import Refusals
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_originals import RemoteOriginals
from imaged.pipeline.shared import Shared
from imaged.store.atomic import discard
from imaged.store.disk import FileBody, OpenFile, reading
from imaged.store.originals import conflict
from imaged.workers.engine import Engine
from imaged.workers.single_flight import SingleFlight

NOT_THERE_S = 1.0
"""How long clients get 404 or 507 for an original that the remote store has not, or that has no room here."""

MOST_FETCHES = 100
"""How many originals may be on the way from the remote store before clients that need others are refused."""

MOST_UNDESCRIBED = 1000
"""How many originals without details are remembered, so that none is looked at for each request."""


class Originals:
    """The originals of one generation. Reactor thread only."""

    _log = Logger()

    def __init__(
        self,
        shared: Shared,
        engine: Engine,
        remote: Remote,
        remote_originals: RemoteOriginals,
        eraser: Eraser,
        other_nodes: OtherNodes,
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._engine = engine
        self._remote = remote
        self._remote_originals = remote_originals
        self._eraser = eraser
        self._other_nodes = other_nodes
        self._restoring: SingleFlight[ImageId, None] = SingleFlight(shared.tasks)
        self._not_there: Refusals[ImageId] = Refusals(shared.reactor.seconds)
        self._completing: SingleFlight[ImageId, ImageInfo] = SingleFlight(shared.tasks)
        self._undescribed: set[ImageId] = set()

    async def keep(
        self, namespace: str, received: ReceivedFile, *, is_posted: bool = True
    ) -> tuple[ImageId, ImageInfo]:
        """Keep a new original, first in the remote store, then in the local one; both have it on return.

        Removes `received.path`. Raises NotAPictureError, TooLargeError, HashConflictError or StoreError, and then keeps
        nothing locally; a copy in the remote store may remain, which is harmless. Raises GoneError when the picture is
        erased after this call, or refused; then no copy remains. Of a post and an erasure, the later one wins; what no
        client has posted (`is_posted`) stays erased.
        """
        image = ImageId(namespace, ImageHash(received.md5))
        if is_posted and (trace := current_trace()) is not None:  # a refusal has the tag of the picture, too
            trace.cache_tag = image.cache_tag
        try:
            seen = self._store.tombstones.find(image)
            async with self._shared.locks.held(f"{image}/"):  # else two posts with one MD5 and other bytes both pass
                tombstone = await self._eraser.admit(image, seen, is_posted=is_posted)
                info = await self._examine(image, received)
                if not self._store.has(image, ORIGINAL):
                    details = await self._engine.verify(image.hash, received.path)
                    info = replace(info, details=details or info.details)
                if info.details is None:
                    info = replace(info, details=(await self._look(image, received.path))[0])
                if self._remote.exists:
                    with span(UPLOAD):
                        await self._keep_remotely(image, received, info)
                async with self._eraser.lifted(tombstone):
                    with span(SAVE):
                        await self._keep_locally(image, received, info)
        except GoneError:
            if self._remote.exists:  # another process may have erased it while it was uploaded
                await self._shared.jobs.enqueue("erase", image, [ORIGINAL])
            raise
        finally:
            discard(received.path)
        if self._remote.exists and tombstone is None:  # else the next comparison makes sure that it is there
            await self._shared.jobs.mark_stored(self._remote.identity, image, [ORIGINAL, RECORD])
        return image, info

    async def take(self, image: ImageId, received: ReceivedFile) -> None:
        """Keep bytes that have this image's MD5 in the local store alone. Removes `received.path`.

        Raises NotAPictureError, TooLargeError, HashConflictError or StoreError.
        """
        try:
            info = await self._examine(image, received)
            await self._keep_locally(image, received, info)
        finally:
            discard(received.path)

    def admit(self, image: ImageId, charge: Charge) -> None:
        """Count the fetch of an original, for a client whose request needs one that is not here.

        Each request for an invented name would otherwise cost a call of the remote store. A request that waits for the
        fetch of another costs nothing. Raises the NotFoundError or DiskFullError of a fetch in the last
        NOT_THERE_S, GoneError when it was erased, BusyError when too many are on the way, and as `charge` does.
        """
        is_remote = self._remote.exists or bool(self._shared.settings.remote.base_url)
        if not is_remote or self._store.has(image, ORIGINAL) or self._restoring.in_flight(image):
            return
        self._other_nodes.check(image)
        if (error := self._not_there.find(image)) is not None:
            raise error
        if self._restoring.count >= MOST_FETCHES:
            raise BusyError(f"{MOST_FETCHES} originals are on the way from the remote store: try again later")
        charge.fetch()

    async def find(self, image: ImageId, charge: Charge | None = None) -> Path:
        """Return the path of an original, restored from the remote store if it was not here.

        The download counts for the first request; concurrent ones wait. Raises NotFoundError when no store has it,
        GoneError when it was erased; for a client that is charged, also as `admit` does.
        """
        if charge is not None:
            self.admit(image, charge)
        if not self._store.has(image, ORIGINAL):
            self._other_nodes.check(image)
            with span(WAIT) if self._restoring.in_flight(image) else nullcontext():
                await self._restoring.one(image, partial(self._restore, image))
        return self._store.path(image, ORIGINAL)

    async def open(self, image: ImageId, charge: Charge | None = None) -> OpenFile | FileBody | None:
        """Open an original for reading, restored as by `find`; None when it has gone meanwhile."""
        async with self.using(image):
            await self.find(image, charge)
            return self._store.open(image, ORIGINAL)

    def using(self, image: ImageId) -> AbstractAsyncContextManager[None]:
        """Keep an original from being forgotten while the block runs."""
        return self._shared.in_use.using(image)

    async def info(self, image: ImageId, charge: Charge | None = None) -> ImageInfo:
        """Return the record of an original, and write it where it is missing, as in older stores. Raises as `find`."""
        info = self._store.originals.info(image)
        known = info is not None and info.content_type in self._shared.formats.content_types
        if info is not None and known and (self._is_cached or self._store.has(image, ORIGINAL)):
            return info
        async with self.using(image):
            path = await self.find(image, charge)
            try:
                with reading(self._store.key(image, ORIGINAL)):
                    received = await self._shared.run(digest, path)
                info = await self._describe(image, received)
            except ImagedError:
                self._store.tombstones.check(image)  # the files of an erased picture are missing
                raise
            await self._mend_info(image, info)
        return info

    @property
    def _is_cached(self) -> bool:
        """Whether an original that is not here may have been forgotten: its record speaks for it."""
        return self._remote.exists and self._shared.settings.store.originals == "cached"

    async def described(self, image: ImageId, charge: Charge | None = None) -> ImageInfo:
        """Return the record of an original with its details, which are added where it is an older record.

        They stay None where no processor can tell them. Raises as `info`.
        """
        info = await self.info(image, charge)
        if info.details is None and image not in self._undescribed:
            return await self._completing.one(image, partial(self._complete, image, info))
        return info

    async def _complete(self, image: ImageId, info: ImageInfo) -> ImageInfo:
        async with self.using(image):
            details, is_final = await self._look(image, await self.find(image))
        if details is None:
            if is_final:
                self._undescribed.add(image)
            if len(self._undescribed) > MOST_UNDESCRIBED:
                self._undescribed.clear()
            return info
        info = replace(info, details=details)
        if await self._mend_info(image, info) and self._remote.exists:
            await self._shared.jobs.enqueue("upload", image, [RECORD])
        return info

    async def _look(self, image: ImageId, path: Path) -> tuple[ImageDetails | None, bool]:
        """Look at an original; return its details, and whether another look would find the same.

        None where that fails: a picture is kept and rendered without its details.
        """
        try:
            return await self._engine.describe(image.hash, path), True
        except ImagedError as error:
            if error.transient and not isinstance(error, OutOfTimeError):
                return None, False
            self._log.warn("{image} has no details: {error}", image=image, error=str(error))
            return None, True

    async def _describe(self, image: ImageId, received: ReceivedFile) -> ImageInfo:
        """Return the record of an original, with the details that an earlier record has."""
        facts = await self._engine.identify(image.hash, received.path)
        known = self._store.originals.info(image)
        return ImageInfo(
            hash=image.hash,
            width_px=facts.size.width_px,
            height_px=facts.size.height_px,
            content_type=facts.format.content_type,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            details=None if known is None else known.details,
        )

    async def _examine(self, image: ImageId, received: ReceivedFile) -> ImageInfo:
        """Describe a new original, if its namespace takes its format and its hash is not taken by other bytes."""
        await self._shared.run(self._check, image, received)
        return await self._describe(image, received)

    def _check(self, image: ImageId, received: ReceivedFile) -> None:
        format = sniff_file(received.path, self._shared.formats)
        if format is not None and not self._shared.settings.policy(image.namespace).takes(format):
            raise NotAPictureError(f"{format.content_type} is not accepted here: images.read_formats does not list it")
        self._store.originals.check_conflict(image, received.sha256)

    async def _keep_remotely(self, image: ImageId, received: ReceivedFile, info: ImageInfo) -> None:
        if not self._store.has(image, ORIGINAL):  # another node may have kept other bytes with this MD5
            known = await self._remote_originals.record(image)
            if known is not None and known.sha256 != received.sha256:
                raise conflict(image)
        await self._remote.upload_for_client(image, ORIGINAL, info.content_type, received.path)
        record = await self._shared.run(self._store.originals.write_record, image, info)
        try:
            content_type = self._shared.formats.content_type(RECORD)
            await self._remote.upload_for_client(image, RECORD, content_type, record)
        finally:
            discard(record)

    async def _keep_locally(
        self,
        image: ImageId,
        received: ReceivedFile,
        info: ImageInfo,
        save_info: Callable[[ImageId, ImageInfo], None] | None = None,
    ) -> None:
        """Keep an original and its record, which is that of a new post unless `save_info` writes another."""

        def keep() -> None:
            self._store.originals.keep(image, received.path, received.sha256)
            (save_info or self._store.originals.save_info)(image, info)

        try:
            await self._shared.run(keep)
        except StoreError as error:
            self._shared.counters.saves.note(image.namespace, error, received.size_bytes)
            raise
        self._not_there.forget(image)  # the store may forget the original, which the remote store has by now

    async def _mend_info(self, image: ImageId, info: ImageInfo) -> bool:
        """Write a record; return False when the store takes no files: the client gets it nevertheless."""
        try:
            await self._shared.run(self._store.originals.mend_info, image, info)
        except (DiskFullError, ReadOnlyError) as error:
            self._shared.counters.saves.note(image.namespace, error)
            return False
        return True

    async def _restore(self, image: ImageId) -> None:
        try:
            with self._store.temporary() as temporary:
                received = await self._remote_originals.fetch(image, temporary)
                info = await self._describe(image, received)
                await self._keep_locally(image, received, info, self._store.originals.mend_info)
        except ImagedError as error:
            if isinstance(error, CorruptOriginalError):
                self._log.error("{error}; not used: restore the object, or post the picture again", error=str(error))
            if isinstance(error, NotFoundError | DiskFullError):  # the next request would download it again
                self._not_there.add(image, error, NOT_THERE_S)
            self._shared.metrics.record(OriginalUnavailable(image.namespace, type(error).__name__))
            raise
