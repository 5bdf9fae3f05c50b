"""Outputs are made once, stored, queued for upload, and given to all waiting clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pipeline_harness import IMAGE, PipelineHarness
from twisted.internet.defer import CancelledError, Deferred

from imaged.core.errors import BusyError, NotFoundError, OutOfTimeError, PluginFailedError, StoreError, TooLargeError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.files import ORIGINAL, parse_file
from imaged.core.outputs import Output, parse
from imaged.core.tracing import DECODE, SAVE, WAIT, Trace, span
from imaged.hooks.checked_processor import GRACE_S
from imaged.hooks.contracts import Rendered, RenderJob
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import make_plain
from imaged.testing.waiting import wait

X30, X40, BIG = parse("x30.jpg"), parse("x40.jpg"), parse("x9000.png")


def start(work: Any) -> Deferred[Any]:
    """Begin a coroutine."""
    return Deferred.fromCoroutine(work)


def result_of(waiting: Deferred[Any]) -> Any:
    """Return the result of a Deferred."""
    results: list[Any] = []
    waiting.addCallback(results.append)
    return results[0]


def error_of(waiting: Deferred[Any]) -> Any:
    """Return the error of a Deferred."""
    errors: list[Any] = []
    waiting.addErrback(errors.append)
    return errors[0].value


def test_an_output_is_stored_and_its_upload_queued(harness: PipelineHarness) -> None:
    """Both happen before its waiter gets the result, unless that is a client that wants the bytes alone."""
    harness.keep()
    assert wait(harness.renders.several(IMAGE, [X30])) == {X30: None}
    assert harness.store.path(IMAGE, parse_file("x30.jpg")).read_bytes() == make_plain("jpg", 30, 30)
    assert harness.queued("upload") == ["x30.jpg"]
    (event,) = harness.sink.of(OutputRendered)
    assert event == OutputRendered("p", "x30.jpg", "jpg", event.elapsed_s)
    assert (harness.processing.current, harness.processing.total, harness.processing.failed) == (0, 1, 0)


def test_a_large_output_is_rendered_beside_the_others(make_harness: Callable[..., PipelineHarness]) -> None:
    """It has a render of its own while two places are free; where one is free, one render makes all outputs."""
    outputs = [parse("w1000.jpg"), X30, X40]
    for places, renders in ((2, 2), (1, 1)):
        harness = make_harness(places=places)
        harness.keep()
        harness.threads.held = True
        made = start(harness.renders.several(IMAGE, outputs))
        assert harness.threads.waiting == renders
        for _ in range(renders):
            harness.threads.step()
        assert result_of(made) == dict.fromkeys(outputs)


def test_without_a_remote_store_nothing_is_queued(make_harness: Callable[..., PipelineHarness]) -> None:
    """There is no place to upload to."""
    harness = make_harness(remote=False)
    harness.keep()
    wait(harness.renders.one(IMAGE, X30))
    assert harness.queued("upload") == []


def test_concurrent_requests_cost_one_render(harness: PipelineHarness) -> None:
    """Also a request for several outputs of which one is in flight."""
    harness.keep()
    harness.threads.held = True
    waits = [start(harness.renders.one(IMAGE, X30)) for _ in range(10)]
    both = start(harness.renders.several(IMAGE, [X30, X40]))
    harness.threads.step()
    harness.threads.step()
    results = [wait(each) for each in map(_awaited, waits)]
    assert [outcome for _, outcome in results] == ["rendered", *["coalesced"] * 9]
    assert len({id(body) for body, _ in results}) == 1
    assert wait(_awaited(both)) == {X30: None, X40: None}
    assert [[variant.output for variant in job.variants] for job in harness.processor.jobs] == [[X30], [X40]]


async def _awaited(waiting: Deferred[Any]) -> Any:
    return await waiting


def test_several_are_one_decode(harness: PipelineHarness) -> None:
    """Outputs in the store are not made again."""
    harness.keep()
    wait(harness.renders.one(IMAGE, X30))
    others = [parse(name) for name in ("w10.png", "x30.jpg", "full_size.gif")]
    assert wait(harness.renders.several(IMAGE, others)) == dict.fromkeys(others)
    assert [len(job.variants) for job in harness.processor.jobs] == [1, 2]


def test_one_that_fails_leaves_the_others(harness: PipelineHarness) -> None:
    """An output that a common render did not give is rendered alone before it fails."""
    harness.keep()
    results = wait(harness.renders.several(IMAGE, [BIG, X30]))
    assert results[X30] is None
    assert isinstance(results[BIG], TooLargeError)
    assert harness.store.has(IMAGE, parse_file("x30.jpg"))
    assert harness.queued("upload") == ["x30.jpg"]


@pytest.mark.parametrize(
    ("raised", "told"), [(TooLargeError("big"), TooLargeError), (ValueError("secret"), PluginFailedError)]
)
def test_the_error_is_the_processors_own(harness: PipelineHarness, raised: Exception, told: type[Exception]) -> None:
    """A broken contract is reported as such, without its text; nothing is stored."""
    harness.keep()
    harness.processor.failure = raised
    with pytest.raises(told) as caught:
        wait(harness.renders.one(IMAGE, X30))
    assert "secret" not in str(caught.value)
    assert not harness.store.has(IMAGE, parse_file("x30.jpg"))
    assert (harness.processing.total, harness.processing.failed) == (1, 1)
    harness.processor.failure = None
    wait(harness.renders.one(IMAGE, X30))


def test_an_unknown_original_fails_each_waiter(harness: PipelineHarness) -> None:
    """Nothing is rendered."""
    results = wait(harness.renders.several(IMAGE, [X30, X40]))
    assert {type(error) for error in results.values()} == {NotFoundError}
    with pytest.raises(NotFoundError):
        wait(harness.renders.one(IMAGE, X30))
    assert harness.processor.jobs == []


def test_more_than_may_wait_are_refused_at_once(make_harness: Callable[..., PipelineHarness]) -> None:
    """Except queued jobs, and requests for an output that is in flight."""
    harness = make_harness("render: {queue: 1}")
    harness.keep()
    harness.threads.held = True
    first, second = (start(harness.renders.one(IMAGE, output)) for output in (X30, X40))
    third = start(harness.renders.one(IMAGE, BIG))
    assert isinstance(error_of(third), BusyError)
    coalesced = start(harness.renders.one(IMAGE, X40))
    queued = start(harness.renders.several(IMAGE, [parse("w7.png")]))
    for _ in range(3):
        harness.threads.step()
    assert all(each.called for each in (first, second, coalesced, queued))
    assert harness.engine.admission.waiting == 0


def test_requests_that_wait_for_an_original_are_bounded(make_harness: Callable[..., PipelineHarness]) -> None:
    """A slow remote store does not let in more requests than the queue holds."""
    harness = make_harness("render: {queue: 1}")
    slow: Deferred[bool] = Deferred()

    async def download(_key: str, _path: object) -> bool:
        return await slow

    harness.uploader.download = download  # type: ignore[assignment, method-assign]
    waits = [start(harness.renders.one(IMAGE, parse(f"x{side}.jpg"))) for side in range(1, 6)]
    refused = [each for each in waits if each.called and isinstance(error_of(each), BusyError)]
    slow.callback(False)
    for each in waits:
        each.addErrback(lambda failure: failure.trap(NotFoundError))
    assert len(refused) == 3


def test_queued_jobs_that_wait_for_an_original_take_no_room(make_harness: Callable[..., PipelineHarness]) -> None:
    """The job worker bounds them; a client still finds the free thread."""
    harness = make_harness("render: {queue: 0}")
    slow: Deferred[bool] = Deferred()

    async def download(_key: str, _path: object) -> bool:
        return await slow

    harness.uploader.download = download  # type: ignore[assignment, method-assign]
    queued = [start(harness.renders.several(IMAGE, [output])) for output in (X30, X40)]
    harness.engine.admission.check_room()
    slow.callback(False)
    assert all(each.called for each in queued)


def test_a_client_that_leaves_cancels_its_own_wait(harness: PipelineHarness) -> None:
    """The render continues for the others and for the store."""
    harness.keep()
    harness.threads.held = True
    leaving, staying = (start(harness.renders.one(IMAGE, X30)) for _ in range(2))
    leaving.cancel()
    assert isinstance(error_of(leaving), CancelledError)
    harness.threads.step()
    assert staying.called
    assert harness.store.has(IMAGE, parse_file("x30.jpg"))


def test_a_client_that_leaves_the_queue_costs_no_render(make_harness: Callable[..., PipelineHarness]) -> None:
    """Its place in the queue is free at once, and a client that comes back begins again."""
    harness = make_harness("render: {queue: 1}")
    harness.keep()
    harness.threads.held = True
    first, leaving = (start(harness.renders.one(IMAGE, output)) for output in (X30, X40))
    assert isinstance(error_of(start(harness.renders.one(IMAGE, BIG))), BusyError)
    leaving.cancel()
    assert isinstance(error_of(leaving), CancelledError)
    assert (harness.engine.admission.waiting, harness.renders.calls.count) == (0, 1)
    again = start(harness.renders.one(IMAGE, X40))
    for _ in range(2):
        harness.threads.step()
    assert [result_of(each)[1] for each in (first, again)] == ["rendered", "rendered"]
    assert len(harness.processor.jobs) == 2


@pytest.mark.parametrize("other", ["client", "client of several", "queued job"])
def test_the_last_that_leaves_frees_the_place(harness: PipelineHarness, other: str) -> None:
    """A client that leaves changes nothing while another, or a queued job, waits for the same output."""
    harness.keep()
    harness.threads.held = True
    start(harness.renders.one(IMAGE, X30))
    leaving = start(harness.renders.one(IMAGE, X40))
    staying = (
        start(harness.renders.one(IMAGE, X40))
        if other == "client"
        else start(harness.renders.several(IMAGE, [X40], client_waits=other != "queued job"))
    )
    leaving.cancel()
    error_of(leaving)
    assert harness.engine.admission.waiting == 1
    staying.cancel()
    error_of(staying)
    assert harness.engine.admission.waiting == 0
    harness.threads.step()
    assert [job.variants[0].output for job in harness.processor.jobs] == [X30]


def test_a_client_that_leaves_waits_for_none_of_its_outputs(harness: PipelineHarness) -> None:
    """Of a request for several, all places in the queue are free, those that other requests began too."""
    harness.keep()
    harness.threads.held = True
    start(harness.renders.one(IMAGE, X30))
    one = start(harness.renders.one(IMAGE, X40))
    several = start(harness.renders.several(IMAGE, [parse("x50.jpg"), X40, parse("x60.jpg")], client_waits=True))
    assert harness.engine.admission.waiting == 2
    one.cancel()
    error_of(one)
    assert harness.engine.admission.waiting == 2
    several.cancel()
    assert isinstance(error_of(several), CancelledError)
    assert harness.engine.admission.waiting == 0


def test_a_client_whose_time_is_up_leaves_the_queue(make_harness: Callable[..., PipelineHarness]) -> None:
    """It waits for the output of a queued job, whose worker has been stopped: no other caller waits for it."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.threads.held = True
    start(harness.renders.several(IMAGE, [X30]))
    queued = start(harness.renders.several(IMAGE, [X40]))
    coalesced = start(harness.renders.one(IMAGE, X40))
    queued.cancel()
    error_of(queued)
    assert harness.engine.admission.waiting == 1
    harness.reactor.advance(7 + GRACE_S)
    assert isinstance(error_of(coalesced), BusyError)
    assert harness.engine.admission.waiting == 0


