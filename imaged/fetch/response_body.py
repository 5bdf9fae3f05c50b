"""The body of an answer while it comes: written in turns, so that other work on the reactor does not wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss

from imaged.core.errors import ImagedError

TURN_BYTES = 1 << 19
"""How many bytes are written in one turn of the reactor: 64 KiB from a socket may be 64 MB when they are unpacked."""

_STEP_BYTES = 1 << 10
"""How many bytes a step counts as at least: an empty one takes time, too."""


class ResponseBody(Protocol):
    """Passes a body to `write`, whose steps write a piece each and yield its size. Reactor thread only.

    `ended` fires after the last step: True if the answer's framing said that it was the last, False if only the end of
    the connection did. It fails with the first error of a step or of the connection.
    """

    def __init__(self, write: Callable[[bytes], Iterator[int]], call_later: Callable[..., Any]) -> None:
        self._write = write
        self._call_later = call_later
        self._waiting: list[bytes] = []
        self._steps: Iterator[int] = iter(())
        self._is_scheduled = False
        self._has_end: bool | None = None
        self.ended: Deferred[bool] = Deferred()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Receive bytes of the body."""
        self._waiting.append(data)
        self._schedule()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Note the end of the body."""
        if isinstance(reason.value, ResponseFailed):
            if not self.ended.called:
                self.ended.errback(reason)
            return
        self._has_end = not isinstance(reason.value, PotentialDataLoss)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled and not self.ended.called:
            self._is_scheduled = True
            self._call_later(0, self._turn)

    def _turn(self) -> None:
        """Write up to TURN_BYTES. Pause the source while more is waiting."""
        self._is_scheduled = False
        if self.ended.called:
            return
        try:
            is_done = self._work()
        except ImagedError:
            self.ended.errback()
            return
        transport: Any = self.transport
        if not is_done:
            transport.pauseProducing()
            self._schedule()
        elif self._has_end is None:
            transport.resumeProducing()
        else:
            self.ended.callback(self._has_end)

    def _work(self) -> bool:
        """Return whether every byte so far is written."""
        left_bytes = TURN_BYTES
        while left_bytes > 0:
            size_bytes = next(self._steps, None)
            if size_bytes is not None:
                left_bytes -= max(size_bytes, _STEP_BYTES)
            elif self._waiting:
                waiting, self._waiting = b"".join(self._waiting), []
                self._steps = self._write(waiting)
            else:
                return True
        return False
