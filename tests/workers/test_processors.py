"""Each file goes to the processors that list its format, in the order of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imaged.core.errors import DeclinedError, NotAPictureError
from imaged.core.formats import CORE, FORMATS, JPEG, PNG, Formats
from imaged.core.geometry import Size
from imaged.core.outputs import parse
from imaged.core.pictures import ImageFacts
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.contracts import Rendered, RenderJob
from imaged.testing.fakes import SamplingStills, StillProcessor
from imaged.testing.pictures import make_jpeg, make_png
from imaged.testing.processors import make_variant
from imaged.workers.processors import KnownOriginal, Processors, run_self_check

BMP = replace(PNG, extension="bmp", content_type="image/bmp", signatures=(((0, b"BM"),),))
FORMATS_WITH_BMP = Formats((*CORE, BMP), (*CORE, BMP))


class BmpProcessor(StillProcessor):
    """Takes every file for a BMP of one pixel, and accepts every job."""

    def identify(self, source: Path) -> ImageFacts:  # noqa: ARG002 -- Processor
        """Look at nothing."""
        return ImageFacts(BMP, Size(1, 1), 1)

    def accepts(self, job: RenderJob) -> bool:  # noqa: ARG002 -- Processor
        """Accept any job."""
        return True


@pytest.fixture
def processors() -> Processors:
    """Return a processor for BMP, and one for the core formats."""
    bmp = CheckedProcessor("bmp", BmpProcessor(), Formats((BMP,), (BMP,)), FORMATS_WITH_BMP)
    core = CheckedProcessor("core", StillProcessor(), FORMATS, FORMATS_WITH_BMP)
    return Processors((bmp, core), 10**6)


@pytest.mark.parametrize(("body", "format"), [(b"BM and so on", BMP), (make_jpeg(), JPEG)])
def test_the_processor_of_its_format_identifies_a_file(
    processors: Processors, tmp_path: Path, body: bytes, format: object
) -> None:
    """A processor that would take every file sees only those that it lists."""
    (tmp_path / "original").write_bytes(body)
    assert processors.identify(tmp_path / "original").format == format


def test_a_broken_picture_is_refused_by_its_processor(processors: Processors, tmp_path: Path) -> None:
    """The message is that of the processor that read the file."""
    (tmp_path / "original").write_bytes(make_jpeg()[:20])
    with pytest.raises(NotAPictureError, match="the header of this file is unknown"):
        processors.identify(tmp_path / "original")


def test_a_job_goes_to_the_processor_of_its_formats(processors: Processors, tmp_path: Path) -> None:
    """A processor that would accept every job gets none in other formats."""
    (tmp_path / "original").write_bytes(make_jpeg())
    (rendered,) = processors.render(tmp_path / "original", [make_variant(parse("x4.jpg"))], 30)
    assert JPEG.read_size(rendered.body) == Size(4, 4)
    with pytest.raises(NotAPictureError, match=r"no processor renders x4\.bmp"):
        next(processors.render(tmp_path / "original", [make_variant(parse("x4.bmp"), formats=FORMATS_WITH_BMP)], 30))


class Declining(BmpProcessor):
    """Accepts every job, and then declines it."""

    identify = StillProcessor.identify

    def verify(self, job: RenderJob) -> None:  # noqa: ARG002 -- VerifyingProcessor
        """Decline."""
        raise DeclinedError("this is too odd")

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Decline."""
        self.verify(job)
        yield from super().render(job)


class Verifying(BmpProcessor):
    """Accepts every job, and counts those that it verifies."""

    verified = 0

    def verify(self, job: RenderJob) -> None:  # noqa: ARG002 -- VerifyingProcessor
        """Count."""
        self.verified += 1


