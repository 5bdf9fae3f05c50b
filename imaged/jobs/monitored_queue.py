"""Runs calls of the queue on its thread and remembers an error as a fault until the queue can be written again."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.hooks.host import RunInThread
from imaged.jobs.queue import JobQueue

P = ParamSpec("P")
R = TypeVar("R")

FAULT_CHARACTERS = 300


class MonitoredQueue:
    """Runs functions of `queue` with `run`, on the one thread that may touch it. Reactor thread only.

    `fault` is the error of the last failed call, or None. It stays until `try_again` has tried everything that the
    queue needs: one call that succeeds does not prove that others would.
    """

    _log = Logger()

    def __init__(self, queue: JobQueue, run: RunInThread) -> None:
        self.queue = queue
        self._run = run
        self.fault: str | None = None

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `function` returns, or raise what it raises."""
        try:
            return await self._run(function, *args, **kwargs)
        except (ImagedError, CancelledError):  # the queue's own refusal, or a caller that stopped waiting
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            self.fault = text[:FAULT_CHARACTERS].encode("utf-8", "backslashreplace").decode()
            raise

    async def try_again(self) -> None:
        """While there is a fault, try the queue and clear the fault when it works. Raises the error that persists."""
        if self.fault is not None:
            await self.run(self.queue.try_out)
            self.fault = None
            self._log.info("the job queue works again")
