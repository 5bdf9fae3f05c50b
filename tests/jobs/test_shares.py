"""No client and no image keeps the others waiting, however much they queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import BusyError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse
from imaged.jobs.queue import JobQueue
from imaged.jobs.shares import TURN_OUTPUTS

GREEDY, MODEST = "192.0.2.1", "192.0.2.2"


def image(number: int, namespace: str = "p") -> ImageId:
    """Return one of many images."""
    return ImageId(namespace, ImageHash(f"{number:032x}"))


def widths(count: int) -> list[Output]:
    """Return so many outputs."""
    return [parse(f"w{width}.jpg") for width in range(1, count + 1)]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return a queue on a clock that stands still."""
    with closing(JobQueue(tmp_path, Clock().seconds)) as queue:
        yield queue


def fill(queue: JobQueue, client: str, namespace: str = "p") -> int:
    """Queue an output of one image after the other until that is refused; return how many were not."""
    for number in range(1000):
        try:
            queue.add("render", image(number, namespace), [parse(f"w{client.rpartition('.')[2]}.jpg")], client)
        except BusyError:
            return number
    raise AssertionError("there is no end to it")


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 80 renders fill the queue."""
    monkeypatch.setattr("imaged.jobs.shares.MAXIMUM_RENDERS", 80)


@pytest.mark.usefixtures("_small")
def test_a_client_alone_gets_half(queue: JobQueue) -> None:
    """The next client gets half of the rest, and so on: a new client always finds room."""
    assert [fill(queue, f"192.0.2.{number}", f"n{number}") for number in range(1, 5)] == [40, 20, 10, 5]


@pytest.mark.usefixtures("_small")
def test_a_namespace_gets_three_quarters(queue: JobQueue) -> None:
    """One namespace leaves room for another, however many clients post to it."""
    assert sum(fill(queue, f"192.0.2.{number}") for number in range(1, 9)) == 60
    assert fill(queue, "192.0.2.99", "q") == 10


@pytest.mark.usefixtures("_small")
def test_done_renders_make_room(queue: JobQueue) -> None:
    """A share counts queued renders only."""
    fill(queue, GREEDY)
    queue.done(queue.claim("render"))
    queue.add("render", image(999), [parse("w1.jpg")], GREEDY)


@pytest.mark.usefixtures("_small")
def test_the_refusal_names_the_client_or_namespace(queue: JobQueue) -> None:
    """The refusal says when to try again."""
    fill(queue, GREEDY)
    with pytest.raises(BusyError, match="40 outputs are queued for this client") as refused:
        queue.add("render", image(999), [parse("w1.jpg")], GREEDY)
    assert refused.value.retry_after_s > 0


def test_clients_take_turns(queue: JobQueue) -> None:
    """A client with one image does not wait for the hundred of another client."""
    for number in range(100):
        queue.add("render", image(number), widths(3), GREEDY)
    for number in range(10):
        assert queue.claim("render")[0].image == image(number)
    queue.add("render", image(1000), widths(3), MODEST)
    assert queue.claim("render")[0].image == image(1000)
    assert queue.claim("render")[0].image == image(10)


def test_images_take_turns(queue: JobQueue) -> None:
    """An image with hundreds of outputs alternates with the client's other images, some outputs at a time."""
    queue.add("render", image(1), widths(5 * TURN_OUTPUTS), GREEDY)
    queue.add("render", image(2), widths(3), GREEDY)
    queue.add("render", image(3), widths(3), GREEDY)
    claimed = [queue.claim("render") for _ in range(7)]
    assert [len(jobs) for jobs in claimed] == [
        TURN_OUTPUTS,
        TURN_OUTPUTS,
        3,
        TURN_OUTPUTS,
        3,
        TURN_OUTPUTS,
        TURN_OUTPUTS,
    ]
    assert [jobs[0].image for jobs in claimed] == [image(number) for number in (1, 1, 2, 1, 3, 1, 1)]


def test_many_posts_of_one_image_are_one_image(queue: JobQueue) -> None:
    """Adding outputs of one image again and again does not move it to the front."""
    for number in range(10):
        queue.add("render", image(1), [parse(f"w{number + 1}00{width}.jpg") for width in range(TURN_OUTPUTS)], GREEDY)
    queue.add("render", image(2), widths(1), MODEST)
    assert [queue.claim("render")[0].image for _ in range(2)] == [image(1), image(2)]


def test_turns_outlive_the_process(tmp_path: Path) -> None:
    """After a restart, a new client is not put behind all queued jobs."""
    with closing(JobQueue(tmp_path, Clock().seconds)) as queue:
        for number in range(50):
            queue.add("render", image(number), widths(1), GREEDY)
            if number >= 25:
                queue.done(queue.claim("render"))
    with closing(JobQueue(tmp_path, Clock().seconds)) as queue:
        queue.add("render", image(1000), widths(1), MODEST)
        claimed = [queue.claim("render")[0].image for _ in range(3)]
    assert image(1000) in claimed