def test_a_declined_job_goes_to_the_next_processor(tmp_path: Path) -> None:
    """Renders and verifications do. After the last processor, the picture is refused with its reason."""
    source = tmp_path / "original"
    source.write_bytes(make_jpeg())
    verifying, variants = Verifying(), [make_variant(parse("x4.jpg"))]
    declining = CheckedProcessor("declining", Declining())
    both = Processors((declining, CheckedProcessor("verifying", verifying)), 10**6)
    both.verify(source, 30)
    assert verifying.verified == 1
    assert len(list(both.render(source, variants, 30))) == 1
    alone = Processors((declining,), 10**6)
    for work in (lambda: alone.verify(source, 30), lambda: list(alone.render(source, variants, 30))):
        with pytest.raises(NotAPictureError, match="this is too odd") as refusal:
            work()
        assert type(refusal.value) is NotAPictureError


class VerifyingSampler(SamplingStills):
    """Verifies, and gives samples; counts the calls of `verify`."""

    verified = 0

    def verify(self, job: RenderJob) -> None:  # noqa: ARG002 -- VerifyingProcessor
        """Count."""
        self.verified += 1


class OnlyVerifying(Verifying):
    """Verifies any picture, and gives no sample."""

    identify = StillProcessor.identify


def test_a_sample_takes_the_place_of_a_verification(tmp_path: Path) -> None:
    """A processor that does both decodes a new original once; its refusal is that of the original."""
    source, both = tmp_path / "original", VerifyingSampler()
    source.write_bytes(make_jpeg())
    processors = Processors((CheckedProcessor("both", both),), 10**6)
    details = processors.verify(source, 30)
    assert details is not None
    assert (details.average_color, details.transparency) == ("#336699", False)
    assert (both.sampled, both.verified) == (1, 0)
    both.refusal = NotAPictureError("pixels are missing")
    with pytest.raises(NotAPictureError, match="pixels are missing"):
        processors.verify(source, 30)


def test_a_declined_sample_comes_from_the_next_processor(tmp_path: Path) -> None:
    """One that only verifies gives none; `describe` then asks those that only sample."""
    source, sampler = tmp_path / "original", VerifyingSampler()
    source.write_bytes(make_jpeg())
    first = VerifyingSampler(b"\xff\x00\x00\xff")
    first.refusal = DeclinedError("this is too odd")
    chain = (CheckedProcessor("first", first), CheckedProcessor("sampler", sampler))
    details = Processors(chain, 10**6).verify(source, 30)
    assert details is not None
    assert details.dominant_color == "#336699"
    only = Processors((CheckedProcessor("verifying", OnlyVerifying()), CheckedProcessor("s", SamplingStills())), 10**6)
    assert only.verify(source, 30) is None
    assert only.describe(source, 30) == details
    sampler.refusal = DeclinedError("so is this")
    with pytest.raises(NotAPictureError, match="so is this"):
        Processors(chain, 10**6).verify(source, 30)


class Checking(StillProcessor):
    """Finds what `allowed` lists when it checks itself."""

    def __init__(self, *allowed: str) -> None:
        super().__init__()
        self.allowed = allowed

    def self_check(self) -> Sequence[str]:
        """Return it."""
        return self.allowed


def test_each_processor_that_can_checks_itself() -> None:
    """One that lets something through fails the check, wherever it is in the list."""
    good, silent, bad = (
        CheckedProcessor(name, processor)
        for name, processor in (("good", Checking()), ("silent", StillProcessor()), ("bad", Checking("reading MSL")))
    )
    assert run_self_check(Processors((good, silent), 10**6)).error is None
    assert str(run_self_check(Processors((good, silent, bad), 10**6)).error) == "bad allows reading MSL"


def test_a_header_is_read_once_for_jobs_of_one_original(tmp_path: Path) -> None:
    """Until the owner says that the jobs are of another one."""
    known = KnownOriginal()
    source, processor = tmp_path / "original", StillProcessor()
    processors = Processors((CheckedProcessor("still", processor),), 10**6, known=known)
    for width_px, kept in ((8, True), (9, False)):
        source.write_bytes(make_png(width_px, 6))
        facts = processors.identify(source)
        source.write_bytes(b"gone")
        assert processors.identify(source) is facts
        assert facts.size.width_px == width_px
        if kept:
            known.facts = None
