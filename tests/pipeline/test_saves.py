"""A client gets an output as soon as it is made; the store gets it behind the answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pipeline_harness import IMAGE, PipelineHarness, SteppedThreads
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError, PolicyError, StoreError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.outputs import parse
from imaged.hooks.checked_processor import GRACE_S
from imaged.hooks.contracts import Rendered, RenderJob
from imaged.pipeline import saves
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.saver import Saver
from imaged.store.disk import MODIFIED_STEP_NS, FileBody
from imaged.testing.fakes import StillProcessor
from imaged.testing.waiting import wait

X30, X40, X50 = parse("x30.jpg"), parse("x40.jpg"), parse("x50.jpg")

MakeHarness = Callable[..., PipelineHarness]


class SlowDisk:
    """A pipeline of `harness` whose saves wait until the test steps `disk`."""

    def __init__(self, harness: PipelineHarness) -> None:
        harness.keep()
        self.disk = SteppedThreads()
        self.disk.held = True
        shared = replace(harness.renders.shared, run=self.disk.run)
        saver = Saver(shared, harness.remote, harness.engine, harness.pipeline.purges, lambda call: call())
        self.renders = replace(harness.renders, writer=replace(harness.renders.writer, saver=saver))
        self.pipeline: Pipeline = replace(harness.pipeline, renders=self.renders)

    def get(self, name: str = "x30.jpg") -> tuple[FileBody, str]:
        """Return the body and the outcome of a request that is answered from memory."""
        body, outcome = wait(self.pipeline.output(IMAGE, parse(name)))
        assert isinstance(body, FileBody)
        return body, outcome


def start(work: Any) -> Deferred[Any]:
    """Begin a coroutine."""
    return Deferred.fromCoroutine(work)


def test_a_client_does_not_wait_for_the_disk(harness: PipelineHarness) -> None:
    """Requests that come while the disk works are hits, and cost no other render."""
    slow = SlowDisk(harness)
    (made, first), (same, second) = slow.get(), slow.get()
    assert (first, second, made) == ("rendered", "hit", same)
    assert not harness.store.has(IMAGE, X30)
    assert wait(slow.pipeline.states(IMAGE)) == {X30: "ready"}
    slow.disk.step()
    assert harness.store.path(IMAGE, X30).read_bytes() == made.body
    assert slow.renders.unsaved(IMAGE, X30) is None
    assert slow.get() == (made, "hit")
    assert len(harness.processor.jobs) == 1


def test_the_file_has_the_time_of_the_body(harness: PipelineHarness) -> None:
    """So an ETag is the same from memory and from the disk, also on a file system with steps of two seconds."""
    slow = SlowDisk(harness)
    made, _ = slow.get()
    slow.disk.step()
    assert os.stat(harness.store.path(IMAGE, X30)).st_mtime_ns == made.modified_ns  # noqa: PTH116  # a test may block
    assert made.modified_ns % MODIFIED_STEP_NS == 0


def test_the_upload_is_queued_when_the_file_is_stored(harness: PipelineHarness) -> None:
    """A job that is queued before would find no file; the metrics hear of the output then."""
    slow = SlowDisk(harness)
    slow.get()
    assert (harness.queued("upload"), harness.sink.of(OutputRendered)) == ([], [])
    slow.disk.step()
    assert (harness.queued("upload"), len(harness.sink.of(OutputRendered))) == (["x30.jpg"], 1)


def test_what_promises_a_stored_output_waits_for_the_disk(harness: PipelineHarness) -> None:
    """`process` and queued jobs wait for the save that a GET has begun, and for their own."""
    slow = SlowDisk(harness)
    slow.get()
    waits = [start(slow.pipeline.process(IMAGE, [X30, X40])), start(slow.pipeline.run_renders(IMAGE, [X30]))]
    assert [each.called for each in waits] == [False, False]
    slow.disk.step()
    assert [each.called for each in waits] == [False, True]
    assert harness.queued("upload") == ["x30.jpg"]
    slow.disk.step()
    _, results = wait(_awaited(waits[0]))
    assert results == {X30: None, X40: None}
    assert len(harness.processor.jobs) == 2


def test_a_name_that_the_disk_may_forget_is_no_promise(harness: PipelineHarness) -> None:
    """While the folder of a file is not fsynced, a POST queues its render, and `process` waits. No upload is queued."""
    slow = SlowDisk(harness)
    made, _ = slow.get()
    harness.store.path(IMAGE, X30).write_bytes(made.body)
    wait(slow.pipeline.enqueue_renders(IMAGE, [X30], "client"))
    assert harness.queued("render") == ["x30.jpg"]
    job = start(slow.pipeline.run_renders(IMAGE, [X30]))
    answer = start(slow.pipeline.process(IMAGE, [X30]))
    assert (job.called, answer.called, harness.queued("upload")) == (False, False, [])
    slow.disk.step()
    assert wait(_awaited(answer))[1] == {X30: None}
    assert harness.queued("upload") == ["x30.jpg"]
    assert len(harness.processor.jobs) == 1


async def _awaited(waiting: Deferred[Any]) -> Any:
    return await waiting


def test_a_job_renders_while_the_disk_works(harness: PipelineHarness) -> None:
    """All of its outputs are made before the first is stored. Those that wait are stored together."""
    slow = SlowDisk(harness)
    job = start(slow.renders.several(IMAGE, [X30, X40, X50]))
    assert (harness.processor.ended, slow.disk.waiting, job.called) == (1, 2, False)
    slow.disk.step()
    assert [harness.store.has(IMAGE, output) for output in (X30, X40, X50)] == [True, False, False]
    slow.disk.step()
    assert wait(_awaited(job)) == {X30: None, X40: None, X50: None}


def test_a_batch_that_hangs_holds_up_few(harness: PipelineHarness) -> None:
    """When more outputs wait than batches are saved, they are stored beside it: it may be for a disk of its own."""
    slow = SlowDisk(harness)
    slow.get("x30.jpg")
    slow.get("x40.jpg")
    assert slow.disk.waiting == 1
    slow.get("x50.jpg")
    assert slow.disk.waiting == 2
    slow.disk.step_last()
    assert [harness.store.has(IMAGE, output) for output in (X30, X40, X50)] == [False, True, True]
    slow.disk.step()
    assert harness.store.has(IMAGE, X30)


def test_one_output_that_is_not_stored_fails_no_other(harness: PipelineHarness) -> None:
    """Of a batch, each has its own error."""
    slow = SlowDisk(harness)
    first = start(slow.renders.several(IMAGE, [X50]))
    both = [start(slow.renders.several(IMAGE, [output])) for output in (X30, X40)]
    harness.store.path(IMAGE, X30).mkdir()
    slow.disk.step()
    slow.disk.step()
    assert wait(_awaited(first)) == {X50: None}
    assert isinstance(wait(_awaited(both[0]))[X30], StoreError)
    assert wait(_awaited(both[1])) == {X40: None}


class Stepping(StillProcessor):
    """Calls `between` after each output."""

    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[], None] = lambda: None

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Render, and call."""
        for rendered in super().render(job):
            yield rendered
            self.between()


