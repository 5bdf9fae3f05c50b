"""The helpers of `imaged.testing` work as documented."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred, maybeDeferred

from imaged.api import (
    BusyError,
    Event,
    MetricsSink,
    NotAPictureError,
    OptionsError,
    Output,
    OutputRendered,
    Processor,
    Size,
    TooLargeError,
    Uploaded,
    Uploader,
    plan,
)
from imaged.core.outputs import parse
from imaged.testing.fakes import MemoryUploader, RecordingSink, StillProcessor, make_host, run_at_once
from imaged.testing.pictures import HEIGHT_PX, WIDTH_PX, make_gif, make_jpeg, make_png, make_webp
from imaged.testing.processors import render_job, save
from imaged.testing.waiting import wait

PICTURES = [make_jpeg(), make_jpeg(6), make_png(), make_gif(), make_gif(3), make_webp(), make_webp(3)]
X20, PNG = parse("x20.jpg"), parse("w10.png")


class Options(BaseModel):
    """The options of a plugin."""

    model_config = ConfigDict(extra="forbid")

    bucket: str


def test_fakes_keep_the_contracts() -> None:
    """Each fake is an instance of its contract."""
    assert isinstance(StillProcessor(), Processor)
    assert isinstance(MemoryUploader(), Uploader)
    assert isinstance(RecordingSink(), MetricsSink)


@pytest.mark.parametrize("body", PICTURES, ids=len)
def test_headers_are_read(tmp_path: Path, body: bytes) -> None:
    """The size of every generated picture is read; a file cut inside its header raises NotAPictureError."""
    processor = StillProcessor()
    assert processor.identify(save(tmp_path, body)).size == Size(WIDTH_PX, HEIGHT_PX)
    for length in range(20):
        with pytest.raises(NotAPictureError):
            processor.identify(save(tmp_path, body[: min(length, 9)]))


def test_a_png_has_the_requested_size(tmp_path: Path) -> None:
    """Rendered PNGs have the size of their plan, for every sizing."""
    processor = StillProcessor()
    source = save(tmp_path, make_png(60, 20))
    outputs = [parse(name) for name in ("x15.png", "w30.png", "7x9.png", "full_size.png")]
    rendered = list(processor.render(render_job(source, processor.identify(source), outputs)))
    sizes = [processor.identify(save(tmp_path, each.body)).size for each in rendered]
    assert sizes == [plan(Size(60, 20), output.sizing).size for output in outputs]


def test_a_processor_can_be_held_and_can_fail(tmp_path: Path) -> None:
    """`hold`, `release` and `failure` control renders."""
    processor = StillProcessor()
    source = save(tmp_path, make_jpeg())

    def render(*outputs: Output, timeout_s: float = 30, maximum_pixels: int = 10_000) -> list[str]:
        job = render_job(
            source, processor.identify(source), outputs, timeout_s=timeout_s, maximum_pixels=maximum_pixels
        )
        return [str(each.output) for each in processor.render(job)]

    assert render(X20, PNG) == ["x20.jpg", "w10.png"]
    with pytest.raises(TooLargeError):
        render(X20, maximum_pixels=399)
    processor.hold()
    with pytest.raises(BusyError):
        render(X20, timeout_s=0.001)
    threading.Timer(0.01, processor.release).start()
    assert render(X20) == ["x20.jpg"]
    processor.failure = ValueError("on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        render(X20)
    assert len(processor.jobs) == processor.ended == 5


def test_a_sink_records_events() -> None:
    """Events are recorded in order, and selected by class."""
    sink = RecordingSink()
    events: list[Event] = [Uploaded("p", 1, 0.1), OutputRendered("p", "x1.jpg", "jpg", 0.1), Uploaded("q", 1, 0.1)]
    for event in events:
        sink.record(event)
    assert sink.events == events
    assert sink.of(Uploaded) == [events[0], events[2]]


def test_a_host_gives_options_and_no_network() -> None:
    """Invalid options raise OptionsError, as in the daemon, and HTTP requests fail."""
    assert make_host("s3", {"bucket": "a"}).options(Options) == Options(bucket="a")
    with pytest.raises(OptionsError):
        make_host("s3", {"buckt": "a"}).options(Options)
    with pytest.raises(ConnectionError, match="give make_host an agent"):
        wait(_awaited(make_host().agent.request(b"GET", b"http://example.com/")))  # type: ignore[arg-type]


def test_functions_run_on_the_calling_thread() -> None:
    """A function for a thread runs at once, and its error is raised by the await."""
    assert wait(_awaited(make_host().run_in_thread(divmod, 7, 2))) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        wait(_awaited(run_at_once(divmod, 7, 0)))


def test_waiting_runs_the_reactor_if_needed() -> None:
    """`wait` can run the reactor several times, and stops after its timeout."""
    for _ in range(2):
        assert wait(_awaited(task.deferLater(reactor, 0.01, lambda: "done"))) == "done"
    with pytest.raises(KeyError):
        wait(_awaited(task.deferLater(reactor, 0.01, lambda: dict[str, str]()["missing"])))
    with pytest.raises(TimeoutError, match="not done after"):
        wait(_awaited(Deferred()), timeout_s=0.01)
    assert wait(_awaited(maybeDeferred(len, "abc"))) == 3


async def _awaited(waiting: object) -> object:
    return await waiting  # type: ignore[misc]
