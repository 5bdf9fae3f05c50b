"""Many items at once, on a clock that stands still and work that ends when the test says so."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.batch.inputs import Entry
from imaged.batch.items import Item
from imaged.batch.journal import Checkpoint, Journal
from imaged.batch.report import Results
from imaged.batch.run import Batch
from imaged.batch.shards import Shard
from imaged.batch.work import Done
from imaged.core.errors import BusyError, ImagedError, MalformedRequestError, NotFoundError, StoreError
from imaged.core.hashes import ImageHash
from imaged.testing.fakes import run_at_once


class Labour:
    """Does items without pictures: `failures` are raised in turn; while `held`, each waits for its gate in `open`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open: list[Deferred[None]] = []
        self.held = False
        self.failures: dict[str, list[Exception]] = {}

    async def do(self, item: Item) -> Done:
        """Wait if held, then fail or be done."""
        self.begun.append(item.text)
        if self.held:
            gate: Deferred[None] = Deferred()
            self.open.append(gate)
            await gate
        if failures := self.failures.get(item.text):
            raise failures.pop(0)
        assert item.image is not None
        return Done(item.image, 8, 6, made=2, there=1)


class Stage:
    """A batch and all that it touches."""

    def __init__(self, entries: Iterable[Entry], *, width: int = 3, stdout: Any = None, **more: Any) -> None:
        self.clock = Clock()
        self.stdout = stdout or io.BytesIO()
        self.taken: list[Entry] = []
        self.work: Any = Labour()
        self.ended: list[Any] = []
        self.batch = Batch(
            self.clock,
            lambda: 0.5,
            self._count(entries),
            self.work,
            more.get("shard", Shard()),
            more.get("checkpoint"),
            more.get("failures"),
            Results(self.stdout),
            width=width,
            grace_s=30.0,
            read=run_at_once,
            write=run_at_once,
        )

    def _count(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self.taken.append(entry)
            yield entry

    def start(self) -> Stage:
        """Begin; how it ends is in `ended`."""
        Deferred.fromCoroutine(self.batch.run()).addBoth(self.ended.append)
        return self


def item(number: int) -> Item:
    """Return an item of its own."""
    return Item(f"{number}", "p", ImageHash(f"{number:032x}"))


def test_each_is_a_line() -> None:
    """Hash, URL, width and height; the sums are right."""
    stage = Stage([Item("a", "p", ImageHash("0" * 32), "http://a/"), item(1)]).start()
    assert stage.stdout.getvalue().decode() == f"{'0' * 32}\thttp://a/\t8\t6\n{1:032x}\t\t8\t6\n"
    assert stage.ended == [None]
    tally = stage.batch.tally
    assert (tally.done, tally.made, tally.there, tally.failed) == (2, 4, 2, 0)


def test_no_more_is_read_than_runs() -> None:
    """However long the list is."""
    stage = Stage(map(item, range(10**9)), width=3)
    stage.work.held = True
    stage.start()
    assert len(stage.taken) == 3
    stage.work.open[1].callback(None)
    assert len(stage.taken) == 4
    assert stage.ended == []


def test_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    """Nor does a line that is none, nor a defect; each is told once."""
    failures = Journal(tmp_path / "failed")
    stage = Stage([item(0), ("x y", MalformedRequestError("no\nline")), item(1), item(2)], failures=failures)
    stage.work.failures = {"0": [NotFoundError("gone")], "1": [ImagedError("odd")]}
    stage.start()
    failures.close()
    assert (stage.batch.tally.done, stage.batch.tally.failed) == (1, 3)
    assert (tmp_path / "failed").read_text().splitlines() == ["0\tgone", "x y\tno line", "1\todd"]


def test_what_is_transient_is_tried_again() -> None:
    """Five times within a minute, and not at once."""
    stage = Stage([item(0), item(1)])
    stage.work.failures = {"0": [StoreError("away")] * 4, "1": [StoreError("away")] * 9}
    stage.start()
    assert stage.work.begun == ["0", "1"]
    stage.clock.advance(1.9)
    assert len(stage.work.begun) == 2
    stage.clock.pump([1.0] * 60)
    assert stage.ended == [None]
    assert stage.work.begun.count("0") == stage.work.begun.count("1") == 5
    assert (stage.batch.tally.done, stage.batch.tally.failed) == (1, 1)


@pytest.mark.parametrize("error", [NotFoundError("gone"), BusyError("a render took too long")])
def test_what_is_final_is_not(error: ImagedError) -> None:
    """A render that ran out of time would again."""
    stage = Stage([item(0)])
    stage.work.failures = {"0": [error]}
    stage.start()
    assert stage.work.begun == ["0"]
    assert stage.batch.tally.failed == 1


def test_what_is_done_is_noted_and_skipped(tmp_path: Path) -> None:
    """What has failed is not."""
    for expected in (["0", "1"], ["1"]):
        checkpoint = Checkpoint(tmp_path / "state", {})
        stage = Stage([item(0), item(1)], checkpoint=checkpoint)
        stage.work.failures = {"1": [NotFoundError("gone")]}
        stage.start()
        checkpoint.close()
        assert stage.work.begun == expected
    assert stage.batch.tally.skipped == 1


def test_items_of_other_shards_are_left() -> None:
    """Each is done by one of them."""
    stages = [Stage(map(item, range(30)), shard=Shard(part, 2)).start() for part in (1, 2)]
    assert sorted(int(text) for stage in stages for text in stage.work.begun) == list(range(30))
    assert [stage.batch.tally.elsewhere + stage.batch.tally.done for stage in stages] == [30, 30]


def leave_with(work: Callable[[Stage], None]) -> Stage:
    """Have a batch leave while three items are under way."""
    stage = Stage(map(item, range(100)))
    stage.work.held = True
    work(stage.start())
    stage.batch.leave()
    stage.batch.leave()
    return stage


def test_who_leaves_finishes() -> None:
    """And begins no more."""
    stage = leave_with(lambda _: None)
    assert stage.ended == []
    for gate in stage.work.open:
        gate.callback(None)
    assert stage.ended == [None]
    assert (stage.batch.tally.done, stage.batch.tally.unfinished, len(stage.work.begun)) == (3, 0, 3)


def test_who_leaves_does_not_wait_for_ever() -> None:
    """What is not done in time is told as unfinished."""
    stage = leave_with(lambda stage: stage.work.open[0].callback(None))
    stage.clock.advance(29.0)
    assert stage.ended == []
    stage.clock.advance(1.0)
    assert stage.ended == [None]
    assert (stage.batch.tally.done, stage.batch.tally.unfinished) == (1, 3)


def test_who_leaves_tries_nothing_again() -> None:
    """An item that waits for another attempt has failed."""
    stage = Stage([item(0)], width=1)
    stage.work.failures = {"0": [StoreError("away")] * 9}
    stage.start()
    stage.batch.leave()
    assert stage.ended == [None]
    assert (stage.batch.tally.failed, stage.work.begun) == (1, ["0"])


class Closed(io.BytesIO):
    """A pipe that nobody reads."""

    def write(self, _: Any) -> int:
        """Fail."""
        raise BrokenPipeError


def test_nobody_reads_the_results(tmp_path: Path) -> None:
    """It ends, and what nobody has seen is not noted as done."""
    checkpoint = Checkpoint(tmp_path / "state", {})
    stage = Stage(map(item, range(100)), checkpoint=checkpoint, stdout=Closed()).start()
    checkpoint.close()
    assert stage.ended == [None]
    assert stage.batch.broken_pipe
    assert len(stage.work.begun) == 1
    assert len((tmp_path / "state").read_text().splitlines()) == 1


def test_an_input_that_breaks_ends_it() -> None:
    """With the reason, for nobody knows what else there was."""

    def entries() -> Iterator[Entry]:
        yield item(0)
        raise StoreError("the list is gone")

    stage = Stage(entries()).start()
    (failure,) = stage.ended
    assert failure.check(StoreError)
    assert stage.batch.tally.done == 1
