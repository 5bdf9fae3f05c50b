"""Pictures of origins: fetched when they are first asked for, then served from the store, even if the origin fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from imaged.config.origins import OriginSettings
from imaged.core.clients import NO_CHARGE, Charge
from imaged.core.errors import (
    BusyError,
    GoneError,
    HashConflictError,
    ImagedError,
    NotAPictureError,
    NotFoundError,
    OriginFailedError,
    OriginTimeoutError,
    PluginFailedError,
    SourceFailedError,
    SourceForbiddenError,
    SourceTimeoutError,
    TooLargeError,
)
from imaged.core.events import OriginalDownloaded, OriginalUnavailable
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId, shorten
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import DOWNLOAD, span
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_sources import OriginSource
from imaged.fetch.sources import Fetched
from imaged.pipeline.ingest import MAXIMUM_FETCHES
from imaged.pipeline.originals import Originals
from imaged.pipeline.refusals import Refusals
from imaged.pipeline.remote import Remote
from imaged.pipeline.shared import Shared
from imaged.store.disk import variant_time_ns
from imaged.store.origin_records import OriginRecord
from imaged.workers.single_flight import SingleFlight

MAXIMUM_UNAWAITED = MAXIMUM_FETCHES // 2
"""At how many fetches from an origin no stale path is asked for: clients wait for the paths that were never seen."""

NOT_THERE_S = 60.0
"""How long a path without a picture is answered 404 without asking the origin."""

NO_PICTURE_S = 600.0
"""How long a path is refused whose file is no picture that this server takes: the next try would download it again."""

RETRY_S = 5.0
"""How long after an error of an origin the same path is not asked for again."""

SHORTEST_S = 60.0
"""How long caches may keep an answer at least, where the time of its origin is not shorter."""

RECORD_BYTES = 12_288
"""What a record takes, with its two folders. At the bound of the store, further paths of a picture get none, nor do
those of an erased one."""

_NO_PICTURE = (NotAPictureError, TooLargeError, HashConflictError)


@dataclass(frozen=True)
class Origin:
    """One origin of the settings. `folder` names its records: they are those of this place alone."""

    name: str
    settings: OriginSettings
    source: OriginSource
    folder: str


@dataclass(frozen=True)
class OriginPicture:
    """The picture at a path of an origin.

    It counts as current for `fresh_s` seconds, and has been there since `since_ns`, in nanoseconds since the epoch.
    Caches may keep an answer for `shortest_s` in any case. `is_fetched` says whether the origin has just sent it.
    """

    image: ImageId
    fresh_s: float
    shortest_s: float
    since_ns: int
    is_fetched: bool


OriginKey = tuple[str, str]
"""The name of an origin, and a path there."""


class Origins:
    """The origins of one generation. Reactor thread only.

    `now_s` returns the time in seconds since the epoch. `prepare` is called with each new picture.
    """

    _log = Logger()

    def __init__(
        self,
        shared: Shared,
        originals: Originals,
        remote: Remote,
        origins: Mapping[str, Origin],
        now_s: Callable[[], float],
        prepare: Callable[[ImageId, ImageInfo], Awaitable[None]],
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._originals = originals
        self._remote = remote
        self._origins = origins
        self._now_s = now_s
        self._prepare = prepare
        self._fetching: dict[str, SingleFlight[str, OriginPicture]] = {
            name: SingleFlight(shared.tasks) for name in origins
        }
        self._refusals: Refusals[OriginKey] = Refusals(shared.reactor.seconds)

    async def find(self, namespace: str, name: str, path: str, charge: Charge = NO_CHARGE) -> OriginPicture:
        """Return the picture at a path of an origin, fetched now if it was never seen.

        A picture that was seen is returned at once. When its time is over, the origin is asked behind the answer, and a
        later request gets what it has then. Raises NotFoundError when there is no such origin or picture, GoneError
        when the picture was erased, OriginFailedError or OriginTimeoutError when a path that was never seen cannot be
        fetched, BusyError when too many are being fetched, DiskFullError or ReadOnlyError while the store takes no
        files, and the errors of `Originals.keep`.

        A fetch that a client waits for is charged, whatever it brings.
        """
        origin = self._named(namespace, name)
        record = self._store.origin_records.read(origin.folder, path)
        if record is None or not self._is_kept(ImageId(namespace, record.hash)):
            return await self.fetch(namespace, name, path, charge)
        left_s = record.checked_s + origin.settings.ttl_s - self._now_s()
        if not 0 < left_s <= origin.settings.ttl_s:  # more than that is left when the clock was set back
            left_s = 0.0
            self._shared.counters.origins.of(name).stale += 1
            self._revalidate(origin, record)
        return _found(origin, record, left_s, is_fetched=False)

    async def fetch(self, namespace: str, name: str, path: str, charge: Charge = NO_CHARGE) -> OriginPicture:
        """Fetch the picture at a path, whatever is known, as `find` does. Requests for one path share a fetch."""
        origin, fetching = self._named(namespace, name), self._fetching[name]
        self._shared.counters.saves.check(namespace)
        if not fetching.in_flight(path):
            if (error := self._refusals.find((name, path))) is not None:
                raise error
            if fetching.count >= MAXIMUM_FETCHES:
                raise BusyError(f"{MAXIMUM_FETCHES} originals are being fetched from origin {name}: try again later")
            charge.fetch()
        found = await fetching.one(path, partial(self._fetch, origin, path, None))
        if not found.is_fetched:  # the fetch was that of a conditional request, and its answer 304
            return await self.fetch(namespace, name, path, charge)
        return found

    def close(self) -> None:
        """Close the sources of all origins."""
        for origin in self._origins.values():
            origin.source.close()

    def _named(self, namespace: str, name: str) -> Origin:
        origin = self._origins.get(name)
        if origin is None or origin.settings.namespace != namespace:
            raise NotFoundError(f"namespace {namespace} has no origin {shorten(name)!r}: check the settings")
        return origin

    def _is_kept(self, image: ImageId) -> bool:
        """Return whether a store has an original, or may have it, or must not have it."""
        is_remote = self._remote.exists or bool(self._shared.settings.remote.base_url)
        return is_remote or self._store.has(image, ORIGINAL) or self._store.tombstones.find(image) is not None

    def _revalidate(self, origin: Origin, record: OriginRecord) -> None:
        """Ask the origin again, behind the answer, unless the store could not keep what it sends."""
        path, fetching, namespace = record.path, self._fetching[origin.name], origin.settings.namespace
        if fetching.in_flight(path) or fetching.count >= MAXIMUM_UNAWAITED:
            return
        if self._refusals.find((origin.name, path)) is not None:
            return

        async def revalidate() -> None:
            try:
                self._shared.counters.saves.check(namespace)
                await fetching.one(path, partial(self._fetch, origin, path, record))
            except _NO_PICTURE as error:  # other errors are logged where they are counted
                self._log.warn(
                    "origin {origin} has no picture any more at {path}, and the former one is served: {error}",
                    origin=origin.name,
                    path=path,
                    error=str(error),
                )
            except ImagedError:
                pass

        self._shared.tasks.own(revalidate())

    async def _fetch(self, origin: Origin, path: str, record: OriginRecord | None) -> OriginPicture:
        """Ask an origin, and keep what it has. `record` is what is known, None to fetch the original in any case."""
        key = origin.name, path
        try:
            with self._store.temporary() as temporary:
                return await self._ask(origin, path, temporary, record)
        except GoneError:
            raise
        except ImagedError as error:
            lasts_s = NO_PICTURE_S if isinstance(error, _NO_PICTURE) else RETRY_S
            self._refusals.add(key, error, NOT_THERE_S if isinstance(error, NotFoundError) else lasts_s)
            raise

    async def _ask(self, origin: Origin, path: str, temporary: Path, record: OriginRecord | None) -> OriginPicture:
        now_s, namespace = self._now_s(), origin.settings.namespace
        known = Validators() if record is None else Validators(record.etag, record.last_modified)
        fetched = await self._download(origin, path, temporary, known)
        if fetched.file is None and record is not None:
            return await self._save(origin, replace(record, checked_s=now_s), is_fetched=False)
        received = fetched.file
        if received is None:
            raise OriginFailedError(f"origin {origin.name} says that nothing has changed, but nothing is known")
        image = ImageId(namespace, ImageHash(received.md5))
        is_same = record is not None and record.hash == image.hash
        since_ns = record.since_ns if record is not None and is_same else variant_time_ns()
        validators = fetched.validators
        seen = OriginRecord(path, image.hash, validators.etag, validators.last_modified, now_s, since_ns)
        was_kept = self._store.has(image, ORIGINAL)
        has_room = record is not None or self._shared.counters.bound.has_room(RECORD_BYTES)
        if not (is_same and was_kept):
            try:
                _, info = await self._originals.keep(namespace, received, is_posted=False)
            except GoneError as error:  # is not fetched for each request
                if has_room:
                    await self._save(origin, seen)
                else:
                    self._refusals.add((origin.name, path), error, RETRY_S)
                raise
            with suppress(ImagedError):  # outputs that are not ordered are made when a client asks for them
                await self._prepare(image, info)
        if was_kept and not has_room:
            return _found(origin, seen, origin.settings.ttl_s, is_fetched=True)  # invented paths would fill the store
        return await self._save(origin, seen)

    async def _save(self, origin: Origin, record: OriginRecord, *, is_fetched: bool = True) -> OriginPicture:
        await self._shared.run(self._store.origin_records.save, origin.folder, record)
        return _found(origin, record, origin.settings.ttl_s, is_fetched=is_fetched)

    async def _download(self, origin: Origin, path: str, temporary: Path, known: Validators) -> Fetched:
        """Ask an origin, and count, log and translate its errors."""
        seconds: Callable[[], float] = self._shared.reactor.seconds
        namespace, began_s = origin.settings.namespace, seconds()
        tally = self._shared.counters.origins.of(origin.name)
        try:
            with span(DOWNLOAD):
                fetched = await origin.source.fetch(path, temporary, known)
        except NotFoundError as error:
            tally.missing += 1
            self._answered(origin)
            await self._shared.run(self._store.origin_records.remove, origin.folder, path)
            self._shared.metrics.record(OriginalUnavailable(namespace, type(error).__name__))
            raise NotFoundError(f"origin {origin.name} has no picture at {shorten(path)!r}") from error
        except ImagedError as error:
            self._shared.metrics.record(OriginalUnavailable(namespace, type(error).__name__))
            if not isinstance(error, SourceFailedError | SourceForbiddenError | PluginFailedError):
                raise
            kind = OriginTimeoutError if isinstance(error, SourceTimeoutError) else OriginFailedError
            self._failed(origin, str(error))
            raise kind(f"origin {origin.name}: {error}") from error
        self._answered(origin)
        if fetched.file is None:
            tally.unchanged += 1
        else:
            tally.fetched += 1
            self._shared.metrics.record(OriginalDownloaded(namespace, fetched.file.size_bytes, seconds() - began_s))
        return fetched

    def _failed(self, origin: Origin, fault: str) -> None:
        if self._shared.counters.origins.failed(origin.name, fault, self._shared.reactor.seconds()):
            self._log.warn(
                "origin {origin} fails, and pictures that were seen are served as they are: {fault}",
                origin=origin.name,
                fault=fault,
            )

    def _answered(self, origin: Origin) -> None:
        if self._shared.counters.origins.answered(origin.name):
            self._log.info("origin {origin} answers again", origin=origin.name)


def _found(origin: Origin, record: OriginRecord, fresh_s: float, *, is_fetched: bool) -> OriginPicture:
    image = ImageId(origin.settings.namespace, record.hash)
    return OriginPicture(image, fresh_s, min(SHORTEST_S, origin.settings.ttl_s), record.since_ns, is_fetched)
