"""CheckedProcessor checks what a processor returns and raises, before it is stored or served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from imaged.api import (
    JPEG,
    PNG,
    BusyError,
    ImageFacts,
    NotAPictureError,
    Output,
    Rendered,
    RenderJob,
    Sample,
    Size,
)
from imaged.core.errors import DeclinedError, PluginFailedError, StoreError
from imaged.core.formats import CORE, Formats
from imaged.core.outputs import parse
from imaged.hooks.boundary import calls
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.testing.pictures import make_gif, make_jpeg, make_plain, make_png, make_webp
from imaged.testing.processors import make_variant

PANIC = type("PanicException", (BaseException,), {})
FATAL = [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, RecursionError, PANIC]
X30, W20 = parse("x30.jpg"), parse("w20.png")
GOOD = {X30: make_plain("jpg", 30, 30), W20: make_plain("png", 20, 13)}


class Odd:
    """A processor with the methods of a test."""

    def __init__(self, **methods: Any) -> None:
        vars(self).update(methods)


def checked(**methods: Any) -> Any:
    """Return a checked processor `odd`."""
    odd: Any = Odd(**methods)
    return CheckedProcessor("odd", odd)


def facts(width_px: Any = 48, height_px: Any = 32, frames: Any = 1, format: Any = JPEG) -> ImageFacts:
    """Return facts, which may be invalid."""
    size = object.__new__(Size)
    vars(size).update(width_px=width_px, height_px=height_px)
    return ImageFacts(format, size, frames)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the path of a picture."""
    path = tmp_path / "original"
    path.write_bytes(make_jpeg())
    return path


def job(source: Path, *outputs: Output) -> RenderJob:
    """Return a job for these outputs of a picture of 48x32 pixels."""
    return RenderJob(source, facts(), tuple(map(make_variant, outputs)), 30, 10**6)


