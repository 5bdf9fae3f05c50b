"""The remote store as the pipeline sees it: keys under the operator's prefix; calls counted, bounded, and cut off."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.core.circuit import Circuit
from imaged.core.errors import BusyError, ImagedError, NotFoundError, StoreError, StoreUnavailableError
from imaged.core.events import Uploaded
from imaged.core.files import ORIGINAL, ImageFile, parse_stored_file
from imaged.core.hashes import ImageId
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.pipeline.shared import Shared
from imaged.store.atomic import discard
from imaged.store.tombstones import gone

T = TypeVar("T")

RETRY_AFTER_S = 5


class _Turn:
    """Whether the turn of one call has come."""

    came = False


class Remote:
    """The uploader of one generation, or none. Reactor thread only.

    At most `upload.concurrency` calls run at once. A client waits `upload.timeout_s` for a call; one that has begun
    continues without the client. While the store is away, a trial gets through now and then, and all other calls fail
    at once. `identity` says under which name the queue records the files of this store, `former_identity` the name that
    versions without `identity` used, or None. `jitter` returns a random number below 1.
    """

    _log = Logger()

    def __init__(self, shared: Shared, uploader: CheckedUploader | None, jitter: Callable[[], float]) -> None:
        settings = shared.settings
        self._shared = shared
        self._uploader = uploader
        self._jitter = jitter
        self._clock = shared.reactor
        self._base_path = settings.remote.base_path.strip("/")
        self._concurrency = settings.upload.concurrency
        self._timeout_s = settings.upload.timeout_s
        self._turns = DeferredSemaphore(self._concurrency)
        self._circuit = Circuit()
        self._fault: str | None = None
        self.identity = ""
        self.former_identity: str | None = None
        if uploader is not None:
            self.identity = f"{uploader.name} {uploader.identity} {settings.remote.base_path}"
            if uploader.noted_as:
                self.former_identity = f"{uploader.name} {uploader.noted_as} {settings.remote.base_path}"

    @property
    def exists(self) -> bool:
        """Whether an uploader is set."""
        return self._uploader is not None

    @property
    def fault(self) -> str | None:
        """The error of the store while it is away, or None."""
        return self._fault if self._circuit.is_open else None

    @property
    def concurrency(self) -> int:
        """How many queued uploads may run now: one while the store is away or clients wait for it."""
        if self._uploader is None:
            return 0  # queued uploads stay queued: a later configuration may set an uploader
        if not self._circuit.would_admit(self._clock.seconds()):
            return 0
        return 1 if self._circuit.is_open or self._turns.waiting else self._concurrency

    def key(self, image: ImageId, file: ImageFile) -> str:
        """Return the key of a file: the path of its URL below the operator's prefix."""
        return self._below(self._shared.store.key(image, file))

    def _below(self, key: str) -> str:
        return f"{self._base_path}/{key}" if self._base_path else key

    def without_base(self, key: str) -> str:
        """Return a key without the operator's prefix."""
        return key.removeprefix(self._below(""))

    async def upload(self, image: ImageId, file: ImageFile, content_type: str) -> None:
        """Copy a file of the local store to the remote one.

        Does nothing without a remote store. Raises NotFoundError when the file is gone, GoneError when its picture was
        erased meanwhile, StoreError when it is not kept.
        """
        if self._uploader is not None:
            path = self._shared.store.path(image, file)
            try:
                await self._upload(self._uploader, image, file, content_type, path, _Turn())
            except ImagedError:
                await self._check_erased(image)
                raise
            await self._check_erased(image)

    async def _check_erased(self, image: ImageId) -> None:
        """Raise GoneError when another process may have erased an image while it was uploaded, and queue the rest."""
        if self._shared.store.tombstones.find(image) is not None:
            await self._shared.jobs.enqueue("erase", image, [ORIGINAL])
            raise gone(image)

    async def upload_for_client(self, image: ImageId, file: ImageFile, content_type: str, path: Path) -> None:
        """Upload the file at `path` for a client that waits, for `upload.timeout_s` at most.

        Raises StoreUnavailableError after that, or BusyError when the call never began.
        """
        if self._uploader is not None:
            await self._in_time(partial(self._upload, self._uploader, image, file, content_type, path))

    async def download(self, image: ImageId, file: ImageFile, path: Path) -> bool:
        """Write a file of the remote store to `path`; return False when it has no such file.

        A download that is late, or whose caller was cancelled, continues; its file is removed when it ends.
        """
        if (uploader := self._uploader) is None:
            return False
        is_left = False

        async def download() -> bool:
            try:
                return await uploader.download(self.key(image, file), path)
            finally:
                if is_left:
                    discard(path)

        try:
            return await self._in_time(partial(self._call, download))
        finally:
            is_left = True

    async def files(self, image: ImageId) -> set[ImageFile]:
        """Return the files of an image that the remote store has; other keys beside them are ignored."""
        prefix = self._below(self._shared.store.layout.prefix(image))
        files = set()
        for key in await self._list(prefix):
            with suppress(NotFoundError):
                files.add(parse_stored_file(key.removeprefix(prefix)))
        return files

    async def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a prefix, which is below the operator's one as the keys are."""
        return await self._list(self._below(prefix))

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Keep a file that belongs to no picture under a key below the operator's prefix."""
        if self._uploader is not None:
            call = partial(self._uploader.upload, self._below(key), path, content_type)
            await self._in_time(partial(self._call, call))

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove keys, as `keys` returns them; one that is not there is no error."""
        if self._uploader is not None and keys:
            await self._in_time(partial(self._call, partial(self._uploader.delete, keys)))

    async def uploads_ended(self, image: ImageId) -> None:
        """Wait until the uploads of an image that run now have ended, also those that no client waits for any more."""
        for key in self._shared.erasures.uploads(image):
            async with self._shared.locks.held(key):
                pass

    async def try_out(self) -> None:
        """List a prefix that the store does not hold. Raises the error of a store that does not work."""
        await self._list(self._below(f".imaged-{secrets.token_hex(8)}/"))

    async def _list(self, prefix: str) -> Sequence[str]:
        if self._uploader is None:
            return ()
        return await self._in_time(partial(self._call, partial(self._uploader.list, prefix)))

    async def _upload(
        self, uploader: CheckedUploader, image: ImageId, file: ImageFile, content_type: str, path: Path, turn: _Turn
    ) -> None:
        key = self.key(image, file)
        with self._shared.erasures.uploading(image, key):
            await self._upload_alone(uploader, image, key, content_type, path, turn)

    async def _upload_alone(
        self, uploader: CheckedUploader, image: ImageId, key: str, content_type: str, path: Path, turn: _Turn
    ) -> None:
        async with self._shared.locks.held(key):
            try:
                size_bytes = os.stat(path).st_size  # noqa: PTH116  # metadata may be read on the reactor thread
            except FileNotFoundError as error:
                raise NotFoundError(f"{key} cannot be uploaded: the local store no longer has it") from error
            except OSError as error:
                raise StoreError(f"{key} cannot be read: {error.strerror}") from error

            async def upload() -> None:
                began_s = self._clock.seconds()
                with self._shared.counters.uploads.track(key):
                    await uploader.upload(key, path, content_type)
                self._shared.metrics.record(Uploaded(image.namespace, size_bytes, self._clock.seconds() - began_s))

            await self._call(upload, turn)

    async def _call(self, work: Callable[[], Awaitable[T]], turn: _Turn) -> T:
        """Make one call in its turn, and update the circuit with its result."""
        if not self._circuit.would_admit(self._clock.seconds()):  # calls that hang may hold every turn
            raise StoreUnavailableError(f"the remote store is unreachable or refuses requests: {self._fault}")
        async with self._turns:
            if not self._circuit.admit(self._clock.seconds()):
                # Releasing at once would run the next call within this one, and so on, too deep.
                await deferLater(self._clock, 0)
                raise StoreUnavailableError(f"the remote store is unreachable or refuses requests: {self._fault}")
            turn.came, trial = True, self._circuit.is_open
            try:
                result = await work()
            except StoreUnavailableError as error:
                self._missed(error, trial=trial)
                raise
            except BaseException:  # it answered, or was not called: a local file may be at fault
                self._circuit.undecided(trial=trial)
                raise
            self._met()
            return result

    async def _in_time(self, work: Callable[[_Turn], Coroutine[Deferred[Any], Any, T]]) -> T:
        """Wait for `work` for `upload.timeout_s` at most."""

        def too_late(_: object, timeout_s: float) -> T:
            if not turn.came:
                raise BusyError("too many calls wait for the remote store: try again later", RETRY_AFTER_S)
            error = StoreUnavailableError(f"the remote store took longer than {timeout_s:g} s")
            self._missed(error, trial=True)  # the call may hang for long, and the next one must not wait for it
            raise error

        turn = _Turn()
        waiter = self._shared.tasks.own(work(turn))
        return await waiter.addTimeout(self._timeout_s, self._clock, onTimeoutCancel=too_late)

    def _missed(self, error: StoreUnavailableError, *, trial: bool) -> None:
        self._fault = str(error)
        if self._circuit.failed(self._clock.seconds(), self._jitter(), trial=trial):
            self._log.error(
                "the remote store is unreachable or refuses requests, and uploads wait: {fault}", fault=self._fault
            )

    def _met(self) -> None:
        if (away_s := self._circuit.succeeded(self._clock.seconds())) is not None:
            self._log.info("the remote store is back after {away_s:.0f} s; uploads continue", away_s=away_s)
