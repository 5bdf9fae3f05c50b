"""Fakes: a host for the plugin under test, and plugins that a test needs but does not test.

They record their calls for assertions. None needs a network or an imaging library.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.web.iweb import IAgent
from zope.interface import implementer  # type: ignore[import-untyped]  # zope ships no types

from imaged.api import (
    FORMATS,
    BusyError,
    Event,
    Fit,
    Host,
    ImageFacts,
    NotAPictureError,
    Region,
    Rendered,
    RenderJob,
    Sample,
    StoreError,
    TooLargeError,
    plan,
)
from imaged.testing.pictures import make_plain

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Event)


class MemoryUploader:
    """A remote store in memory: `files` has the bytes and `content_types` the content type of each key.

    `downloads` lists the keys that were asked for. While `failure` is set, every call raises it.
    """

    detail = identity = "memory"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.downloads: list[str] = []
        self.failure: Exception | None = None
        self.closed = 0

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Store the file."""
        self._check()
        try:
            self.files[key] = path.read_bytes()  # noqa: ASYNC240  # a test may block
        except OSError as error:
            raise StoreError(f"{key} cannot be read: {error.strerror}") from error
        self.content_types[key] = content_type

    async def download(self, key: str, path: Path) -> bool:
        """Write the file. Return False if the key does not exist."""
        self.downloads.append(key)
        self._check()
        if key not in self.files:
            return False
        try:
            path.write_bytes(self.files[key])  # noqa: ASYNC240  # as above
        except OSError as error:
            raise StoreError(f"{key} cannot be written: {error.strerror}") from error
        return True

    async def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """Write the file, unless its digest is `known`. Return its digest."""
        self._check()
        if key not in self.files:
            return None
        version = hashlib.sha256(self.files[key]).hexdigest()
        if version == known:
            return version
        if len(self.files[key]) > maximum_bytes:
            raise TooLargeError(f"{key} has more than {maximum_bytes} bytes")
        await self.download(key, path)
        return version

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with `prefix`."""
        self._check()
        return sorted(key for key in self.files if key.startswith(prefix))

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete these keys."""
        self._check()
        for key in keys:
            self.files.pop(key, None)
            self.content_types.pop(key, None)

    def close(self) -> None:
        """Count how often it was closed."""
        self.closed += 1

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryPurger:
    """A cache in memory, and its purger: `answers` has the tag of the answer at each path, `purges` each call.

    A purge removes what has the tag or one of the paths. While `failure` is set, every call raises it.
    """

    detail = "memory"

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.purges: list[tuple[str, tuple[str, ...]]] = []
        self.failure: Exception | None = None

    async def purge(self, tag: str, paths: Sequence[str]) -> None:
        """Remove the answers of a picture."""
        if self.failure is not None:
            raise self.failure
        self.purges.append((tag, tuple(paths)))
        self.answers = {path: other for path, other in self.answers.items() if other != tag and path not in paths}

    async def keep(self, tag: str, path: str) -> None:
        """Keep an answer."""
        self.answers[path] = tag

    async def keeps(self, path: str) -> bool:
        """Say whether there is an answer for a path."""
        return path in self.answers