def interrupted_on_a_thread(function: Callable[[], Any]) -> BaseException | None:
    """Return what a function raises on a worker thread."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return next(iter(raised), None)


@pytest.mark.parametrize(
    ("returned", "wrong"),
    [
        (None, "it returned None, not ImageFacts"),
        ((48, 32), "it returned tuple, not ImageFacts"),
        (ImageFacts, "it returned the class ImageFacts, not ImageFacts"),
        (facts(format="jpg"), "the format that it returned is not that of the file"),
        (
            facts(format=replace(PNG, extension="bmp", content_type="image/bmp")),
            "the format that it returned is not that of the file",
        ),
        (facts(format=PNG), "the format that it returned is not that of the file"),
        *[
            (facts(**{side: value}), "width, height and frames that it returned are not all whole numbers from 1")
            for side in ("width_px", "height_px", "frames")
            for value in (0, -1, True, 1.0, "1", None)
        ],
    ],
)
def test_invalid_facts_are_refused(source: Path, returned: Any, wrong: str) -> None:
    """The error names the plugin as the settings do, and says what is wrong."""
    with pytest.raises(PluginFailedError) as caught:
        checked(identify=lambda _: returned).identify(source)
    assert str(caught.value) == f"processor odd: identify failed, a bug of the plugin: {wrong}"


def test_a_coroutine_is_refused(source: Path) -> None:
    """Python does not warn that it was never awaited."""

    async def identify(_: Path) -> ImageFacts:
        return facts()

    with pytest.raises(PluginFailedError, match="it returned coroutine, not ImageFacts"):
        checked(identify=identify).identify(source)


def test_good_facts_pass(source: Path) -> None:
    """They are unchanged."""
    assert checked(identify=lambda _: facts()).identify(source) == facts()


@pytest.mark.parametrize("returned", [None, 1, "yes", [X30]])
def test_accepts_returns_a_bool(source: Path, returned: Any) -> None:
    """Another truthy or falsy value might render with the wrong processor."""
    with pytest.raises(PluginFailedError, match="processor odd: accepts failed, a bug of the plugin: it returned"):
        checked(accepts=lambda _: returned).accepts(job(source, X30))


@pytest.mark.parametrize("error", FATAL)
@pytest.mark.parametrize("method", ["identify", "accepts", "render", "yields"])
def test_any_other_error_is_a_failure_of_the_plugin(source: Path, method: str, error: type[BaseException]) -> None:
    """A BaseException, too, which would end the thread and leave clients without an answer."""

    def fail(_: object) -> Any:
        raise error

    def yields(_: object) -> Iterator[Rendered]:
        yield Rendered(X30, GOOD[X30])
        raise error

    work: dict[str, Callable[[], Any]] = {
        "identify": lambda: checked(identify=fail).identify(source),
        "accepts": lambda: checked(accepts=fail).accepts(job(source, X30)),
        "render": lambda: list(checked(render=fail).render(job(source, X30))),
        "yields": lambda: list(checked(render=yields).render(job(source, X30, W20))),
    }
    with capturedLogs() as logged:
        raised = interrupted_on_a_thread(work[method])
    assert isinstance(raised, PluginFailedError)
    assert str(raised).startswith("processor odd: ")
    assert [event["log_level"].name for event in logged] == ["critical"]
    assert calls() == []


@pytest.mark.parametrize("error", [NotAPictureError("broken"), BusyError("no memory")])
def test_the_errors_of_the_contract_pass(source: Path, error: Exception) -> None:
    """The caller gets them unchanged."""

    def fail(_: object) -> Any:
        raise error

    with pytest.raises(type(error)):
        checked(identify=fail).identify(source)
    with pytest.raises(type(error)):
        list(checked(render=fail).render(job(source, X30)))


@pytest.mark.parametrize(
    ("yielded", "wrong"),
    [
        (None, "it yielded None, not Rendered"),
        (b"\xff\xd8\xff", "it yielded bytes, not Rendered"),
        (Rendered(parse("x31.jpg"), GOOD[X30]), "it yielded x31.jpg, which is not one of the job's"),
        (Rendered(X30, None), "x30.jpg is None, not bytes"),  # type: ignore[arg-type]
        (Rendered(X30, "text"), "x30.jpg is str, not bytes"),  # type: ignore[arg-type]
        (Rendered(X30, bytearray(GOOD[X30])), "x30.jpg is bytearray, not bytes"),  # type: ignore[arg-type]
        (Rendered(X30, b""), "x30.jpg is no picture that imaged knows"),
        (Rendered(X30, b"<html>"), "x30.jpg is no picture that imaged knows"),
        (Rendered(X30, make_png()), "x30.jpg is image/png"),
        (Rendered(X30, make_webp()), "x30.jpg is image/webp"),
        (Rendered(X30, b"\xff\xd8\xff\xe0"), "x30.jpg has a header without a size, not the 30x30 of its plan"),
        (Rendered(X30, make_jpeg()), "x30.jpg has 48x32 pixels, not the 30x30 of its plan"),
    ],
)
def test_an_invalid_output_is_refused(source: Path, yielded: Any, wrong: str) -> None:
    """The outputs before it are good."""
    rendering = checked(render=lambda _: iter([Rendered(W20, GOOD[W20]), yielded])).render(job(source, W20, X30))
    assert next(rendering).output == W20
    with pytest.raises(PluginFailedError) as caught:
        next(rendering)
    assert str(caught.value).startswith(
        f"processor odd: render of w20.png and 1 more failed, a bug of the plugin: {wrong}"
    )


def test_each_output_comes_exactly_once(source: Path) -> None:
    """A second one is a fault, and so is a missing one."""
    twice = [Rendered(X30, GOOD[X30])] * 2
    with pytest.raises(PluginFailedError, match=r"it yielded x30\.jpg, which is not one of the job's, or came before"):
        list(checked(render=lambda _: twice).render(job(source, X30)))
    with pytest.raises(PluginFailedError, match=r"it ended without w20\.png"):
        list(checked(render=lambda _: twice[:1]).render(job(source, X30, W20)))


def test_a_job_is_declined_before_its_first_output_only(source: Path) -> None:
    """Afterwards, the next processor would render the same outputs again."""

    def declining(outputs: Sequence[Rendered]) -> Iterator[Rendered]:
        yield from outputs
        raise DeclinedError("too odd")

    with pytest.raises(DeclinedError, match="too odd"):
        list(checked(render=lambda _: declining([])).render(job(source, X30, W20)))
    with pytest.raises(PluginFailedError, match="it declined the job after its first output"):
        list(checked(render=lambda _: declining([Rendered(X30, GOOD[X30])])).render(job(source, X30, W20)))


@pytest.mark.parametrize("returned", [None, 7])
def test_a_render_that_is_no_iterable_is_refused(source: Path, returned: Any) -> None:
    """The error names the plugin."""
    with pytest.raises(PluginFailedError, match=r"processor odd: render of x30\.jpg failed: TypeError"):
        list(checked(render=lambda _: returned).render(job(source, X30)))


def test_good_outputs_of_every_format_pass(source: Path) -> None:
    """They keep their order, from a list as from a generator."""
    made = {
        parse("48x32.jpg"): make_jpeg(),
        parse("w1000.png"): make_png(opacity=1),
        parse("w100.gif"): make_gif(3),
        parse("w200.webp"): make_webp(2),
    }
    rendered = [Rendered(output, body) for output, body in made.items()]
    assert list(checked(render=lambda _: rendered).render(job(source, *made))) == rendered


def test_a_generator_is_closed_on_its_own_thread(source: Path) -> None:
    """It is closed when the caller stops, and an error that it raises then is logged."""
    ended: list[int] = []

    def render(_: RenderJob) -> Iterator[Rendered]:
        try:
            yield Rendered(X30, GOOD[X30])
        finally:
            ended.append(threading.get_ident())
            raise SystemExit(3)

    rendering = checked(render=render).render(job(source, X30, W20))
    next(rendering)
    with capturedLogs() as logged:
        rendering.close()
    assert ended == [threading.get_ident()]
    assert [event["called"] for event in logged] == ["processor odd: the end of a render"]


@pytest.mark.parametrize("returned", [True, False, "fine"])
def test_verify_returns_none(source: Path, returned: Any) -> None:
    """False would mean a bad original, which must not be stored."""
    with pytest.raises(PluginFailedError, match="processor odd: verify failed, a bug of the plugin"):
        checked(verify=lambda _: returned).verify(job(source, X30))
    checked(verify=lambda _: None).verify(job(source, X30))


def sample(**wrong: Any) -> Any:
    """Return a sample for a square of 24 pixels, with other fields if a test gives them."""
    fields: dict[str, Any] = {
        "size": Size(24, 16),
        "rgba": bytes(4 * 24 * 16),
        "transparency": True,
        "orientation": 8,
        "profile": "P3",
    }
    return Sample(**fields | wrong)


@pytest.mark.parametrize(
    ("returned", "wrong"),
    [
        (None, "it returned None, not Sample"),
        (b"", "it returned bytes, not Sample"),
        (sample(size=Size(24, 17)), "its sample does not have the 24x16 pixels of its plan"),
        (sample(size=(24, 16)), "its sample does not have the 24x16 pixels of its plan"),
        (sample(rgba=bytes(3 * 24 * 16)), "its sample does not have the 24x16 pixels of its plan"),
        (sample(rgba=bytearray(4 * 24 * 16)), "its sample does not have the 24x16 pixels of its plan"),
        *[(sample(transparency=value), "its sample's transparency is not True or False") for value in (None, 1)],
        *[(sample(profile=value), "its profile's name is no short text") for value in (b"P3", "", "a\nb", "x" * 61)],
        *[(sample(orientation=value), "its sample's orientation is not 1 to 8") for value in (0, 9, True, 1.0, None)],
    ],
)
def test_invalid_samples_are_refused(source: Path, returned: Any, wrong: str) -> None:
    """The error names the plugin, and says what is wrong."""
    with pytest.raises(PluginFailedError, match="processor odd: sample failed, a bug of the plugin: .*" + wrong):
        checked(sample=lambda *_: returned).sample(job(source), 24)


def test_a_good_sample_is_passed_on(source: Path) -> None:
    """A file without a profile has no name of one."""
    for good in (sample(), sample(profile=None, orientation=1, transparency=False)):
        assert checked(sample=lambda *_, good=good: good).sample(job(source), 24) is good


def test_a_call_is_listed_while_it_runs(source: Path) -> None:
    """The list has the plugin's name, the thread and the deadline."""
    seen: list[Any] = []

    def identify(_: Path) -> ImageFacts:
        seen.extend(calls())
        return facts()

    checked(identify=identify).identify(source)
    assert [(call.name, call.thread) for call in seen] == [("processor odd: identify", threading.get_ident())]
    assert seen[0].due_s > seen[0].began_s
    assert calls() == []


