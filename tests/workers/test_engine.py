"""The engine gives results as they are ready, and frees its threads whatever processor and consumer do."""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from imaged.config.model import RenderSettings
from imaged.core.activity import Activity
from imaged.core.errors import BusyError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.core.tracing import DECODE, ENCODE, Trace, current_trace, span
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import GRACE_S, CheckedProcessor
from imaged.hooks.contracts import Rendered, RenderJob
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import make_jpeg, make_png
from imaged.testing.processors import make_variant
from imaged.workers.engine import MOST_HEADERS, TRIAL_WAIT_S, Engine
from imaged.workers.processors import Ended, Processors
from imaged.workers.render_jobs import EngineJob, FailedVariant, ImageOutput, RenderedVariant, RenderResult
from imaged.workers.tasks import Tasks
from imaged.workers.thread_workers import ThreadWorkers
from imaged.workers.threads import Threads

IMAGE = ImageId("p", ImageHash("0" * 32))
VARIANTS = tuple(make_variant(parse(f"x{side}.jpg")) for side in (10, 20, 30))


class PumpedReactor(Clock):
    """A reactor that calls what threads send when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.Queue[Callable[[], object]] = queue.Queue()

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:  # noqa: N802  # Twisted's name
        """Keep it for `pump`."""
        self._calls.put(lambda: function(*args))

    def pump(self, done: Callable[[], object], timeout_s: float = 10) -> None:  # type: ignore[override]
        """Do what threads send until `done`."""
        while not done():
            self._calls.get(timeout=timeout_s)()


class Gated(StillProcessor):
    """Renders one variant for each `go`; notes the threads that its renders begin and end on."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Semaphore(0)
        self.began_on: list[int] = []
        self.ended_on: list[int] = []
        self.request_ids: list[str | None] = []

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Render, one variant at a time."""
        trace = current_trace()
        self.request_ids.append(trace.request_id if trace else None)
        self.began_on.append(threading.get_ident())
        rendered = super().render(job)
        try:
            for _ in job.variants:
                assert self.go.acquire(timeout=10)
                with span(ENCODE):
                    body = next(rendered)
                yield body
        finally:
            self.ended_on.append(threading.get_ident())


class EngineHarness:
    """An engine with one thread, on a reactor that the test pumps."""

    def __init__(self, folder: Path, processor: StillProcessor) -> None:
        self.source = folder / "original"
        self.source.write_bytes(make_jpeg())
        self.reactor = PumpedReactor()
        self.threads, self.others = Threads(self.reactor, "render", 1), Threads(self.reactor, "work", 1)
        self.activity: Activity[ImageOutput] = Activity(self.reactor.seconds)
        settings = RenderSettings(queue=1, timeout_s=7, maximum_pixels=10_000)
        processors = Processors([CheckedProcessor("gated", processor)], settings.maximum_pixels)
        workers = ThreadWorkers(processors, self.threads, self.others.run, settings.timeout_s)
        self.engine = Engine(self.reactor, settings, workers, Tasks(), self.activity, verifies=True)

    def result_of(self, work: Any) -> Any:
        """Pump until `work` has ended; return its result or raise its error."""
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        self.reactor.pump(lambda: results)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def close(self) -> None:
        """End the threads."""
        self.threads.stop()
        self.others.stop()


class Rendering:
    """A job that runs: its consumer notes each result, and awaits `taking` for it."""

    def __init__(self, harness: EngineHarness, *variants: Variant, client_waits: bool = False) -> None:
        self._pump = harness.reactor.pump
        self.results: list[Any] = []
        self.traces: list[Trace | None] = []
        self.taking: Deferred[None] = succeed(None)
        self.ended: list[Any] = []
        job = EngineJob(IMAGE, harness.source, variants, client_waits=client_waits)
        Deferred.fromCoroutine(harness.engine.render(job, self._take)).addBoth(self.ended.append)

    async def _take(self, result: RenderResult) -> None:
        self.results.append(result)
        self.traces.append(current_trace())
        await self.taking

    def result(self, index: int) -> Any:
        """Pump until there is such a result; return it."""
        self._pump(lambda: len(self.results) > index)
        return self.results[index]

    def wait(self) -> None:
        """Pump until the job has ended; raise its error."""
        self._pump(lambda: self.ended)
        if self.ended[0] is not None:
            self.ended[0].raiseException()


@pytest.fixture
def processor() -> Gated:
    """Return a processor that waits for `go`."""
    return Gated()


@pytest.fixture
def harness(tmp_path: Path, processor: Gated) -> Iterator[EngineHarness]:
    """Return an engine with that processor."""
    made = EngineHarness(tmp_path, processor)
    yield made
    processor.go.release(100)
    made.close()


def test_results_come_as_they_are_ready(harness: EngineHarness, processor: Gated) -> None:
    """The consumer has the first while the processor works on the second."""
    rendering = Rendering(harness, *VARIANTS)
    for index, variant in enumerate(VARIANTS):
        processor.go.release()
        result = rendering.result(index)
        assert isinstance(result, RenderedVariant)
        assert result.output == variant.output
        assert harness.engine.admission.busy == 1
    rendering.wait()
    assert (harness.engine.admission.busy, harness.activity.current, harness.activity.total) == (0, 0, 3)
    assert harness.reactor.getDelayedCalls() == []


def test_a_worker_is_one_variant_ahead(harness: EngineHarness, processor: Gated) -> None:
    """It hands over the second when the consumer has taken the first; the last needs no worker any more."""
    rendering = Rendering(harness, *VARIANTS)
    rendering.taking = Deferred()
    processor.go.release(3)
    rendering.result(0)
    with pytest.raises(queue.Empty):
        harness.reactor.pump(lambda: len(rendering.results) > 1, timeout_s=0.1)
    for index in (1, 2):
        taken, rendering.taking = rendering.taking, Deferred()
        taken.callback(None)
        rendering.result(index)
    harness.reactor.pump(lambda: not harness.engine.admission.busy)
    assert rendering.ended == []
    rendering.taking.callback(None)
    assert rendering.ended == [None]


def test_a_consumer_that_fails_ends_the_render(harness: EngineHarness, processor: Gated) -> None:
    """The processor's generator is closed on its own thread, and thread and place are free again."""
    rendering = Rendering(harness, *VARIANTS)
    rendering.taking = fail(OSError("the disk is full"))
    processor.go.release(2)
    with pytest.raises(OSError, match="the disk is full"):
        rendering.wait()
    assert len(rendering.results) == 1
    assert processor.ended_on == processor.began_on
    assert len(processor.jobs) == 1
    assert (harness.engine.admission.busy, harness.activity.current) == (0, 0)


