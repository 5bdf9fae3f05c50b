"""A channel brings items from a thread to the reactor, and holds the thread back while the consumer works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from imaged.core.errors import BusyError
from imaged.workers.channel import Channel


class Consumer:
    """Takes items one by one, on the thread of the test, which stands in for the reactor's."""

    def __init__(self, ahead: int = 1) -> None:
        self.calls: queue.Queue[Callable[[], object]] = queue.Queue()
        self.channel: Channel[Any] = Channel(lambda function, *args: self.calls.put(lambda: function(*args)), ahead)

    def take(self) -> list[Any]:
        """Ask for the next item; return the list that will hold it, or the error's class."""
        got: list[Any] = []

        async def take() -> Any:
            return await anext(self.channel)

        Deferred.fromCoroutine(take()).addCallbacks(got.append, lambda failure: got.append(type(failure.value)))
        return got

    def work(self) -> None:
        """Do the next call that a thread has sent."""
        self.calls.get(timeout=10)()


def sender(consumer: Consumer, count: int) -> tuple[threading.Thread, list[bool]]:
    """Return a thread that sends so many items, and the list of what `send` returned."""
    sent: list[bool] = []

    def send() -> None:
        put = partial(consumer.channel.put, sent=True)
        sent.extend(consumer.channel.send(put, number) for number in range(count))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread, sent


def test_a_thread_is_one_item_ahead() -> None:
    """It may send the second item when the consumer asks for it, having worked on the first."""
    consumer = Consumer()
    first = consumer.take()
    thread, sent = sender(consumer, 3)
    consumer.work()
    assert first == [0]
    with pytest.raises(queue.Empty):
        consumer.calls.get_nowait()
    for number in (1, 2):
        item = consumer.take()
        consumer.work()
        assert item == [number]
    thread.join(10)
    assert sent == [True, True, True]


def test_a_consumer_that_goes_frees_the_thread() -> None:
    """A thread that waits for room, or sends later, learns that nothing more is wanted."""
    consumer = Consumer()
    thread, sent = sender(consumer, 4)
    consumer.work()
    consumer.channel.close()
    thread.join(10)
    assert not thread.is_alive()
    assert sent == [True, False, False, False]


def test_the_end_comes_after_the_items() -> None:
    """Also the end with an error; items that the reactor puts need no room."""
    consumer = Consumer()
    for number in (1, 2):
        consumer.channel.put(number)
    consumer.channel.end(Failure(BusyError("no thread")))
    assert [consumer.take() for _ in range(3)] == [[1], [2], [BusyError]]
    consumer = Consumer()
    waiting = consumer.take()
    consumer.channel.end(None)
    assert waiting == [StopAsyncIteration]
