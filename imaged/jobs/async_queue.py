"""The queue as the reactor thread uses it: each call runs on the queue's own thread, and new jobs wake a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.hooks.host import RunInThread
from imaged.jobs.comparison import RecordedComparison, State
from imaged.jobs.monitored_queue import MonitoredQueue
from imaged.jobs.queue import Depth, JobQueue, Kind


class AsyncJobQueue:
    """The job queue. `run` runs a function on the one thread that may touch `queue`. Reactor thread only."""

    _log = Logger()

    def __init__(self, queue: JobQueue, run: RunInThread) -> None:
        self._queue = queue
        self.monitored = MonitoredQueue(queue, run)
        self._run = self.monitored.run
        self._wake: dict[Kind, Callable[[], None]] = {}

    async def close(self) -> None:
        """Leave the queue to other processes."""
        await self._run(self._queue.close)

    def on_new_work(self, kind: Kind, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a job of this kind has been queued."""
        self._wake[kind] = wake

    async def enqueue(self, kind: Kind, image: ImageId, files: Sequence[ImageFile], client: str = "") -> None:
        """Queue a job for each of these files, on behalf of a `client`; durable on return.

        Raises StoreError when the queue cannot be written, BusyError when it holds too many renders, in all or for
        this client or namespace.
        """
        if not files:
            return
        try:
            await self._run(self._queue.add, kind, image, files, client)
        except ImagedError:
            raise
        except Exception as error:  # sqlite3 has many errors; after each of them nothing is queued
            raise StoreError(f"the job queue cannot keep outputs of {image}: {error}") from error
        if wake := self._wake.get(kind):
            wake()

    async def mark_stored(self, remote: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Record that a remote store holds these files. Where that fails, they are uploaded once more."""
        try:
            await self._run(self._queue.uploaded.add, remote, image, files)
        except Exception as error:  # as in `enqueue`
            self._log.error("{image}: not recorded as uploaded: {error}", image=str(image), error=str(error))

    async def take_over(self, former: str, remote: str) -> int:
        """Move the records of a remote store from its former name to its name; return how many are new."""
        return await self._run(self._queue.uploaded.take_over, former, remote)

    async def not_stored(
        self, remote: str, files: Sequence[tuple[ImageId, Sequence[ImageFile]]]
    ) -> list[tuple[ImageId, list[ImageFile]]]:
        """Return the files that the remote store is not known to hold and whose upload is not queued."""
        return await self._run(self._queue.uploaded.missing, remote, files)

    async def begin_comparison(self, remote: str | None) -> None:
        """Record that a comparison with this remote store begins, or with None that there is no remote store."""
        begin = partial(self._queue.comparisons.begin, remote) if remote is not None else self._queue.comparisons.forget
        await self._record(begin)

    async def note_comparison(self, remote: str, images: int, missing: int, state: State = "running") -> None:
        """Record how far the comparison with this remote store is."""
        await self._record(partial(self._queue.comparisons.note, remote, images, missing, state))

    async def fail_comparison(self, remote: str) -> None:
        """Record that the comparison with this remote store has failed."""
        await self._record(partial(self._queue.comparisons.fail, remote))

    async def comparison(self) -> RecordedComparison | None:
        """Return the last comparison; None where there is none or the queue cannot be read."""
        try:
            return await self._run(self._queue.comparisons.last)
        except CancelledError:
            raise
        except Exception:  # as in `enqueue`; the worker logs it
            return None

    async def _record(self, record: Callable[[], None]) -> None:
        try:
            await self._run(record)
        except CancelledError:
            raise
        except Exception as error:  # as in `enqueue`; the comparison itself continues
            self._log.error("the queue does not say how far the comparison is: {error}", error=str(error))

    async def states(self, image: ImageId) -> dict[Output, str]:
        """Return the queued renders of an image: `pending` or `failed` for each output."""
        return await self._run(self._queue.states, image)

    async def depth(self, kind: Kind) -> Depth | None:
        """Count the jobs of one kind; return None where the queue cannot be read: `fault` then gives the reason."""
        try:
            return await self._run(self._queue.depth, kind)
        except CancelledError:
            raise
        except Exception:  # as in `enqueue`; the worker logs it
            return None

    @property
    def fault(self) -> str | None:
        """What is wrong with the queue, or None."""
        return self.monitored.fault