class StillProcessor:
    """A processor without an imaging library: it reads headers, and renders generated pictures of the right size.

    PNGs have four colours, other formats one. `jobs` lists the renders that started, `ended` counts those that ended.
    While `failure` is set, renders raise it. After `hold`, they wait for `release` or their timeout. It reports one
    frame for every file and ignores EXIF.
    """

    detail = "still pictures"

    def __init__(self) -> None:
        self.jobs: list[RenderJob] = []
        self.ended = 0
        self.failure: Exception | None = None
        self.closed = 0
        self._released = threading.Event()
        self._released.set()

    def hold(self) -> None:
        """Make renders wait after they start."""
        self._released.clear()

    def release(self) -> None:
        """Let the waiting renders continue."""
        self._released.set()

    def identify(self, source: Path) -> ImageFacts:
        """Return the format and the size in the header."""
        body = source.read_bytes()
        format = FORMATS.sniff(body)
        size = format.read_size(body) if format else None
        if format is None or size is None:
            raise NotAPictureError("the format or the header of this file is unknown")
        return ImageFacts(format, size, 1)

    def accepts(self, job: RenderJob) -> bool:
        """Accept any job with variants."""
        return bool(job.variants)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Yield a generated picture for each output."""
        self.jobs.append(job)
        try:
            yield from self._rendered(job)
        finally:
            self.ended += 1

    def close(self) -> None:
        """Count how often it was closed."""
        self.closed += 1

    def _rendered(self, job: RenderJob) -> Iterator[Rendered]:
        if not self._released.wait(job.timeout_s):
            raise BusyError(f"out of time after {job.timeout_s:g} s")
        if self.failure is not None:
            raise self.failure
        for variant in job.variants:
            size = variant.plan(job.facts.size).size
            frames = job.facts.frames if variant.format.animation else 1
            if frames * max(size.pixels, job.facts.size.pixels) > job.maximum_pixels:
                raise TooLargeError(f"{variant.output} has more than {job.maximum_pixels} pixels")
            yield Rendered(variant.output, make_plain(variant.format.extension, size.width_px, size.height_px))


class SamplingStills(StillProcessor):
    """A StillProcessor that gives samples, too, each of one `colour`, red, green, blue and opacity.

    `sampled` counts them. While `refusal` is set, `sample` raises it.
    """

    def __init__(self, colour: bytes = b"\x33\x66\x99\xff") -> None:
        super().__init__()
        self.colour = colour
        self.sampled = 0
        self.refusal: Exception | None = None

    def accepts(self, job: RenderJob) -> bool:
        """Accept any job."""
        return bool(job.facts)

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return a sample of one colour."""
        self.sampled += 1
        if self.refusal is not None:
            raise self.refusal
        size = plan(job.facts.size, Fit(side_px, side_px)).size
        return Sample(size, size.pixels * self.colour, transparency=self.colour[3] < 255)  # noqa: PLR2004 -- opaque


class CornerDetector:
    """A detector that finds the upper left quarter of each sample. While `failure` is set, it raises that.

    `samples` lists what it was given.
    """

    detail = "the upper left quarter"
    side_px = 64

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.failure: Exception | None = None

    def detect(self, sample: Sample) -> Sequence[Region]:
        """Return that quarter."""
        self.samples.append(sample)
        if self.failure is not None:
            raise self.failure
        return [Region(0, 0, sample.size.width_px / 2, sample.size.height_px / 2)]


class RecordingSink:
    """A metrics sink that records every event in `events`. While `failure` is set, it raises that."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failure: Exception | None = None
        self.closed = 0

    def record(self, event: Event) -> None:
        """Record the event."""
        self.events.append(event)
        if self.failure is not None:
            raise self.failure

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def close(self) -> None:
        """Count how often it was closed."""
        self.closed += 1


@implementer(IAgent)
class NoNetwork:
    """An HTTP agent that refuses every request."""

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:  # noqa: ARG002, N803  # Twisted's names
        """Fail with advice."""
        return fail(ConnectionError(f"no network in this test for {uri!r}: give make_host an agent"))


def run_at_once(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
    """Run `function` now, on the caller's thread, in place of a worker thread."""
    try:
        return succeed(function(*args, **kwargs))
    except Exception:  # for the caller that awaits the result
        return fail()


class NoThreads:
    """A fake for a plugin's own threads: functions run at once, on the caller's thread."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.released = False

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run the function now."""
        return run_at_once(function, *args, **kwargs)

    def let_go(self) -> None:
        """Record the call."""
        self.released = True


def make_host(
    name: str = "mine",
    section: Mapping[str, Any] | None = None,
    *,
    clock: Any = None,
    agent: Any = None,
    run_in_thread: Any = run_at_once,
    make_threads: Any = NoThreads,
    state: Any = None,
    upload_concurrency: int = 10,
    namespaces: Collection[str] = (),
    extensions: Collection[str] = ("gif", "jpg", "png", "webp"),
    read_formats: Collection[str] = ("gif", "jpg", "png", "webp"),
    maximum_pixels: int = 50_000_000,
    worker_count: int = 1,
    renders: bool = True,
) -> Host:
    """Return the host of a plugin `name` whose YAML section is `section`.

    By default the clock moves only when the test advances it, HTTP requests fail, and functions run on the caller's
    thread.
    """
    still: Any = Clock()
    nowhere: Any = NoNetwork()
    return Host(
        name=name,
        section=section or {},
        clock=clock or still,
        log=Logger(namespace=f"imaged.plugin.{name}"),
        agent=agent or nowhere,
        run_in_thread=run_in_thread,
        make_threads=make_threads,
        state=state or (lambda make: make()),
        upload_concurrency=upload_concurrency,
        namespaces=namespaces,
        extensions=extensions,
        read_formats=read_formats,
        maximum_pixels=maximum_pixels,
        worker_count=worker_count,
        renders=renders,
    )
