"""A plugin that breaks its contract costs the requests that met it a 500, and nobody else anything."""

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
    """Works until `fault` is set, which then makes what it yields, or raises."""

    fault: Callable[[RenderJob], Iterator[Rendered]] | None = None
    dies: type[BaseException] | None = None

    def identify(self, source: Path) -> ImageFacts:
        """Read the header, or die."""
        if self.dies is not None:
            raise self.dies
        return super().identify(source)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make a picture, or what the fault makes."""
        yield from (type(self).fault or super().render)(job)


class Blocking(MemoryUploader):
    """Holds up the reactor until the log has been told of it."""

    told = False

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Sleep where nobody may, for a minute at most."""
        for _ in range(3000):
            if not self.told:
                time.sleep(0.02)  # noqa: ASYNC251  # the fault that is tried
        await super().upload(key, path, content_type)

    @classmethod
    def observe(cls, event: Mapping[str, Any]) -> None:
        """Let go when this is the line that tells of it."""
        if event.get("log_format", "").startswith("the reactor is blocked"):
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
    """A processor that lies, and one that dies."""

    async def serve_faulty(self) -> None:
        """Serve with a processor that does what the test says, from a store that has the picture."""
        self.patch(service_harness, "StillProcessor", Faulty)
        await self.serve()
        await self.post()

    async def newest_error(self) -> str:
        """Return what operators are told of the last request that failed."""
        told: str = (await self.status())["errors"][0]["error"]
        return told

    def break_down(self, fault: Any) -> None:
        """Have every render of it fail in this way; None: in no way."""
        self.patch(Faulty, "fault", fault)

    async def test_what_is_no_such_picture_is_not_kept(self) -> None:
        """It would be served for a year; the next who asks gets the picture, if it is made by then."""
        await self.serve_faulty()
        for body in (b"", b"<html>", b"\x89PNG\r\n\x1a\n", make_jpeg()):
            self.break_down(junk(body))
            answer = await self.get(f"{HOME}/x30.jpg")
            assert answer.status == 500
            assert (await self.newest_error()).startswith(
                "processor stage: render of x30.jpg broke its contract: x30.jpg"
            )
            assert not self.store.has(IMAGE, parse_file("x30.jpg"))
        self.break_down(None)
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_what_ends_programs_ends_no_daemon(self) -> None:
        """Nor does it keep those waiting who ask for the same output, now or later."""
        await self.serve_faulty()
        panic = type("PanicException", (BaseException,), {})
        for error in (SystemExit, KeyboardInterrupt, GeneratorExit, panic):
            self.break_down(dying(error))
            answers = [await self.get(f"{HOME}/x30.jpg") for _ in range(2)]
            assert {answer.status for answer in answers} == {500}
            assert await self.newest_error() == f"processor stage: render of x30.jpg failed: {error.__name__}"
        self.flushLoggedErrors()
        self.break_down(None)
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_an_original_is_not_taken_in_by_one_that_dies(self) -> None:
        """It is answered 500, and taken when the processor works again."""
        await self.serve_faulty()
        self.patch(Faulty, "dies", SystemExit)
        assert (await self.post("/q")).status == 500
        self.flushLoggedErrors()
        self.patch(Faulty, "dies", None)
        assert (await self.post("/q", PICTURE)).status == 200


class TestUploaders(ServiceTestCase):
    """An uploader that blocks, and one that dies."""

    async def test_one_that_blocks_the_reactor_is_named(self) -> None:
        """On the status page, with the function that holds it, as soon as anybody can ask again."""
        self.patch(service_harness, "MemoryUploader", Blocking)
        observer: Any = Blocking.observe  # Twisted types observers by a zope interface
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        await self.serve()
        assert (await self.post()).status == 200
        await until(lambda: self.service.stalls.total)
        status = await self.status()
        assert status["stalls"]["last"]["held_s"] > 0.7
        assert status["stalls"]["last"]["by"].startswith("uploader stage: upload of p/")
        assert "test_plugin_faults.Blocking.upload" in status["stalls"]["last"]["by"]
        assert "Reactor held up" in [alert["title"] for alert in status["alerts"]]

    async def test_one_that_dies_costs_its_post_alone(self) -> None:
        """The daemon serves on, and takes the same picture when the uploader works."""
        await self.serve()
        leave: Any = SystemExit(3)
        self.service_harness.uploader.failure = leave
        assert (await self.post()).status == 500
        told = (await self.status())["errors"][0]["error"]
        assert told.startswith("uploader stage: ")
        assert told.endswith(" failed: SystemExit")
        self.flushLoggedErrors()
        self.service_harness.uploader.failure = None
        assert (await self.post()).status == 200
