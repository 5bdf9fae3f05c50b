"""The queue as the reactor sees it: each call runs on the queue's own thread, and new work wakes its worker."""

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
from imaged.jobs.comparison import Comparison, State
from imaged.jobs.monitored_queue import MonitoredQueue
from imaged.jobs.queue import Depth, JobQueue, Kind


class AsyncJobQueue:
    """What is owed. `run` runs a function on the one thread that may touch `queue`. Reactor thread only."""

    _log = Logger()

    def __init__(self, queue: JobQueue, run: RunInThread) -> None:
        self._queue = queue
        self.watched = MonitoredQueue(queue, run)
        self._run = self.watched.run
        self._wake: dict[Kind, Callable[[], None]] = {}

    async def close(self) -> None:
        """Leave the queue to other processes."""
        await self._run(self._queue.close)

    def on_new_work(self, kind: Kind, wake: Callable[[], None]) -> None:
        """Call `wake` whenever work of this kind has been added."""
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
        """Note that a remote store holds these files. Where that fails, they are uploaded once more."""
        try:
            await self._run(self._queue.acknowledged.add, remote, image, files)
        except Exception as error:  # as above
            self._log.error("{image}: not noted as uploaded: {error}", image=str(image), error=str(error))

    async def take_over(self, former: str, remote: str) -> int:
        """Note what is noted of a remote store under a former name under its name; return how many files that are."""
        return await self._run(self._queue.acknowledged.take_over, former, remote)

    async def not_stored(
        self, remote: str, files: Sequence[tuple[ImageId, Sequence[ImageFile]]]
    ) -> list[tuple[ImageId, list[ImageFile]]]:
        """Return the files that the remote store is not known to hold and whose upload is not queued."""
        return await self._run(self._queue.acknowledged.missing, remote, files)

    async def comparison_began(self, remote: str | None) -> None:
        """Take note that a comparison with this remote store begins, or with None that there is no store."""
        begin = partial(self._queue.comparisons.begin, remote) if remote is not None else self._queue.comparisons.forget
        await self._note(begin)

    async def comparison_went(self, remote: str, images: int, missing: int, state: State = "running") -> None:
        """Take note how far the comparison with this remote store is."""
        await self._note(partial(self._queue.comparisons.note, remote, images, missing, state))

    async def comparison_failed(self, remote: str) -> None:
        """Take note that the comparison with this remote store cannot go on."""
        await self._note(partial(self._queue.comparisons.fail, remote))

    async def comparison(self) -> Comparison | None:
        """Return how far the last comparison is; None where there is none, or the queue cannot be read."""
        try:
            return await self._run(self._queue.comparisons.last)
        except CancelledError:
            raise
        except Exception:  # as above; the worker tells the log of it
            return None

    async def _note(self, note: Callable[[], None]) -> None:
        try:
            await self._run(note)
        except CancelledError:
            raise
        except Exception as error:  # as above: the comparison itself goes on
            self._log.error("the queue does not say how far the comparison is: {error}", error=str(error))

    async def states(self, image: ImageId) -> dict[Output, str]:
        """Return the queued renders of an image: `pending` or `failed` for each output."""
        return await self._run(self._queue.states, image)

    async def depth(self, kind: Kind) -> Depth | None:
        """Return how much of one kind is owed, or None where the queue cannot be read; `fault` then says why."""
        try:
            return await self._run(self._queue.depth, kind)
        except CancelledError:
            raise
        except Exception:  # as above; the worker tells the log of it
            return None

    @property
    def fault(self) -> str | None:
        """What is wrong with the queue, or None."""
        return self.watched.fault