BMP = replace(PNG, extension="bmp", content_type="image/bmp", signatures=(((0, b"BM"),),))
ALL = Formats((*CORE, BMP), (*CORE, BMP))


def test_a_processor_is_not_asked_about_formats_that_it_does_not_list(source: Path) -> None:
    """A processor that accepts every job gets none in a format that another plugin brings."""
    eager: Any = Odd(accepts=lambda _: True)
    processor = CheckedProcessor("odd", eager, Formats((JPEG,), (PNG,)), ALL)
    in_bmp = replace(make_variant(W20), format=BMP)
    assert processor.accepts(job(source, W20))
    assert not processor.accepts(job(source, X30))
    assert not processor.accepts(replace(job(source), variants=(in_bmp,)))
    assert not processor.accepts(replace(job(source, W20), facts=facts(format=BMP)))


def test_a_processor_does_not_see_files_in_formats_that_it_does_not_list(source: Path) -> None:
    """The file goes to the next processor, and no code of this one runs."""
    unused: Any = Odd()
    processor = CheckedProcessor("odd", unused, Formats((BMP,), ()), ALL)
    assert processor.identify(source) is None


def test_an_output_in_a_brought_format_is_checked(source: Path) -> None:
    """Its first bytes and its header, by what its format says."""
    brought = replace(BMP, read_header=lambda body: (body[2], body[3]))
    formats = Formats((*CORE, brought), (*CORE, brought))
    variant = replace(make_variant(W20), output=parse("w20.bmp"), format=brought)

    def render(body: bytes) -> list[Rendered]:
        odd: Any = Odd(render=lambda _: [Rendered(variant.output, body)])
        processor = CheckedProcessor("odd", odd, formats, formats)
        return list(processor.render(replace(job(source), variants=(variant,))))

    assert render(b"BM\x14\x0d")
    for body, wrong in (
        (b"BM\x14\x14", "has 20x20 pixels, not the 20x13 of its plan"),
        (b"BM", "has a header without a size"),
        (GOOD[W20], "is image/png"),
    ):
        with pytest.raises(PluginFailedError, match=wrong):
            render(body)


