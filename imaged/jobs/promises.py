"""The queue as the reactor sees it: each call runs on the queue's own thread, and new work wakes its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.hashes import ImageId
from imaged.hooks.host import RunInThread
from imaged.jobs.queue import Depth, JobQueue, Kind
from imaged.jobs.watched import Watched


class Promises:
    """What is owed. `run` runs a function on the one thread that may touch `queue`. Reactor thread only."""

    _log = Logger()

    def __init__(self, queue: JobQueue, run: RunInThread) -> None:
        self._queue = queue
        self.watched = Watched(queue, run)
        self._run = self.watched.run
        self._wake: dict[Kind, Callable[[], None]] = {}

    async def close(self) -> None:
        """Leave the queue to other processes."""
        await self._run(self._queue.close)

    def on_new_work(self, kind: Kind, wake: Callable[[], None]) -> None:
        """Call `wake` whenever work of this kind has been added."""
        self._wake[kind] = wake

    async def owe(self, kind: Kind, image: ImageId, outputs: Sequence[str], client: str = "") -> None:
        """Promise these outputs to a `client`; durable on return.

        Raises StoreError when the queue cannot keep the promise, BusyError when it holds too many, in all or for this
        client or namespace.
        """
        if not outputs:
            return
        try:
            await self._run(self._queue.add, kind, image, outputs, client)
        except ImagedError:
            raise
        except Exception as error:  # sqlite3 raises a whole tree; each of them means that nothing was promised
            raise StoreError(f"the job queue cannot keep outputs of {image}: {error}") from error
        if wake := self._wake.get(kind):
            wake()

    async def acknowledge(self, remote: str, image: ImageId, names: Sequence[str]) -> None:
        """Take note that a remote store holds these files; at worst, if that fails, they are uploaded once more."""
        try:
            await self._run(self._queue.acknowledged.add, remote, image, names)
        except Exception as error:  # as above
            self._log.error("{image}: not noted as uploaded: {error}", image=str(image), error=str(error))

    async def take_over(self, former: str, remote: str) -> int:
        """Note what is noted of a remote store under a former name under its name; return how many files that are."""
        return await self._run(self._queue.acknowledged.take_over, former, remote)

    async def unacknowledged(
        self, remote: str, files: Sequence[tuple[ImageId, Sequence[str]]]
    ) -> list[tuple[ImageId, list[str]]]:
        """Return those files that the remote store is not known to hold, nor owed."""
        return await self._run(self._queue.acknowledged.missing, remote, files)

    async def states(self, image: ImageId) -> dict[str, str]:
        """Return the renders owed for an image: `pending` or `failed` by output name."""
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
