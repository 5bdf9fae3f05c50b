"""Stand-ins for the outside world: what a plugin is given, and the plugins that a test is not about.

All of them keep what they were told, so that a test can look; none needs a network or an imaging library.
"""

from __future__ import annotations

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
    Format,
    Host,
    ImageFacts,
    NotAPictureError,
    Rendered,
    RenderJob,
    Size,
    StoreError,
    TooLargeError,
    plan,
)
from imaged.testing.pictures import make_plain

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Event)


class MemoryUploader:
    """A remote store that is a dictionary: `files` holds bytes by key, `content_types` what they were said to be.

    While `failure` is set, every call raises it.
    """

    detail = identity = "memory"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.failure: Exception | None = None
        self.closed = 0

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Keep the file."""
        self._check()
        try:
            self.files[key] = path.read_bytes()  # noqa: ASYNC240  # a test waits for nobody
        except OSError as error:
            raise StoreError(f"{key} cannot be read: {error.strerror}") from error
        self.content_types[key] = content_type

    async def download(self, key: str, path: Path) -> bool:
        """Write the file, if there is one."""
        self._check()
        if key not in self.files:
            return False
        try:
            path.write_bytes(self.files[key])  # noqa: ASYNC240  # as above
        except OSError as error:
            raise StoreError(f"{key} cannot be written: {error.strerror}") from error
        return True

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with `prefix`."""
        self._check()
        return sorted(key for key in self.files if key.startswith(prefix))

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget these keys."""
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


class StillProcessor:
    """A processor without an imaging library: it reads headers, and what it renders are the generated pictures.

    They have the size that was asked for; but a PNG, each is of one colour. `jobs` are all that
    were begun, `ended` says how many have ended. While `failure` is set, renders raise it; after `hold`, they wait for
    `release`, or for their timeout. It counts one frame in every file and does not know of EXIF.
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
        """Let renders begin and not end."""
        self._released.clear()

    def release(self) -> None:
        """Let them end."""
        self._released.set()

    def identify(self, source: Path) -> ImageFacts:
        """Read format and size from the header."""
        body = source.read_bytes()
        format = FORMATS.sniff(body)
        size = format.read_size(body) if format else None
        if format is None or size is None:
            raise NotAPictureError("these bytes are no picture with a header that can be read")
        return ImageFacts(format, size, 1)

    def accepts(self, job: RenderJob) -> bool:
        """Take any job."""
        return bool(job.variants)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make a small picture for each output."""
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
            size = plan(job.facts.size, variant.output.sizing).size
            frames = job.facts.frames if variant.format.animation else 1
            if frames * max(size.pixels, job.facts.size.pixels) > job.maximum_pixels:
                raise TooLargeError(f"{variant.output} has more than {job.maximum_pixels} pixels")
            yield Rendered(variant.output, _picture(variant.format, size))


class RecordingSink:
    """A metrics sink that remembers every event in `events`. While `failure` is set, it raises that."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failure: Exception | None = None
        self.closed = 0

    def record(self, event: Event) -> None:
        """Remember the event."""
        self.events.append(event)
        if self.failure is not None:
            raise self.failure

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in their order."""
        return [event for event in self.events if isinstance(event, kind)]

    def close(self) -> None:
        """Count how often it was closed."""
        self.closed += 1


@implementer(IAgent)
class NoNetwork:
    """An HTTP agent that refuses to go anywhere."""

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:  # noqa: ARG002, N803  # Twisted's names
        """Fail, and say how to do better."""
        return fail(ConnectionError(f"no network in this test for {uri!r}: give make_host an agent"))


def run_at_once(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
    """Stand in for worker threads: run `function` now, on the thread of the caller."""
    try:
        return succeed(function(*args, **kwargs))
    except Exception:  # whatever the function raises is for whoever awaits it
        return fail()


class NoThreads:
    """Stands in for a plugin's own threads: work is done at once, on the thread of the caller."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.let_go_of = False

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Do it now."""
        return run_at_once(function, *args, **kwargs)

    def let_go(self) -> None:
        """Remember that it was called."""
        self.let_go_of = True


def make_host(
    name: str = "mine",
    section: Mapping[str, Any] | None = None,
    *,
    clock: Any = None,
    agent: Any = None,
    run_in_thread: Any = run_at_once,
    make_threads: Any = NoThreads,
    keep: Any = None,
    upload_concurrency: int = 10,
    namespaces: Collection[str] = (),
) -> Host:
    """Return the host of a plugin `name` whose options are `section`.

    Unless told otherwise, time stands still until the test advances it, there is no network, and threads are none.
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
        keep=keep or (lambda make: make()),
        upload_concurrency=upload_concurrency,
        namespaces=namespaces,
    )


def _picture(format: Format, size: Size) -> bytes:
    return make_plain(format.extension, size.width_px, size.height_px)