def test_a_client_that_leaves_while_its_original_comes_costs_no_render(harness: PipelineHarness) -> None:
    """The original is kept; the output is not made."""
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    slow: Deferred[None] = Deferred()
    download = harness.uploader.download

    async def slowly(key: str, path: Any) -> bool:
        await slow
        return await download(key, path)

    harness.uploader.download = slowly  # type: ignore[method-assign]
    leaving = start(harness.renders.one(IMAGE, X30))
    leaving.cancel()
    error_of(leaving)
    slow.callback(None)
    assert harness.store.has(IMAGE, ORIGINAL)
    assert harness.processor.jobs == []
    assert (harness.engine.admission.busy, harness.renders.calls.count) == (0, 0)


def test_clients_come_before_queued_jobs(harness: PipelineHarness) -> None:
    """A job for whose output a client waits is not behind them."""
    harness.keep()
    harness.threads.held = True
    outputs = [parse(f"x{side}.jpg") for side in (10, 20, 30, 40)]
    start(harness.renders.one(IMAGE, outputs[0]))
    start(harness.renders.several(IMAGE, [outputs[1]]))
    start(harness.renders.several(IMAGE, [outputs[2]]))
    start(harness.renders.one(IMAGE, outputs[2]))
    start(harness.renders.one(IMAGE, outputs[3]))
    for _ in range(4):
        harness.threads.step()
    made = [job.variants[0].output for job in harness.processor.jobs]
    assert made == [outputs[0], outputs[2], outputs[3], outputs[1]]