@pytest.mark.parametrize("most_bytes", [1, saves.MOST_UNSAVED_BYTES])
def test_bodies_that_wait_for_the_disk_are_bounded(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    """Above so many bytes, a job waits for the disk with its next output."""
    monkeypatch.setattr(saves, "MOST_UNSAVED_BYTES", most_bytes)
    processor = Stepping()
    slow = SlowDisk(make_harness(processor=processor))
    waited = []

    def step() -> None:
        (save,) = filter(None, (slow.renders.writer.saver.saves.get(IMAGE, output) for output in (X30, X40)))
        waited.append(bool(save._waiting))
        slow.disk.step()

    processor.between = step
    assert wait(slow.renders.several(IMAGE, [X30, X40])) == {X30: None, X40: None}
    assert waited[0] == (most_bytes == 1)


def test_clients_wait_for_a_disk_that_is_behind(make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a save counts as a waiting render: a slow disk does not let in more clients than the queue holds."""
    monkeypatch.setattr(saves, "MOST_UNSAVED", 1)
    harness = make_harness("render: {queue: 0}")
    slow = SlowDisk(harness)
    slow.get()
    second = start(slow.pipeline.output(IMAGE, X40))
    assert not second.called
    with pytest.raises(BusyError):
        slow.get("x50.jpg")
    assert slow.get()[1] == "hit"
    slow.disk.step()
    slow.disk.step()
    assert wait(_awaited(second))[1] == "rendered"
    slow.get("x50.jpg")


def test_a_client_has_an_output_though_a_disk_that_is_behind_fails(
    harness: PipelineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets what it has waited for."""
    monkeypatch.setattr(saves, "MOST_UNSAVED", 0)
    slow = SlowDisk(harness)
    waiting = start(slow.pipeline.output(IMAGE, X30))
    harness.store.path(IMAGE, X30).mkdir()
    slow.disk.step()
    body, outcome = wait(_awaited(waiting))
    assert (isinstance(body, FileBody), outcome) == (True, "rendered")


def test_outputs_that_are_not_stored_yet_are_counted(make_harness: MakeHarness) -> None:
    """An image has no more of them than its namespace allows."""
    slow = SlowDisk(make_harness("images: {maximum_outputs: 1}"))
    slow.get()
    with pytest.raises(PolicyError):
        slow.get("x40.jpg")


def test_an_output_that_is_being_saved_is_none_more(make_harness: MakeHarness) -> None:
    """An image that has more outputs than its namespace allows now takes an order of one that is on its way."""
    harness = make_harness("images: {maximum_outputs: 1}")
    slow = SlowDisk(harness)
    slow.get()
    harness.store.variants.save(IMAGE, X40, b"x")
    wait(slow.pipeline.enqueue_renders(IMAGE, [X30], ""))
    ordered = start(slow.pipeline.process(IMAGE, [X30, X40]))
    slow.disk.step()
    _, errors = wait(_awaited(ordered))
    assert errors == {X30: None, X40: None}
    with pytest.raises(PolicyError):
        wait(slow.pipeline.enqueue_renders(IMAGE, [X50], ""))


def test_an_output_that_is_not_stored_is_rendered_again(harness: PipelineHarness) -> None:
    """Its client has it, the log, the metrics and the status page report it, and a later save ends the fault."""
    slow = SlowDisk(harness)
    assert slow.get()[1] == "rendered"
    harness.store.path(IMAGE, X30).mkdir()
    slow.disk.step()
    health = harness.renders.shared.counters.saves
    assert health.failures == 1
    assert str(health.fault).startswith(f"{harness.store.key(IMAGE, X30)} cannot be kept: Is a directory")
    assert harness.sink.of(OutputFailed) == [OutputFailed("p", "x30.jpg", "jpg", "StoreError")]
    harness.store.path(IMAGE, X30).rmdir()
    assert slow.get()[1] == "rendered"
    slow.disk.step()
    assert (health.failures, health.fault, harness.queued("upload")) == (1, None, ["x30.jpg"])


def test_clients_do_not_wait_for_a_store_that_hangs(make_harness: MakeHarness) -> None:
    """Those that want bytes have them, later ones too; those that want a stored output get an error in time."""
    harness = make_harness("render: {timeout_s: 7}")
    slow = SlowDisk(harness)
    slow.get()
    job = start(slow.renders.several(IMAGE, [X30]))
    harness.reactor.advance(7 + GRACE_S)
    (error,) = wait(_awaited(job)).values()
    assert isinstance(error, StoreError)
    assert "look at its disk" in str(harness.renders.shared.counters.saves.fault)
    assert slow.get()[1] == "hit"
    slow.disk.step()
    assert harness.store.has(IMAGE, X30)
    assert harness.queued("upload") == ["x30.jpg"]
    assert harness.reactor.getDelayedCalls() == []


def test_a_client_that_leaves_ends_its_own_wait(harness: PipelineHarness) -> None:
    """The save continues, and the next client of `process` waits for it."""
    slow = SlowDisk(harness)
    leaving, staying = (start(slow.pipeline.process(IMAGE, [X30])) for _ in range(2))
    leaving.cancel()
    leaving.addErrback(lambda _: None)
    slow.disk.step()
    _, results = wait(_awaited(staying))
    assert results == {X30: None}


def test_a_generation_ends_when_its_outputs_are_stored(harness: PipelineHarness) -> None:
    """The tasks of the pipeline have not drained before."""
    slow = SlowDisk(harness)
    slow.get()
    drained = start(harness.tasks.drained())
    assert not drained.called
    slow.disk.step()
    assert drained.called
