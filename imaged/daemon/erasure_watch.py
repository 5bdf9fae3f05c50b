"""The watch over erasures: completes those that a killed process has begun, and follows those of other nodes."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import DiskFullError, ImagedError, StoreError, StoreUnavailableError
from imaged.daemon.generations import Generations

PAGE = 1000
"""How many keys a remote store lists in one answer, as S3 does."""


class ErasureWatch:
    """Looks for erasures each time it is called. Reactor thread only.

    With N thousand tombstones, which a remote store lists in N answers, imaged looks in each Nth call.
    """

    _log = Logger()

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._enforced: str | None = None
        self._skip = 0

    async def enforce(self) -> None:
        """Remove what a killed process has left of erased pictures. Raises ImagedError."""
        with self._generations.lease() as pipeline:
            await pipeline.eraser.enforce()
            self._enforced = pipeline.remote.identity

    def check(self) -> Deferred[None]:
        """Follow other nodes. The Deferred never fails."""
        return Deferred.fromCoroutine(self._check())

    async def _check(self) -> None:
        if self._skip > 0:
            self._skip -= 1
            return
        try:
            if self._generations.pipeline.remote.identity != self._enforced:
                await self.enforce()  # a reload has set another remote store, which may have erased pictures
            with self._generations.lease() as pipeline:
                self._skip = await pipeline.other_nodes.follow() // PAGE
        except StoreUnavailableError:  # the watch over the remote store reports it
            return
        except ImagedError as error:
            self._log.error("the erasures of other nodes cannot be followed: {error}; trying again", error=str(error))
        except Exception:  # the queue may fail; the next call tries again
            self._log.failure("the erasures of other nodes cannot be followed; trying again")


async def watch_erasures(generations: Generations) -> ErasureWatch:
    """Complete the erasures that a killed process has begun; return the watch over later ones. Raises StoreError.

    Where the queue has no room for the rest of one, the watch queues it later: no file of it is left here.
    """
    watch = ErasureWatch(generations)
    try:
        await watch.enforce()
    except DiskFullError:  # the queue has logged it
        pass
    except ImagedError as error:
        raise StoreError(f"store.path: erased pictures may be left: {error}") from error
    return watch
