"""An original whose pixels a processor finds missing is refused before anything of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError, NotAPictureError, OutOfTimeError
from imaged.core.files import ORIGINAL
from imaged.hooks.checked_processor import GRACE_S
from imaged.hooks.contracts import RenderJob
from imaged.testing.fakes import StillProcessor
from imaged.testing.waiting import wait


class Verifier(StillProcessor):
    """Remembers the jobs that it verifies, and raises `refusal` when it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.verified: list[RenderJob] = []
        self.refusal: Exception | None = None

    def accepts(self, job: RenderJob) -> bool:
        """Take any job."""
        return bool(job.facts)

    def verify(self, job: RenderJob) -> None:
        """Raise `refusal` if it is set."""
        self.verified.append(job)
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
def verifier() -> Verifier:
    """Return a processor that verifies."""
    return Verifier()


@pytest.fixture
def harness(make_harness: Callable[..., PipelineHarness], verifier: Verifier) -> PipelineHarness:
    """Return a pipeline with that processor and a render queue of zero."""
    return make_harness("render: {queue: 0}", processor=verifier)


def post(harness: PipelineHarness) -> Any:
    """Post the picture."""
    return wait(harness.ingest.from_body("p", [PICTURE]))


def test_an_original_is_verified_once(harness: PipelineHarness, verifier: Verifier) -> None:
    """The job has no variants; an original that the store has is not decoded again."""
    post(harness)
    post(harness)
    assert [job.variants for job in verifier.verified] == [()]


def test_an_original_that_cannot_be_rendered_is_not_kept(harness: PipelineHarness, verifier: Verifier) -> None:
    """Neither store has anything of it."""
    verifier.refusal = NotAPictureError("pixels are missing")
    with pytest.raises(NotAPictureError, match="pixels are missing"):
        post(harness)
    assert not harness.store.has(IMAGE, ORIGINAL)
    assert harness.uploader.files == {}
    assert harness.temporaries == []


def test_verifying_takes_a_render_thread(harness: PipelineHarness, verifier: Verifier) -> None:
    """While all threads are busy and the queue is full, the original is refused as a render is."""
    harness.threads.held = True
    Deferred.fromCoroutine(harness.ingest.from_body("p", [PICTURE]))
    assert (harness.engine.admission.busy, harness.threads.waiting) == (1, 1)
    with pytest.raises(BusyError):
        wait(harness.ingest.from_body("q", [PICTURE]))
    harness.threads.step()
    assert harness.engine.admission.busy == 0
    assert len(verifier.verified) == 1
    assert harness.store.has(IMAGE, ORIGINAL)


def test_others_need_no_thread(make_harness: Callable[..., PipelineHarness]) -> None:
    """A processor that does not verify only reads the header, also while all render threads are busy."""
    harness = make_harness()
    harness.threads.held = True
    post(harness)
    assert harness.store.has(IMAGE, ORIGINAL)


def test_a_processor_that_hangs_costs_a_client_no_more_than_time(make_harness: Callable[..., PipelineHarness]) -> None:
    """The client is answered in the end; the thread counts as busy until the processor returns."""
    harness = make_harness("render: {timeout_s: 7}", processor=Verifier())
    harness.threads.held = True
    errors: list[Any] = []
    Deferred.fromCoroutine(harness.ingest.from_body("p", [PICTURE])).addErrback(
        lambda failure: errors.append(failure.value)
    )
    harness.reactor.advance(7 + 7 + GRACE_S)
    assert [type(error) for error in errors] == [OutOfTimeError]
    assert harness.engine.admission.busy == 1
    assert harness.temporaries == []
    harness.threads.step()
    assert harness.engine.admission.busy == 0