class Slow(StillProcessor):
    """Each variant takes `each_s` of the clock `advance`, which the test sets."""

    each_s = 0.6
    advance: Callable[[float], None]

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Render, slowly."""
        for rendered in super().render(job):
            self.advance(self.each_s)
            yield rendered


def test_a_queued_job_of_many_outputs_gives_way(make_harness: Callable[..., PipelineHarness]) -> None:
    """A client that waits gets the place after a second or so; then the job makes the rest, and nothing twice."""
    processor = Slow()
    harness = make_harness(processor=processor)
    processor.advance = harness.reactor.advance
    harness.keep()
    outputs = [parse(f"x{side}.jpg") for side in range(1, 21)]
    harness.threads.held = True
    queued = start(harness.renders.several(IMAGE, outputs))
    client = start(harness.renders.one(IMAGE, parse("x99.jpg")))
    for _ in range(3):
        harness.threads.step()
    assert result_of(client)[1] == "rendered"
    assert result_of(queued) == dict.fromkeys(outputs)
    first, second, third = ([variant.output for variant in job.variants] for job in harness.processor.jobs)
    assert (first, second, third) == (outputs, [parse("x99.jpg")], outputs[2:])
    assert len(harness.queued("upload")) == 21
    assert (harness.processing.total, harness.processing.failed, harness.processing.current) == (21, 0, 0)


def test_clients_of_a_stuck_processor_are_answered(make_harness: Callable[..., PipelineHarness]) -> None:
    """Its thread counts as busy until it returns; a late output is stored."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.threads.held = True
    stuck, behind = (start(harness.renders.one(IMAGE, output)) for output in (X30, X40))
    harness.reactor.advance(7 + GRACE_S - 0.001)
    assert not stuck.called
    harness.reactor.advance(0.001)
    assert isinstance(error_of(stuck), BusyError)
    assert harness.threads.waiting == 1
    assert behind.called
    assert isinstance(error_of(behind), BusyError)
    harness.threads.step()
    assert harness.store.has(IMAGE, parse_file("x30.jpg"))
    assert harness.reactor.getDelayedCalls() == []


