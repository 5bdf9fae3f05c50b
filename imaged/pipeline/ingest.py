"""Takes new originals in: fetches them from a source or reads them from a request's body, then keeps them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import BusyError, ImagedError
from imaged.core.events import OriginalDownloaded, OriginalUnavailable
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import DOWNLOAD, SAVE, span
from imaged.fetch.hashing_writer import HashingWriter
from imaged.fetch.received_file import ReceivedFile
from imaged.fetch.sources import Sources
from imaged.hooks.host import RunInThread
from imaged.hooks.metrics import Metrics
from imaged.pipeline.originals import Originals
from imaged.store.local import LocalStore
from imaged.workers.single_flight import SingleFlight, wait
from imaged.workers.tasks import Tasks

MAXIMUM_FETCHES = 100
"""How many sources are fetched at once: each may hold a connection for `sources.timeout_s`."""

Acquired = tuple[ImageId, ImageInfo]


@dataclass(frozen=True)
class Source:
    """The key of a fetch: each namespace keeps its own copy of an original, so each fetches it."""

    namespace: str
    url: str


class Ingest:
    """Fetches and receives originals. Each runs to its end, whether or not its client waits. Reactor thread only."""

    def __init__(
        self,
        *,
        store: LocalStore,
        originals: Originals,
        sources: Sources,
        maximum_bytes: int,
        run: RunInThread,
        tasks: Tasks,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._originals = originals
        self._sources = sources
        self._maximum_bytes = maximum_bytes
        self._run = run
        self._tasks = tasks
        self._metrics = metrics
        self._clock = clock
        self._fetching: SingleFlight[Source, Acquired] = SingleFlight(tasks)

    async def from_source(self, namespace: str, url: str) -> Acquired:
        """Fetch and keep an original; concurrent requests for the same source share one fetch.

        Raises BusyError at once when too many other fetches run.
        """
        source = Source(namespace, url)
        if not self._fetching.in_flight(source) and self._fetching.count >= MAXIMUM_FETCHES:
            raise BusyError(f"{MAXIMUM_FETCHES} sources are being fetched already: try again later")
        return await wait(self._fetching.do([source], self._fetch)[source])

    async def from_body(self, namespace: str, chunks: Iterable[bytes]) -> Acquired:
        """Keep an uploaded original. A worker thread reads `chunks`."""
        return await self._tasks.own(self._take(namespace, chunks))

    async def fetch(self, namespace: str, url: str, path: Path) -> ReceivedFile:
        """Write an original to `path` and keep it nowhere; after an error the caller removes the file."""
        began_s = self._clock()
        try:
            with span(DOWNLOAD):
                fetched = await self._sources.fetch(url, path)
        except ImagedError as error:
            self._metrics.record(OriginalUnavailable(namespace, type(error).__name__))
            raise
        self._metrics.record(OriginalDownloaded(namespace, fetched.size_bytes, self._clock() - began_s))
        return fetched

    async def _fetch(self, sources: list[Source]) -> AsyncGenerator[tuple[Source, Acquired], None]:
        for source in sources:
            with self._store.temporary() as temporary:
                fetched = await self.fetch(source.namespace, source.url, temporary)
                acquired = await self._originals.keep(source.namespace, fetched)
            yield source, acquired

    async def _take(self, namespace: str, chunks: Iterable[bytes]) -> Acquired:
        with self._store.temporary() as temporary:
            with span(SAVE):
                received = await self._run(self._receive, chunks, temporary)
            return await self._originals.keep(namespace, received)

    def _receive(self, chunks: Iterable[bytes], path: Path) -> ReceivedFile:
        with HashingWriter(path, self._maximum_bytes) as intake:
            intake.write_all(chunks)
            return intake.received()
