"""Items that go from one worker thread to one consumer on the reactor thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Semaphore
from typing import Generic, Self, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")
R = TypeVar("R")


class Channel(Generic[T]):
    """Yields items as they come, and makes the thread wait while the consumer works.

    The thread may be `ahead` items ahead of the consumer; an item counts until the consumer asks for the next one.
    `call_from_thread` is the reactor's. All methods but `send` belong to the reactor thread.
    """

    def __init__(self, call_from_thread: Callable[..., object], ahead: int) -> None:
        self._call_from_thread = call_from_thread
        self._room = Semaphore(ahead)
        self._items: deque[tuple[T, bool]] = deque()
        self._in_use = False
        self._bell: Deferred[None] | None = None
        self._end: Failure | None = None
        self._ended = False
        self.closed = False
        """Whether the consumer has gone."""

    def send(self, deliver: Callable[[R], None], item: R) -> bool:
        """Have the reactor thread call `deliver(item)`, which puts it as `sent`. Worker thread only; blocks for room.

        Returns False when the consumer has gone: nothing more is wanted.
        """
        if not self.closed:
            self._room.acquire()
        if self.closed:
            return False
        self._call_from_thread(deliver, item)
        return True

    def put(self, item: T, *, sent: bool = False) -> None:
        """Give the consumer an item, which the thread has sent or which takes no room."""
        self._items.append((item, sent))
        self._ring()

    def end(self, result: object) -> None:
        """End the items; a Failure is raised to the consumer after the last of them."""
        self._end = result if isinstance(result, Failure) else None
        self._ended = True
        self._ring()

    def close(self) -> None:
        """Release the thread: the consumer takes no more."""
        self.closed = True
        self._room.release()

    def __aiter__(self) -> Self:
        """Return the one iterator over the items."""
        return self

    async def __anext__(self) -> T:
        """Wait for the next item, and let the thread send another."""
        if self._in_use:
            self._room.release()
            self._in_use = False
        while not self._items:
            if self._end is not None:
                self._end.raiseException()
            if self._ended:
                raise StopAsyncIteration
            self._bell = Deferred()
            await self._bell
        item, self._in_use = self._items.popleft()
        return item

    def _ring(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None and not bell.called:
            bell.callback(None)
