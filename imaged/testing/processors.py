"""The contract of processors as a test suite.

Subclass `ProcessorContract`, with a fixture for your processor:

    class TestMine(ProcessorContract):
        @pytest.fixture
        def processor(self) -> Processor:
            return MyProcessor()

It needs pytest and no imaging library. For a processor of fewer formats, override `reads` and `writes`.
"""

# ruff: noqa: S101 -- a suite is made of assertions

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imaged.api import (
    FORMATS,
    GIF,
    JPEG,
    PNG,
    SNIFF_BYTES,
    WEBP,
    BusyError,
    Compass,
    DeclinedError,
    Fill,
    Fit,
    FocalPoint,
    Format,
    Formats,
    FullSize,
    ImageFacts,
    NotAPictureError,
    Output,
    Pad,
    PolicyError,
    Processor,
    Rendered,
    RenderJob,
    Sample,
    SamplingProcessor,
    Size,
    TooLargeError,
    Variant,
    plan,
)
from imaged.config.images import ImagePolicy
from imaged.core.variants import Progressive
from imaged.testing.pictures import HEIGHT_PX, WIDTH_PX, make_gif, make_jpeg, make_png, make_webp

STORED = Size(WIDTH_PX, HEIGHT_PX)
ORIGINALS: dict[Format, Callable[[], bytes]] = {JPEG: make_jpeg, PNG: make_png, GIF: make_gif, WEBP: make_webp}
SIZINGS = (
    Fit(24),
    Fit(1000),
    Fit(None, 20),
    Fit(30, 20),
    Pad(30, 40),
    Pad(100, 70),
    Fill(20, 20),
    Fill(30, 10),
    Fill(30, 10, Compass.NORTH),
    Fill(10, 30, FocalPoint(90, 5)),
    Fill(100, 100),
    FullSize(),
)
THREADS = 4
UPRIGHT = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}
"""The colours of the quadrants, turned upright from each EXIF orientation."""
_ROUNDING = 6
"""How much a filter that multiplies colours by their opacity, in 8 bits, may change them."""


def make_variant(
    output: Output,
    *,
    quality: int = 75,
    background: str = "#ffffff",
    progressive: Progressive = "auto",
    formats: Formats = FORMATS,
    **settings: Any,
) -> Variant:
    """Return a variant with the settings of a usual policy, and further `settings` of images.

    Its format is one of `formats`.
    """
    policy = ImagePolicy(default_quality=quality, background=background, progressive=progressive, **settings)
    return policy.resolve(output, formats)


def render_job(
    source: Path,
    facts: ImageFacts,
    outputs: Iterable[Output],
    *,
    timeout_s: float = 30,
    maximum_pixels: int = 50_000_000,
    formats: Formats = FORMATS,
) -> RenderJob:
    """Return a job for these outputs, with the default limits."""
    variants = tuple(make_variant(output, formats=formats) for output in outputs)
    return RenderJob(source, facts, variants, timeout_s, maximum_pixels)