def test_the_clock_of_a_client_covers_waiting_and_rendering(make_harness: Callable[..., PipelineHarness]) -> None:
    """After five of seven seconds of waiting for a thread it has two left, and ends with BusyError and Retry-After."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.threads.held = True
    first, second = (start(harness.renders.one(IMAGE, output)) for output in (X30, X40))
    harness.reactor.advance(5)
    harness.threads.step()
    assert first.called
    harness.reactor.advance(2 + GRACE_S)
    error = error_of(second)
    assert (type(error), error.retry_after_s) == (BusyError, 6)
    harness.threads.step()
    assert [job.timeout_s for job in harness.processor.jobs] == [7, 2]


def test_queued_jobs_wait_for_a_thread_without_limit(make_harness: Callable[..., PipelineHarness]) -> None:
    """A client that waits for the output of one has a limit, which does not end the job."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.threads.held = True
    start(harness.renders.several(IMAGE, [X30]))
    queued = start(harness.renders.several(IMAGE, [X40]))
    coalesced = start(harness.renders.one(IMAGE, X40))
    processing = start(harness.renders.several(IMAGE, [X40], client_waits=True))
    harness.reactor.advance(7 + GRACE_S)
    assert isinstance(error_of(coalesced), BusyError)
    assert isinstance(result_of(processing)[X40], BusyError)
    assert not queued.called
    harness.threads.step()
    harness.threads.step()
    assert result_of(queued) == {X40: None}
    assert harness.processor.jobs[-1].timeout_s == 7


