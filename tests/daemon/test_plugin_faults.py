"""A plugin that breaks its contract causes a 500 for the requests that use it, and for no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import service_harness
from service_case import HOME, IMAGE, PICTURE, ServiceTestCase, until
from twisted.logger import globalLogPublisher

from imaged.api import ImageFacts, Rendered, RenderJob
from imaged.core.files import parse_file
from imaged.testing.fakes import MemoryUploader, StillProcessor
from imaged.testing.pictures import make_jpeg


class Faulty(StillProcessor):
    """Works until `fault` is set, which then yields its renders, or raises."""

    fault: Callable[[RenderJob], Iterator[Rendered]] | None = None
    dies: type[BaseException] | None = None

    def identify(self, source: Path) -> ImageFacts:
        """Read the header, or fail."""
        if self.dies is not None:
            raise self.dies
        return super().identify(source)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Render a picture, or whatever the fault yields."""
        yield from (type(self).fault or super().render)(job)


class Blocking(MemoryUploader):
    """Blocks the reactor until the log reports that."""

    told = False

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Sleep on the reactor thread, for a minute at most."""
        for _ in range(3000):
            if not self.told:
                time.sleep(0.02)  # noqa: ASYNC251  # the fault that is tried
        await super().upload(key, path, content_type)

    @classmethod
    def observe(cls, event: Mapping[str, Any]) -> None:
        """End the sleep when this is the line that reports it."""
        if event.get("log_format", "").startswith("the main thread (event loop) is blocked"):
            cls.told = True


def junk(body: bytes) -> Callable[[RenderJob], Iterator[Rendered]]:
    """Return a render that yields these bytes for each output."""
    return lambda job: iter([Rendered(variant.output, body) for variant in job.variants])


def dying(error: type[BaseException]) -> Callable[[RenderJob], Iterator[Rendered]]:
    """Return a render that raises this."""

    def render(_: RenderJob) -> Iterator[Rendered]:
        raise error

    return render


class TestProcessors(ServiceTestCase):
    """A processor that returns wrong bytes, and one that raises SystemExit."""

    async def serve_faulty(self) -> None:
        """Serve a store that has the picture, with a processor whose faults the test sets."""
        self.patch(service_harness, "StillProcessor", Faulty)
        await self.serve()
        await self.post()

    async def newest_error(self) -> str:
        """Return the error of the last failed request on the status page."""
        told: str = (await self.status())["errors"][0]["error"]
        return told

    def break_down(self, fault: Any) -> None:
        """Set the fault of every render, or None."""
        self.patch(Faulty, "fault", fault)

    async def test_a_wrong_picture_is_not_stored(self) -> None:
        """Caches would keep it for a year. The next request renders again."""
        await self.serve_faulty()
        for body in (b"", b"<html>", b"\x89PNG\r\n\x1a\n", make_jpeg()):
            self.break_down(junk(body))
            answer = await self.get(f"{HOME}/x30.jpg")
            assert answer.status == 500
            assert (await self.newest_error()).startswith(
                "processor harness: render of x30.jpg failed, a bug of the plugin: x30.jpg"
            )
            assert not self.store.has(IMAGE, parse_file("x30.jpg"))
        self.break_down(None)
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_system_exit_does_not_end_the_daemon(self) -> None:
        """Every request for that output is answered, those that wait now and later ones."""
        await self.serve_faulty()
        panic = type("PanicException", (BaseException,), {})
        for error in (SystemExit, KeyboardInterrupt, GeneratorExit, panic):
            self.break_down(dying(error))
            answers = [await self.get(f"{HOME}/x30.jpg") for _ in range(2)]
            assert {answer.status for answer in answers} == {500}
            assert await self.newest_error() == f"processor harness: render of x30.jpg failed: {error.__name__}"
        self.flushLoggedErrors()
        self.break_down(None)
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_an_original_is_not_stored_when_identify_fails(self) -> None:
        """The post is answered 500, and 200 when the processor works again."""
        await self.serve_faulty()
        self.patch(Faulty, "dies", SystemExit)
        assert (await self.post("/q")).status == 500
        self.flushLoggedErrors()
        self.patch(Faulty, "dies", None)
        assert (await self.post("/q", PICTURE)).status == 200


class TestUploaders(ServiceTestCase):
    """An uploader that blocks, and one that raises SystemExit."""

    async def test_one_that_blocks_the_reactor_is_named(self) -> None:
        """On the status page, with the function that blocks, as soon as the reactor runs again."""
        self.patch(service_harness, "MemoryUploader", Blocking)
        observer: Any = Blocking.observe  # Twisted types observers by a zope interface
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        await self.serve()
        assert (await self.post()).status == 200
        await until(lambda: self.service.collector.stalls.status.total)
        status = await self.status()
        assert status["stalls"]["last"]["held_s"] > 0.7
        assert status["stalls"]["last"]["by"].startswith("uploader harness: upload of p/")
        assert "test_plugin_faults.Blocking.upload" in status["stalls"]["last"]["by"]
        assert "Reactor held up" in [alert["title"] for alert in status["alerts"]]

    async def test_one_that_fails_affects_its_post_alone(self) -> None:
        """The daemon keeps serving, and stores the same picture when the uploader works."""
        await self.serve()
        leave: Any = SystemExit(3)
        self.service_harness.uploader.failure = leave
        assert (await self.post()).status == 500
        told = (await self.status())["errors"][0]["error"]
        assert told.startswith("uploader harness: ")
        assert told.endswith(" failed: SystemExit")
        self.flushLoggedErrors()
        self.service_harness.uploader.failure = None
        assert (await self.post()).status == 200