@pytest.mark.parametrize("allowed", [["reading MSL", "writing files"], ("reading MSL", "writing files")])
def test_a_self_check_fails_with_what_is_possible(allowed: object) -> None:
    """The message lists it, and nothing is logged: the plugin did its duty."""
    processor = checked(self_check=lambda: allowed)
    assert processor.checks_itself
    with capturedLogs() as events, pytest.raises(PluginFailedError, match=r"^odd allows reading MSL, writing files$"):
        processor.self_check()
    assert events == []


def test_a_self_check_that_finds_nothing_is_good() -> None:
    """A processor without the method does not check itself."""
    checked(self_check=list).self_check()
    assert not checked().checks_itself


@pytest.mark.parametrize("returned", [None, True, "all is well", [1], {"reading MSL"}])
def test_a_self_check_returns_a_list_of_texts(returned: object) -> None:
    """Anything else is a bug of the plugin, and no good result."""
    with pytest.raises(PluginFailedError, match="not a list of texts"):
        checked(self_check=lambda: returned).self_check()


def test_a_self_check_that_raises_is_a_failure() -> None:
    """An error is not a good result."""
    with capturedLogs(), pytest.raises(PluginFailedError, match="self_check failed: ValueError"):
        checked(self_check=lambda: int("x")).self_check()


def test_a_picture_that_is_erased_meanwhile_is_no_fault_of_the_plugin(source: Path) -> None:
    """Whatever the processor raises then, the error is one of the store, and the log does not name the plugin."""

    def read(*_: Any) -> Any:
        source.unlink()
        source.read_bytes()

    processor = checked(identify=read, verify=read, sample=read, render=read)
    calls_of = (
        lambda: processor.identify(source),
        lambda: processor.verify(job(source, X30)),
        lambda: processor.sample(job(source, X30), 24),
        lambda: list(processor.render(job(source, X30))),
    )
    for call in calls_of:
        source.write_bytes(make_jpeg())
        with capturedLogs() as logged, pytest.raises(StoreError, match="removed meanwhile"):
            call()
        assert logged == []
