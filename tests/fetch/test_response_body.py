"""A body is written in turns of the reactor, all of it, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from imaged.core.errors import TooLargeError
from imaged.fetch.response_body import TURN_BYTES, ResponseBody

DONE = Failure(ResponseDone())


class Source:
    """The transport of a body, which notes whether it is paused, and the turns that the body asked for."""

    def __init__(self, write: Callable[[bytes], Iterator[int]]) -> None:
        self.is_paused = False
        self.turns: list[Callable[[], None]] = []
        self.body = ResponseBody(write, lambda _, turn: self.turns.append(turn))
        self.body.makeConnection(self)  # the part of a transport that a body uses

    def pauseProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Pause."""
        self.is_paused = True

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Continue."""
        self.is_paused = False

    def turn(self) -> None:
        """Run one turn of the reactor."""
        turns, self.turns = self.turns, []
        for each in turns:
            each()


def test_the_pieces_of_a_turn_are_written_together() -> None:
    """A source may send millions of small chunks, and each write takes time."""
    written: list[bytes] = []

    def write(chunk: bytes) -> Iterator[int]:
        written.append(chunk)
        yield len(chunk)

    source = Source(write)
    for number in range(100):
        source.body.dataReceived(bytes([number]))
    assert len(source.turns) == 1
    source.turn()
    assert written == [bytes(range(100))]
    source.body.dataReceived(b"end")
    source.body.connectionLost(DONE)
    assert not source.body.ended.called
    source.turn()
    assert written[1:] == [b"end"]
    assert source.body.ended.result is True


@pytest.mark.parametrize("size_bytes", [0, 1, TURN_BYTES // 4])
def test_a_chunk_that_unpacks_to_much_takes_several_turns(size_bytes: int) -> None:
    """Meanwhile the source is paused, and what it has sent waits. Empty steps count, too."""
    steps: list[int] = []

    def write(chunk: bytes) -> Iterator[int]:
        for number in range(4000 if chunk == b"bomb" else 1):
            steps.append(number)
            yield size_bytes

    source = Source(write)
    source.body.dataReceived(b"bomb")
    source.turn()
    assert source.is_paused
    assert 0 < len(steps) < 1000
    source.body.dataReceived(b"more")
    source.body.connectionLost(DONE)
    count = 1
    while source.turns:
        source.turn()
        count += 1
    assert count >= 4
    assert steps == [*range(4000), 0]
    assert source.body.ended.result is True


def test_a_source_continues_when_all_is_written() -> None:
    """The pause ends with the last step."""
    source = Source(lambda chunk: iter([TURN_BYTES, TURN_BYTES]) if chunk == b"a" else iter([1]))
    source.body.dataReceived(b"a")
    source.turn()
    assert source.is_paused
    source.turn()
    source.turn()
    assert not source.is_paused
    assert source.turns == []


def test_an_error_of_a_step_ends_the_body() -> None:
    """Nothing is written after it."""

    def write(_: bytes) -> Iterator[int]:
        yield 1
        raise TooLargeError("too much")

    source = Source(write)
    source.body.dataReceived(b"a")
    source.turn()
    errors: list[Failure] = []
    source.body.ended.addErrback(errors.append)
    assert errors[0].check(TooLargeError)
    source.body.dataReceived(b"b")
    source.body.connectionLost(DONE)
    assert source.turns == []


def test_a_broken_connection_ends_the_body_at_once() -> None:
    """What waits is not written."""
    written: list[bytes] = []
    source = Source(lambda chunk: iter([written.append(chunk) or 1]))  # type: ignore[func-returns-value]
    source.body.dataReceived(b"a")
    source.body.connectionLost(Failure(ResponseFailed([Failure(ConnectionDone())])))
    errors: list[Failure] = []
    source.body.ended.addErrback(errors.append)
    source.turn()
    assert (errors[0].type, written) == (ResponseFailed, [])


def test_the_end_of_the_connection_may_be_the_end_of_the_body() -> None:
    """The caller decides whether the connection broke."""
    source = Source(lambda _: iter([1]))
    source.body.connectionLost(Failure(PotentialDataLoss()))
    source.turn()
    assert source.body.ended.result is False
