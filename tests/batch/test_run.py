"""A batch does many items at once; the test moves the clock and ends the work."""

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
from imaged.batch.output_maker import ItemResult
from imaged.batch.report import Results
from imaged.batch.run import Batch
from imaged.batch.shards import Shard
from imaged.core.errors import BusyError, ImagedError, MalformedRequestError, NotFoundError, StoreError
from imaged.core.hashes import ImageHash
from imaged.testing.fakes import run_at_once


class ScriptedMaker:
    """Does items without pictures: raises `failures` in turn; while `held`, each item waits for its gate in `open`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open: list[Deferred[None]] = []
        self.held = False
        self.failures: dict[str, list[Exception]] = {}

    async def make(self, item: Item) -> ItemResult:
        """Wait if held, then fail or end."""
        self.begun.append(item.text)
        if self.held:
            gate: Deferred[None] = Deferred()
            self.open.append(gate)
            await gate
        if failures := self.failures.get(item.text):
            raise failures.pop(0)
        assert item.image is not None
        return ItemResult(item.image, 8, 6, made=2, there=1)


class BatchHarness:
    """A batch and everything that it uses."""

    def __init__(self, entries: Iterable[Entry], *, width: int = 3, stdout: Any = None, **more: Any) -> None:
        self.clock = Clock()
        self.stdout = stdout or io.BytesIO()
        self.taken: list[Entry] = []
        self.maker: Any = ScriptedMaker()
        self.ended: list[Any] = []
        self.batch = Batch(
            self.clock,
            lambda: 0.5,
            self._count(entries),
            self.maker,  # type: ignore[arg-type]
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

    def start(self) -> BatchHarness:
        """Start the batch; its result is in `ended`."""
        Deferred.fromCoroutine(self.batch.run()).addBoth(self.ended.append)
        return self


def item(number: int) -> Item:
    """Return a new item."""
    return Item(f"{number}", "p", ImageHash(f"{number:032x}"))


def test_each_is_a_line() -> None:
    """Each done item is a line with hash, URL, width and height, and the sums are right."""
    harness = BatchHarness([Item("a", "p", ImageHash("0" * 32), "http://a/"), item(1)]).start()
    assert harness.stdout.getvalue().decode() == f"{'0' * 32}\thttp://a/\t8\t6\n{1:032x}\t\t8\t6\n"
    assert harness.ended == [None]
    tally = harness.batch.tally
    assert (tally.done, tally.made, tally.there, tally.failed) == (2, 4, 2, 0)


def test_no_more_is_read_than_runs() -> None:
    """No more entries are read than run at once."""
    harness = BatchHarness(map(item, range(10**9)), width=3)
    harness.maker.held = True
    harness.start()
    assert len(harness.taken) == 3
    harness.maker.open[1].callback(None)
    assert len(harness.taken) == 4
    assert harness.ended == []


def test_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    """A failed item, a bad line and a defect do not stop other items, and each is logged once."""
    failures = Journal(tmp_path / "failed")
    harness = BatchHarness([item(0), ("x y", MalformedRequestError("no\nline")), item(1), item(2)], failures=failures)
    harness.maker.failures = {"0": [NotFoundError("gone")], "1": [ImagedError("odd")]}
    harness.start()
    failures.close()
    assert (harness.batch.tally.done, harness.batch.tally.failed) == (1, 3)
    assert (tmp_path / "failed").read_text().splitlines() == ["0\tgone", "x y\tno line", "1\todd"]


def test_transient_errors_are_tried_again() -> None:
    """Transient errors are tried again five times within a minute."""
    harness = BatchHarness([item(0), item(1)])
    harness.maker.failures = {"0": [StoreError("away")] * 4, "1": [StoreError("away")] * 9}
    harness.start()
    assert harness.maker.begun == ["0", "1"]
    harness.clock.advance(1.9)
    assert len(harness.maker.begun) == 2
    harness.clock.pump([1.0] * 60)
    assert harness.ended == [None]
    assert harness.maker.begun.count("0") == harness.maker.begun.count("1") == 5
    assert (harness.batch.tally.done, harness.batch.tally.failed) == (1, 1)


@pytest.mark.parametrize("error", [NotFoundError("gone"), BusyError("a render took too long")])
def test_final_errors_are_not(error: ImagedError) -> None:
    """A render that ran out of time is not tried again."""
    harness = BatchHarness([item(0)])
    harness.maker.failures = {"0": [error]}
    harness.start()
    assert harness.maker.begun == ["0"]
    assert harness.batch.tally.failed == 1


def test_done_items_are_recorded_and_skipped(tmp_path: Path) -> None:
    """Done items are recorded and skipped later; failed ones are not."""
    for expected in (["0", "1"], ["1"]):
        checkpoint = Checkpoint(tmp_path / "state", {})
        harness = BatchHarness([item(0), item(1)], checkpoint=checkpoint)
        harness.maker.failures = {"1": [NotFoundError("gone")]}
        harness.start()
        checkpoint.close()
        assert harness.maker.begun == expected
    assert harness.batch.tally.skipped == 1


def test_items_of_other_shards_are_left() -> None:
    """Each item is done by one shard."""
    harnesses = [BatchHarness(map(item, range(30)), shard=Shard(part, 2)).start() for part in (1, 2)]
    assert sorted(int(text) for harness in harnesses for text in harness.maker.begun) == list(range(30))
    assert [harness.batch.tally.elsewhere + harness.batch.tally.done for harness in harnesses] == [30, 30]


def leave_with(maker: Callable[[BatchHarness], None]) -> BatchHarness:
    """Let a batch leave while three items run."""
    harness = BatchHarness(map(item, range(100)))
    harness.maker.held = True
    maker(harness.start())
    harness.batch.leave()
    harness.batch.leave()
    return harness


def test_leaving_lets_running_items_finish() -> None:
    """Running items finish, and no new one starts."""
    harness = leave_with(lambda _: None)
    assert harness.ended == []
    for gate in harness.maker.open:
        gate.callback(None)
    assert harness.ended == [None]
    assert (harness.batch.tally.done, harness.batch.tally.unfinished, len(harness.maker.begun)) == (3, 0, 3)


def test_leaving_does_not_wait_for_ever() -> None:
    """Items that do not end in time are reported as unfinished."""
    harness = leave_with(lambda harness: harness.maker.open[0].callback(None))
    harness.clock.advance(29.0)
    assert harness.ended == []
    harness.clock.advance(1.0)
    assert harness.ended == [None]
    assert (harness.batch.tally.done, harness.batch.tally.unfinished) == (1, 3)


def test_leaving_tries_nothing_again() -> None:
    """An item that waits for another attempt fails."""
    harness = BatchHarness([item(0)], width=1)
    harness.maker.failures = {"0": [StoreError("away")] * 9}
    harness.start()
    harness.batch.leave()
    assert harness.ended == [None]
    assert (harness.batch.tally.failed, harness.maker.begun) == (1, ["0"])


class Closed(io.BytesIO):
    """A pipe without a reader."""

    def write(self, _: Any) -> int:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


def test_a_closed_pipe_ends_the_batch(tmp_path: Path) -> None:
    """A closed pipe ends the batch, and an item whose line was not read is not recorded as done."""
    checkpoint = Checkpoint(tmp_path / "state", {})
    harness = BatchHarness(map(item, range(100)), checkpoint=checkpoint, stdout=Closed()).start()
    checkpoint.close()
    assert harness.ended == [None]
    assert harness.batch.broken_pipe
    assert len(harness.maker.begun) == 1
    assert len((tmp_path / "state").read_text().splitlines()) == 1


def test_an_input_that_breaks_ends_it() -> None:
    """An input that cannot be read ends the batch with the reason: further items are unknown."""

    def entries() -> Iterator[Entry]:
        yield item(0)
        raise StoreError("the list is gone")

    harness = BatchHarness(entries()).start()
    (failure,) = harness.ended
    assert failure.check(StoreError)
    assert harness.batch.tally.done == 1
