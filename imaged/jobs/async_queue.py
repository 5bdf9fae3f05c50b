"""The queue as the reactor thread uses it: each call runs on the queue's own thread, and new jobs wake a worker."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from imaged.core.disk_errors import is_full
from imaged.core.errors import DiskFullError, ImagedError, StoreError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.hooks.host import RunInThread
from imaged.jobs.comparison import RecordedComparison, State
from imaged.jobs.queue import Depth, JobQueue, Kind

P = ParamSpec("P")
R = TypeVar("R")

FAULT_CHARACTERS = 300


class AsyncJobQueue:
    """The job queue. `run` runs a function on the one thread that may touch `queue`. Reactor thread only.

    `fault` is the error of the last failed call, or None. It stays until `try_again` has tried everything that the
    queue needs: one call that succeeds does not prove that others would. `disk_is_full` says whether its disk is full.
    `missed_uploads` says whether uploads were not queued or not recorded because of a fault. `on_return` is called when
    the queue works again.
    """

    _log = Logger()

    def __init__(self, queue: JobQueue, run: RunInThread) -> None:
        self.queue = queue
        self._run = run
        self.fault: str | None = None
        self.disk_is_full = False
        self.missed_uploads = False
        self.on_return: Callable[[], object] = lambda: None
        self._wake: dict[Kind, Callable[[], None]] = {}

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function on the queue's thread; return what it returns, or raise what it raises."""
        try:
            return await self._run(function, *args, **kwargs)
        except (ImagedError, CancelledError):  # the queue's own refusal, or a caller that stopped waiting
            raise
        except Exception as error:
            if (full := await self._full_disk(error)) is not None:
                self._note(full)
                raise full from error
            self._note(error)
            raise

    async def _full_disk(self, error: Exception) -> Exception | None:
        """Return the error of a full disk that another error does not tell, or None.

        SQLite reports an fsync that lacks room as a "disk I/O error" without a reason: a trial of the disk finds it.
        """
        if isinstance(error, sqlite3.OperationalError) and not is_full(error):
            try:
                await self._run(self.queue.try_disk)
            except Exception as found:
                return found if is_full(found) else None
        return None

    def _note(self, error: Exception) -> None:
        text = " ".join(str(error).split()) or type(error).__name__
        was_known, self.fault = self.fault, text[:FAULT_CHARACTERS].encode("utf-8", "backslashreplace").decode()
        self.disk_is_full = is_full(error)
        if was_known is None and isinstance(error, OSError | sqlite3.Error):
            self._log.error(
                "the job queue cannot be used: {error}; it is tried again every few seconds; check the disk and the "
                "permissions of state_dir",
                error=self.fault,
            )
        elif was_known is None:
            self._log.failure("the job queue failed unexpectedly")

    async def try_again(self) -> None:
        """While there is a fault, try the queue and clear the fault when it works. Raises the error that persists."""
        if self.fault is not None:
            await self.run(self.queue.try_out)
            self.fault, self.disk_is_full = None, False
            self._log.info("the job queue works again")
            self.on_return()

    async def close(self) -> None:
        """Leave the queue to other processes."""
        await self.run(self.queue.close)

    def on_new_work(self, kind: Kind, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a job of this kind has been queued."""
        self._wake[kind] = wake

    async def enqueue(
        self, kind: Kind, image: ImageId, files: Sequence[ImageFile], client: str = "", *, delay_s: float = 0
    ) -> None:
        """Queue a job for each of these files, on behalf of a `client`, due after `delay_s`; durable on return.

        Raises StoreError when the queue cannot be written, DiskFullError when its disk is full, and BusyError when it
        holds too many renders, in all or for this client or namespace.
        """
        if not files:
            return
        try:
            await self.run(self.queue.add, kind, image, files, client, delay_s)
        except ImagedError:
            raise
        except Exception as error:  # sqlite3 has many errors; after each of them nothing is queued
            self.missed_uploads |= kind == "upload"
            raise self._error(f"the job queue cannot add jobs for {image}: {error}") from error
        if wake := self._wake.get(kind):
            wake()

    async def erase(self, image: ImageId, *, enqueue: bool) -> None:
        """Remove what is queued for an image, and with `enqueue` queue the job that erases the rest of it.

        Raises StoreError when the queue cannot be written.
        """
        await self._write(image, self.queue.erase, image, enqueue=enqueue)
        if enqueue and (wake := self._wake.get("erase")):
            wake()

    async def uploaded_files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that any remote store is known to hold, or that are to be uploaded.

        Raises StoreError.
        """
        try:
            return await self.run(self.queue.uploaded_files, image)
        except (ImagedError, CancelledError):
            raise
        except Exception as error:  # as in `enqueue`
            raise self._error(f"the job queue cannot list the uploads of {image}: {error}") from error

    async def forget_uploads(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Remove the queued uploads of outputs, and the record that they were uploaded. Raises StoreError."""
        await self._write(image, self.queue.forget_uploads, image, outputs)

    async def _write(self, image: ImageId, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await self.run(write, *args, **kwargs)
        except (ImagedError, CancelledError):
            raise
        except Exception as error:  # sqlite3 has many errors
            raise self._error(f"the job queue cannot remove jobs for {image}: {error}") from error

    async def mark_stored(self, remote: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Record that a remote store holds these files. Where that fails, the next comparison looks for them there."""
        was_known = self.fault is not None
        try:
            await self.run(self.queue.uploaded.add, remote, image, files)
        except Exception as error:  # as in `enqueue`
            self.missed_uploads = True
            if was_known:
                return
            self._log.error(
                "the job queue cannot record the upload of {files} of {image}: {error}; it looks for them in the "
                "remote store when it works again",
                files=", ".join(map(str, files)),
                image=str(image),
                error=str(error),
            )

    async def take_over(self, former: str, remote: str) -> int:
        """Move the records of a remote store from its former name to its name; return how many are new."""
        return await self.run(self.queue.uploaded.take_over, former, remote)

    async def not_stored(
        self, remote: str, files: Sequence[tuple[ImageId, Sequence[ImageFile]]]
    ) -> list[tuple[ImageId, list[ImageFile]]]:
        """Return the files that the remote store is not known to hold and whose upload is not queued."""
        return await self.run(self.queue.uploaded.missing, remote, files)

    async def settled(
        self, remote: str | None, files: Sequence[tuple[ImageId, Sequence[ImageFile]]]
    ) -> list[tuple[ImageId, ImageFile]]:
        """Return the files that no job needs and, with a `remote` store, that it is known to hold."""
        return await self.run(self.queue.uploaded.settled, remote, files)

    async def begin_comparison(self, remote: str | None) -> None:
        """Record that a comparison with this remote store begins, or with None that there is no remote store."""
        await self._record(self.queue.comparisons.begin, remote)

    async def note_comparison(
        self, remote: str, state: State, images: int | None = None, missing: int | None = None
    ) -> None:
        """Record the progress of the comparison with this remote store."""
        await self._record(self.queue.comparisons.note, remote, state, images, missing)

    async def comparison(self) -> RecordedComparison | None:
        """Return the last comparison; None where there is none or the queue cannot be read."""
        return await self._read(self.queue.comparisons.last)

    async def states(self, image: ImageId) -> dict[Output, str]:
        """Return the queued renders of an image: `pending` or `failed` for each output. Raises StoreError."""
        try:
            return await self.run(self.queue.states, image)
        except ImagedError:
            raise
        except Exception as error:  # as in `enqueue`
            raise self._error(f"the job queue cannot list the jobs for {image}: {error}") from error

    async def depth(self, kind: Kind) -> Depth | None:
        """Count the jobs of one kind; return None where the queue cannot be read: `fault` then gives the reason."""
        return await self._read(self.queue.depth, kind)

    def _error(self, text: str) -> StoreError:
        if self.disk_is_full:
            return DiskFullError(f"{text}; free some space on the disk of state_dir")
        return StoreError(text)

    async def _record(self, record: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await self.run(record, *args, **kwargs)
        except CancelledError:
            raise
        except Exception as error:  # as in `enqueue`; the comparison itself continues
            self._log.error(
                "the job queue cannot record the progress of the comparison: {error}; check state_dir", error=str(error)
            )

    async def _read(self, read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return await self.run(read, *args, **kwargs)
        except CancelledError:
            raise
        except Exception:  # as in `enqueue`; the worker logs it
            return None