def test_a_late_render_fails_and_may_still_succeed(harness: EngineHarness, processor: Gated) -> None:
    """The consumer can answer its clients in time, and keep what the thread gives in the end; the rest is not tried."""
    rendering = Rendering(harness, *VARIANTS[:2])
    harness.reactor.advance(7 + GRACE_S)
    assert [type(each) for each in rendering.results] == [FailedVariant] * 2
    assert all(isinstance(each.error, BusyError) for each in rendering.results)
    assert harness.engine.admission.busy == 1
    processor.go.release(2)
    rendering.wait()
    assert [each.output for each in rendering.results[2:]] == [variant.output for variant in VARIANTS[:2]]
    assert len(processor.jobs) == 1
    assert harness.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("variants", [VARIANTS[:1], VARIANTS[:2]])
def test_a_late_render_that_raises_has_one_result(
    harness: EngineHarness, processor: Gated, variants: tuple[Variant, ...]
) -> None:
    """The variants that failed by the deadline neither fail again nor are rendered again."""
    processor.failure = TooLargeError("big")
    rendering = Rendering(harness, *variants)
    harness.reactor.advance(7 + GRACE_S)
    processor.go.release()
    rendering.wait()
    assert [type(each.error) for each in rendering.results] == [OutOfTimeError] * len(variants)
    assert len(processor.began_on) == 1


def test_a_variant_without_time_ends_the_job(harness: EngineHarness, processor: Gated) -> None:
    """After the first BusyError of a variant alone, the others are not tried."""
    processor.failure = BusyError("slow")
    processor.go.release(100)
    rendering = Rendering(harness, *VARIANTS)
    with pytest.raises(BusyError, match="slow"):
        rendering.wait()
    assert [(each.output, type(each.error)) for each in rendering.results] == [(VARIANTS[0].output, BusyError)]
    assert len(processor.began_on) == 2


def test_a_client_without_time_costs_no_further_try(harness: EngineHarness, processor: Gated) -> None:
    """When the variants together have used all of a client's time, none is rendered alone."""
    processor.failure = OutOfTimeError("too slow")
    rendering = Rendering(harness, *VARIANTS, client_waits=True)
    harness.reactor.advance(7)
    processor.go.release(100)
    with pytest.raises(OutOfTimeError, match=r"x10\.jpg took longer than 7 s"):
        rendering.wait()
    assert (rendering.results, len(processor.began_on)) == ([], 1)


def test_spans_come_with_the_results(harness: EngineHarness, processor: Gated) -> None:
    """As data; the trace of the request is not touched by the thread, which knows the request's id alone."""
    trace = Trace("abc", harness.reactor.seconds)
    processor.go.release(2)
    with trace.current():
        rendering = Rendering(harness, *VARIANTS[:2])
    rendering.wait()
    assert [set(each.spans_s) for each in rendering.results] == [{ENCODE}, {ENCODE}]
    assert rendering.traces == [trace, trace]
    assert ENCODE not in trace.spans_ms
    assert processor.request_ids == ["abc"]