def test_a_render_that_had_all_its_time_is_at_fault(make_harness: Callable[..., PipelineHarness]) -> None:
    """It ends with OutOfTimeError, also when the processor does not return: the queue tries such work a few times."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.threads.held = True
    harness.processor.failure = BusyError("took too long")
    late = start(harness.renders.several(IMAGE, [X30]))
    harness.reactor.advance(7)
    harness.threads.step()
    assert isinstance(result_of(late)[X30], OutOfTimeError)
    stuck = start(harness.renders.several(IMAGE, [X40]))
    harness.reactor.advance(7 + GRACE_S)
    assert isinstance(result_of(stuck)[X40], OutOfTimeError)
    harness.threads.step()


def test_a_processor_may_know_beforehand_that_time_is_not_enough(make_harness: Callable[..., PipelineHarness]) -> None:
    """That is OutOfTimeError though little time was used, but BusyError if the wait for a thread took the rest."""
    harness = make_harness("render: {timeout_s: 7}")
    harness.keep()
    harness.processor.failure = OutOfTimeError("this takes minutes")
    assert isinstance(wait(harness.renders.several(IMAGE, [X30]))[X30], OutOfTimeError)
    harness.threads.held = True
    harness.processor.failure = None
    first = start(harness.renders.one(IMAGE, X30))
    second = start(harness.renders.one(IMAGE, X40))
    harness.reactor.advance(5)
    harness.threads.step()
    assert first.called
    harness.processor.failure = OutOfTimeError("this takes five seconds")
    harness.threads.step()
    assert type(error_of(second)) is BusyError


def test_a_render_without_memory_is_not_at_fault(harness: PipelineHarness) -> None:
    """It had time, and may succeed when others have ended."""
    harness.keep()
    harness.processor.failure = BusyError("no memory")
    assert type(wait(harness.renders.several(IMAGE, [X30]))[X30]) is BusyError


def test_a_queue_that_fails_costs_no_picture(harness: PipelineHarness) -> None:
    """The output is served and stays local, and the log reports it."""
    harness.keep()

    async def enqueue(*_: object) -> None:
        raise StoreError("the disk is full")

    harness.jobs.enqueue = enqueue  # type: ignore[method-assign]
    wait(harness.renders.one(IMAGE, X30))
    assert harness.store.has(IMAGE, parse_file("x30.jpg"))


def test_each_output_follows_its_policy(make_harness: Callable[..., PipelineHarness]) -> None:
    """It has the quality and background of the namespace, unless its name has a quality; the settings bound it."""
    harness = make_harness(
        "{render: {timeout_s: 4, maximum_pixels: 5000}, images: {default_quality: 60},"
        " namespaces: {p: {default_quality: 50, background: '#000000'}}}"
    )
    harness.keep()
    quality = Output(X30.sizing, X30.extension, 9)
    wait(harness.renders.several(IMAGE, [X30, quality]))
    (job,) = harness.processor.jobs
    assert [(each.quality, each.background) for each in job.variants] == [(50, "#000000"), (9, "#000000")]
    assert (job.timeout_s, job.maximum_pixels) == (4, 5000)


def test_a_restored_original_is_rendered_from(harness: PipelineHarness) -> None:
    """It is brought back first."""
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    wait(harness.renders.one(IMAGE, X30))
    assert harness.store.has(IMAGE, ORIGINAL)


def test_a_store_that_fails_ends_the_job(harness: PipelineHarness) -> None:
    """The other outputs would fail too: the processor's generator is closed, and each waiter gets the error."""
    harness.keep()
    harness.store.path(IMAGE, X30).mkdir()
    results = wait(harness.renders.several(IMAGE, [X30, X40]))
    assert {type(error) for error in results.values()} == {StoreError}
    assert (len(harness.processor.jobs), harness.processor.ended, harness.engine.admission.busy) == (1, 1, 0)
    assert harness.sink.of(OutputFailed) == [OutputFailed("p", "x30.jpg", "jpg", "StoreError")]
    harness.store.path(IMAGE, X30).rmdir()
    assert wait(harness.renders.several(IMAGE, [X30, X40])) == {X30: None, X40: None}


class Timed(StillProcessor):
    """Measures what it does."""

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Render all in one span."""
        with span(DECODE):
            rendered = list(super().render(job))
        yield from rendered


def test_the_spans_of_a_render_belong_to_its_request(make_harness: Callable[..., PipelineHarness]) -> None:
    """Those that the processor measures come back with its results; a client that gets bytes waits for no save."""
    harness = make_harness(processor=Timed())
    harness.keep()
    trace = Trace("abc", harness.reactor.seconds)
    with trace.current():
        wait(harness.renders.one(IMAGE, X30))
    assert list(trace.spans_ms) == [WAIT, DECODE]
    trace = Trace("abc", harness.reactor.seconds)
    with trace.current():
        wait(harness.renders.several(IMAGE, [X40]))
    assert list(trace.spans_ms) == [WAIT, DECODE, SAVE]