class ProcessorContract:
    """The suite. Override `processor`; for other formats, also `reads`, `writes` and `originals`."""

    reads: tuple[Format, ...] = FORMATS.known
    writes: tuple[Format, ...] = FORMATS.known

    @pytest.fixture
    def processor(self) -> Processor:
        """Return the processor under test."""
        raise NotImplementedError("override the fixture `processor`")

    def originals(self) -> Iterable[tuple[Format, bytes]]:
        """Return a picture of each format in `reads`."""
        return [(format, make()) for format, make in ORIGINALS.items() if format in self.reads]

    def outputs(self) -> list[Output]:
        """Return outputs of every sizing in every format in `writes`."""
        return [Output(sizing, format.extension) for sizing in SIZINGS for format in self.writes]

    def test_names_its_engine(self, processor: Processor) -> None:
        """`detail` names the engine for the operator."""
        assert isinstance(processor, Processor)
        assert processor.detail

    def test_identifies_format_size_and_frames(self, processor: Processor, tmp_path: Path) -> None:
        """Facts come from the header alone; the file name does not matter."""
        for format, body in self.originals():
            assert processor.identify(save(tmp_path, body)) == ImageFacts(format, STORED, 1)

    def test_counts_the_frames_of_animations(self, processor: Processor, tmp_path: Path) -> None:
        """An animation has the frames of its container, and the size of its canvas, or is left to another processor."""
        for format, body in ((GIF, make_gif(7)), (WEBP, make_webp(5))):
            if format in self.reads:
                try:
                    facts = processor.identify(save(tmp_path, body))
                except DeclinedError:
                    continue
                assert (facts.size, facts.frames) == (STORED, 7 if format == GIF else 5)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_identifies_the_upright_size(self, processor: Processor, tmp_path: Path, orientation: int) -> None:
        """EXIF orientations from 5 on swap width and height."""
        if JPEG not in self.reads:
            pytest.skip("does not read JPEG")
        sideways = orientation > 4  # noqa: PLR2004 -- EXIF's values
        size = Size(HEIGHT_PX, WIDTH_PX) if sideways else STORED
        assert processor.identify(save(tmp_path, make_jpeg(orientation))).size == size

    def test_refuses_what_is_no_picture(self, processor: Processor, tmp_path: Path) -> None:
        """Other files, empty ones and bare signatures raise NotAPictureError, without a path in the message."""
        signatures = [body[: _signature_bytes(format, body)] for format, body in self.originals()]
        for body in (b"", b"\x00", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", *signatures):
            with pytest.raises(NotAPictureError) as caught:
                processor.identify(save(tmp_path, body))
            assert str(tmp_path) not in str(caught.value)

    def test_survives_truncated_pictures(self, processor: Processor, tmp_path: Path) -> None:
        """A file truncated anywhere is rendered, or raises NotAPictureError and no other error."""
        for format, body in self.originals():
            for length in range(SNIFF_BYTES, len(body), max(1, len(body) // 20)):
                source = save(tmp_path, body[:length])
                try:
                    facts = processor.identify(source)
                    assert facts.format == format
                    list(processor.render(self._render_job(source, facts, [Output(Fit(24), self.writes[0].extension)])))
                except NotAPictureError:
                    continue

    def test_renders_every_size_in_every_format(self, processor: Processor, tmp_path: Path) -> None:
        """Each output of a job is yielded once, in its format and in exactly the size of its plan."""
        for _, body in self.originals():
            job = self._job(processor, tmp_path, body)
            assert processor.accepts(job)
            rendered = list(processor.render(job))
            assert sorted(str(each.output) for each in rendered) == sorted(str(output) for output in self.outputs())
            for each in rendered:
                self._check(processor, tmp_path, each, job.facts)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_renders_upright(self, processor: Processor, tmp_path: Path, orientation: int) -> None:
        """Outputs are upright and need no EXIF orientation."""
        if JPEG not in self.reads:
            pytest.skip("does not read JPEG")
        job = self._job(processor, tmp_path, make_jpeg(orientation))
        for each in processor.render(job):
            self._check(processor, tmp_path, each, job.facts)

    def test_strips_metadata(self, processor: Processor, tmp_path: Path) -> None:
        """Neither EXIF nor comments of the original reach an output."""
        for body in (make_jpeg(6), make_png(orientation=6, comment="secret")):
            if FORMATS.sniff(body) in self.reads:
                for each in processor.render(self._job(processor, tmp_path, body)):
                    found = [word for word in (b"Exif", b"eXIf", b"EXIF", b"secret") if word in each.body]
                    assert not found, each.output

    def test_renders_the_same_bytes_again(self, processor: Processor, tmp_path: Path) -> None:
        """The same job gives the same bytes, so that a second render needs no upload."""
        job = self._job(processor, tmp_path, make_png(opacity=128) if PNG in self.reads else self._any())
        assert list(processor.render(job)) == list(processor.render(job))

    def test_bounds_the_pixels_of_the_original(self, processor: Processor, tmp_path: Path) -> None:
        """An original of too many pixels is refused before any output is rendered."""
        for _, body in self.originals():
            source = save(tmp_path, body)
            outputs = [Output(Fit(4), format.extension) for format in self.writes]
            job = self._render_job(source, processor.identify(source), outputs, maximum_pixels=WIDTH_PX * HEIGHT_PX - 1)
            with pytest.raises(TooLargeError):
                next(iter(processor.render(job)))

    def test_bounds_the_pixels_of_outputs(self, processor: Processor, tmp_path: Path) -> None:
        """An output of too many pixels is refused, also from a small original."""
        source = save(tmp_path, self._any())
        outputs = [Output(Fill(200, 200), self.writes[0].extension)]
        job = self._render_job(source, processor.identify(source), outputs, maximum_pixels=39_999)
        with pytest.raises(TooLargeError):
            next(iter(processor.render(job)))

    def test_refuses_sides_that_a_format_cannot_hold(self, processor: Processor, tmp_path: Path) -> None:
        """An output above a format's maximum width or height raises PolicyError or TooLargeError."""
        source = save(tmp_path, self._any())
        for format in self.writes:
            side_px = format.maximum_side_px + 1
            job = self._render_job(source, processor.identify(source), [Output(Fill(1, side_px), format.extension)])
            with pytest.raises((PolicyError, TooLargeError)):
                list(processor.render(job))

    def test_gives_up_after_the_timeout(self, processor: Processor, tmp_path: Path) -> None:
        """A render raises BusyError when its time is over."""
        if PNG not in self.reads:
            pytest.skip("does not read PNG")
        source = save(tmp_path, make_png(600, 600))
        job = self._render_job(source, processor.identify(source), self.outputs(), timeout_s=0.000_001)
        with pytest.raises(BusyError):
            list(processor.render(job))

    def test_samples_show_the_whole_picture_upright(self, processor: Processor, tmp_path: Path) -> None:
        """A sample fits in its square, and has the colours of the corners and the orientation of the file."""
        if not isinstance(processor, SamplingProcessor):
            pytest.skip("gives no samples")
        turned = {make_jpeg(orientation): orientation for orientation in UPRIGHT} if JPEG in self.reads else {}
        for body in [*(body for _, body in self.originals()), *turned]:
            source = save(tmp_path, body)
            facts = processor.identify(source)
            sample = processor.sample(self._render_job(source, facts, []), 24)
            assert sample.size == plan(facts.size, Fit(24, 24)).size
            assert len(sample.rgba) == 4 * sample.size.pixels
            assert not sample.transparency
            assert sample.orientation == turned.get(body, 1)
            assert set(sample.rgba[3::4]) == {255}
            if body in turned:
                assert "".join(_corners(sample)) == UPRIGHT[turned[body]]

    def test_samples_tell_transparency(self, processor: Processor, tmp_path: Path) -> None:
        """A picture that is transparent in part says so; its colours are not premultiplied."""
        if not isinstance(processor, SamplingProcessor) or PNG not in self.reads:
            pytest.skip("gives no samples of PNG")
        samples = []
        for opacity in (255, 128):
            source = save(tmp_path, make_png(opacity=opacity))
            samples.append(processor.sample(self._render_job(source, processor.identify(source), []), 24))
        opaque, transparent = samples
        assert (opaque.transparency, transparent.transparency) == (False, True)
        assert set(transparent.rgba[3::4]) == {128}
        for channel in range(3):
            colours = zip(opaque.channel(channel), transparent.channel(channel), strict=True)
            assert all(abs(one - other) <= _ROUNDING for one, other in colours)

    def test_works_on_several_threads_at_once(self, processor: Processor, tmp_path: Path) -> None:
        """Concurrent renders give the same bytes as single ones."""
        jobs = [self._job(processor, tmp_path, body) for _, body in self.originals()]
        alone = [list(processor.render(job)) for job in jobs]
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(lambda job: list(processor.render(job)), THREADS * jobs))
        assert together == THREADS * alone

    def _any(self) -> bytes:
        return next(body for _, body in self.originals())

    def _job(self, processor: Processor, tmp_path: Path, body: bytes) -> RenderJob:
        source = save(tmp_path, body)
        return self._render_job(source, processor.identify(source), self.outputs())

    def _render_job(self, source: Path, facts: ImageFacts, outputs: Iterable[Output], **bounds: Any) -> RenderJob:
        return render_job(source, facts, outputs, formats=self._formats, **bounds)

    @property
    def _formats(self) -> Formats:
        return Formats(self.reads, self.writes)

    def _check(self, processor: Processor, tmp_path: Path, rendered: Rendered, original: ImageFacts) -> None:
        format = self._formats.of(rendered.output)
        assert self._formats.sniff(rendered.body) == format
        if format in self.reads:
            size: Size | None = processor.identify(save(tmp_path, rendered.body)).size
        else:
            size = format.read_size(rendered.body)
        assert size == plan(original.size, rendered.output.sizing).size, rendered.output


def _corners(sample: Sample) -> Iterator[str]:
    """Yield the initials of the colours in the corners, from left to right, then from top to bottom."""
    width_px, height_px = sample.size.width_px, sample.size.height_px
    for at in (0, width_px - 1, (height_px - 1) * width_px, height_px * width_px - 1):
        red, green, blue = (each > 127 for each in sample.rgba[4 * at : 4 * at + 3])  # noqa: PLR2004 -- a half
        yield "W" if red and green and blue else "R" if red else "G" if green else "B"


def _signature_bytes(format: Format, body: bytes) -> int:
    """Return how many bytes of a file its signature takes."""
    matching = (each for each in format.signatures if all(body.startswith(piece, at) for at, piece in each))
    return min(max(at + len(piece) for at, piece in each) for each in matching)


def save(folder: Path, body: bytes) -> Path:
    """Write `body` to a new file in `folder`, whose name has no extension."""
    path = folder / f"original-{len(list(folder.iterdir()))}"
    path.write_bytes(body)
    return path
