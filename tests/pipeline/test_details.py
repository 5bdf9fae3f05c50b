"""What a look at an original tells is kept in its record, and added to older records when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness

from imaged.core.errors import BusyError, NotAPictureError, OutOfTimeError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.outputs import Output, parse
from imaged.core.samples import Sample
from imaged.hooks.contracts import RenderJob
from imaged.testing.fakes import SamplingStills
from imaged.testing.waiting import wait


class Sampler(SamplingStills):
    """Gives dark samples of a picture that is stored sideways, with a red column at three quarters of the width."""

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return such a sample."""
        plain = super().sample(job, side_px)
        row = bytearray(plain.size.width_px * b"\x10\x10\x10\xff")
        at = 4 * (3 * plain.size.width_px // 4)
        row[at : at + 4] = b"\xff\x20\x10\xff"
        return replace(plain, rgba=bytes(row) * plain.size.height_px, orientation=6)


@pytest.fixture
def sampler() -> Sampler:
    """Return a processor that gives samples."""
    return Sampler()


@pytest.fixture
def harness(make_harness: Callable[..., PipelineHarness], sampler: Sampler) -> PipelineHarness:
    """Return a pipeline with that processor."""
    return make_harness("", processor=sampler)


def post(harness: PipelineHarness) -> Any:
    """Post the picture."""
    return wait(harness.ingest.from_body("p", [PICTURE]))


def described(harness: PipelineHarness) -> Any:
    """Ask for the record with its details."""
    return wait(harness.originals.described(IMAGE))


def test_details_are_computed_once_at_the_post(harness: PipelineHarness, sampler: Sampler) -> None:
    """The record has them, in both stores; a second POST and a question for them look at nothing."""
    _, info = post(harness)
    assert info.details.orientation == 6
    assert harness.store.originals.info(IMAGE) == info
    assert b'"orientation": 6' in harness.uploader.files[harness.store.key(IMAGE, RECORD)]
    post(harness)
    assert described(harness) == info
    assert sampler.sampled == 1


def test_an_older_record_is_completed_when_it_is_asked_for(harness: PipelineHarness, sampler: Sampler) -> None:
    """The details are added for all that ask at once, written to the local store, and queued for the remote one."""
    _, info = post(harness)
    harness.store.originals.save_info(IMAGE, replace(info, details=None))
    waiting = [harness.originals.described(IMAGE) for _ in range(3)]
    assert [wait(each) for each in waiting] == [info] * 3
    assert harness.store.originals.info(IMAGE) == info
    assert harness.queued("upload") == ["info.json"]
    assert sampler.sampled == 2


def test_an_original_that_has_no_details_is_looked_at_once(harness: PipelineHarness, sampler: Sampler) -> None:
    """A picture whose sample fails is kept, and not looked at again for each request."""
    sampler.refusal = NotAPictureError("no sample")
    _, info = post(harness)
    assert info.details is None
    assert [described(harness).details for _ in range(3)] == [None] * 3
    assert sampler.sampled == 2


def test_a_busy_server_keeps_the_picture(harness: PipelineHarness, sampler: Sampler) -> None:
    """A POST whose sample finds no room succeeds; the details come later."""
    sampler.refusal = BusyError("no memory")
    assert post(harness)[1].details is None
    sampler.refusal = None
    assert described(harness).details is not None


def test_an_older_record_is_completed_later_by_a_busy_server(harness: PipelineHarness, sampler: Sampler) -> None:
    """A lack of room says nothing about the picture; a timeout does, and is not tried again."""
    _, info = post(harness)
    harness.store.originals.save_info(IMAGE, replace(info, details=None))
    sampler.refusal = BusyError("no memory")
    assert described(harness).details is None
    sampler.refusal = None
    assert described(harness) == info
    harness.store.originals.save_info(IMAGE, replace(info, details=None))
    sampler.refusal = OutOfTimeError("too slow")
    assert [described(harness).details for _ in range(3)] == [None] * 3
    assert sampler.sampled == 4


def test_a_restored_original_keeps_its_details(harness: PipelineHarness, sampler: Sampler) -> None:
    """The local record has them still, after the original was lost here and came from the remote store."""
    _, info = post(harness)
    harness.store.path(IMAGE, ORIGINAL).unlink()
    wait(harness.originals.find(IMAGE))
    assert harness.store.originals.info(IMAGE) == info
    assert sampler.sampled == 1


def test_a_smart_crop_is_around_the_focal_point(harness: PipelineHarness, sampler: Sampler) -> None:
    """The processor gets a focal point in place of the smart crop, from the record."""
    _, info = post(harness)
    assert info.details.focal_point.x_percent > 60
    output: Output = parse("20x30-gsm.jpg")
    wait(harness.renders.several(IMAGE, [output]))
    (variant,) = sampler.jobs[-1].variants
    assert str(variant.output) == "20x30-gsm.jpg"
    assert str(variant.sizing) == f"20x30-g{info.details.focal_point}"


def test_a_smart_crop_without_details_is_from_the_centre(harness: PipelineHarness, sampler: Sampler) -> None:
    """The output is made, also where no processor tells the focal point."""
    sampler.refusal = NotAPictureError("no sample")
    post(harness)
    assert wait(harness.renders.several(IMAGE, [parse("20x30-gsm.jpg")])) == {parse("20x30-gsm.jpg"): None}
    assert str(sampler.jobs[-1].variants[0].sizing) == "20x30"