def test_work_for_no_request_has_no_request_id(harness: EngineHarness, processor: Gated) -> None:
    """A queued job's log lines name no request."""
    processor.go.release()
    rendering = Rendering(harness, VARIANTS[0])
    assert rendering.result(0).spans_s == {}
    assert processor.request_ids == [None]


def test_a_bad_variant_fails_alone(harness: EngineHarness, processor: Gated) -> None:
    """The others of its job are rendered one by one."""
    big = make_variant(parse("x2000.jpg"))
    processor.go.release(100)
    rendering = Rendering(harness, big, *VARIANTS)
    rendering.wait()
    assert {str(each.output): type(getattr(each, "error", each)) for each in rendering.results} == {
        "x2000.jpg": TooLargeError,
        **{str(variant.output): RenderedVariant for variant in VARIANTS},
    }


def test_headers_need_no_render_thread(harness: EngineHarness) -> None:
    """A picture is identified while all of them are busy; one of too many pixels is refused."""
    Rendering(harness, VARIANTS[0])
    assert harness.result_of(harness.engine.identify(IMAGE.hash, harness.source)).frames == 1
    harness.source.write_bytes(make_png(101, 100))
    with pytest.raises(TooLargeError):
        harness.result_of(harness.engine.identify(IMAGE.hash, harness.source))
    harness.source.write_bytes(b"hello")
    with pytest.raises(NotAPictureError):
        harness.result_of(harness.engine.identify(IMAGE.hash, harness.source))


def test_a_trial_needs_no_place(harness: EngineHarness, processor: Gated) -> None:
    """It runs beside the queue, and raises what the processor raises."""
    processor.go.release()
    harness.result_of(harness.engine.try_out(harness.source, VARIANTS[0]))
    processor.failure = TooLargeError("big")
    processor.go.release()
    with pytest.raises(TooLargeError):
        harness.result_of(harness.engine.try_out(harness.source, VARIANTS[0]))


class Reading:
    """Headers that are read until the test says so, one each."""

    def __init__(self, harness: EngineHarness, count: int) -> None:
        self.ends: list[Deferred[Any]] = []
        self._engine = harness.engine
        self._engine.workers.identify = self._identify  # type: ignore[assignment, method-assign]
        self.asked = [Deferred.fromCoroutine(harness.engine.identify(IMAGE.hash, harness.source)) for _ in range(count)]

    async def _identify(self, *_: object) -> Any:
        self.ends.append(Deferred())
        return await self.ends[-1]


def test_a_trial_does_not_wait_for_headers(harness: EngineHarness) -> None:
    """While hostile ones hold every worker, it soon ends with BusyError, which is no fault of the processors."""
    Reading(harness, harness.engine.workers.headers + 1)
    trial: list[Any] = []
    Deferred.fromCoroutine(harness.engine.try_out(harness.source, VARIANTS[0])).addErrback(trial.append)
    harness.reactor.advance(TRIAL_WAIT_S)
    assert isinstance(trial[0].value, BusyError)


def test_headers_are_bounded(harness: EngineHarness) -> None:
    """A picture is refused when as many wait as may, and when none of the workers is free in time."""
    size = harness.engine.workers.headers
    reading = Reading(harness, size + MOST_HEADERS + 1)
    errors: list[Any] = []
    for each in reading.asked:
        each.addErrback(lambda failure: errors.append(failure.value))
    assert (len(reading.ends), [type(error) for error in errors]) == (size, [BusyError])
    harness.reactor.advance(7)
    assert [type(error) for error in errors] == [BusyError] * (1 + MOST_HEADERS)


def test_a_header_is_read_to_its_end(harness: EngineHarness) -> None:
    """Also when its client has left: the worker is busy until then."""
    reading = Reading(harness, 1)
    reading.asked[0].addErrback(lambda _: None)
    reading.asked[0].cancel()
    assert harness.engine.headers.busy == 1
    reading.ends[0].callback(None)
    assert harness.engine.headers.busy == 0


@pytest.mark.parametrize(
    "value",
    [
        EngineJob(IMAGE, Path("original"), VARIANTS, client_waits=True),
        RenderedVariant(VARIANTS[0].output, b"bytes", 0.2, {DECODE: 0.1}),
        Ended(None, {DECODE: 0.1}),
    ],
)
def test_jobs_and_results_are_plain(value: object) -> None:
    """They could go to another process and come back the same."""
    assert pickle.loads(pickle.dumps(value)) == value
