"""Takes new originals in: fetches them from a source or reads them from a request's body, then keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imaged.core.errors import BusyError, ImagedError
from imaged.core.events import OriginalDownloaded, OriginalUnavailable
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import DOWNLOAD, SAVE, span
from imaged.fetch.hashing_writer import HashingWriter, ReceivedFile
from imaged.fetch.sources import Sources
from imaged.pipeline.originals import Originals
from imaged.pipeline.shared import Shared
from imaged.workers.single_flight import SingleFlight

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

    def __init__(self, shared: Shared, originals: Originals, sources: Sources) -> None:
        self._shared = shared
        self._originals = originals
        self._sources = sources
        self._fetching: SingleFlight[Source, Acquired] = SingleFlight(shared.tasks)

    async def from_source(self, namespace: str, url: str) -> Acquired:
        """Fetch and keep an original; concurrent requests for the same source share one fetch.

        Raises BusyError at once when too many other fetches run.
        """
        source = Source(namespace, url)
        if not self._fetching.in_flight(source) and self._fetching.count >= MAXIMUM_FETCHES:
            raise BusyError(f"{MAXIMUM_FETCHES} sources are being fetched already: try again later")
        return await self._fetching.one(source, partial(self._fetch, source))

    async def from_body(self, namespace: str, chunks: Iterable[bytes]) -> Acquired:
        """Keep an uploaded original. A worker thread reads `chunks`."""
        return await self._shared.tasks.own(self._take(namespace, chunks))

    async def fetch(self, namespace: str, url: str, path: Path) -> ReceivedFile:
        """Write an original to `path` and keep it nowhere; after an error the caller removes the file."""
        seconds: Callable[[], float] = self._shared.reactor.seconds
        began_s = seconds()
        try:
            with span(DOWNLOAD):
                fetched = await self._sources.fetch(url, path)
        except ImagedError as error:
            self._shared.metrics.record(OriginalUnavailable(namespace, type(error).__name__))
            raise
        self._shared.metrics.record(OriginalDownloaded(namespace, fetched.size_bytes, seconds() - began_s))
        return fetched

    async def _fetch(self, source: Source) -> Acquired:
        with self._shared.store.temporary() as temporary:
            fetched = await self.fetch(source.namespace, source.url, temporary)
            return await self._originals.keep(source.namespace, fetched)

    async def _take(self, namespace: str, chunks: Iterable[bytes]) -> Acquired:
        with self._shared.store.temporary() as temporary:
            with span(SAVE):
                received = await self._shared.run(self._receive, chunks, temporary)
            return await self._originals.keep(namespace, received)

    def _receive(self, chunks: Iterable[bytes], path: Path) -> ReceivedFile:
        with HashingWriter(path, self._shared.settings.sources.maximum_bytes) as intake:
            intake.write_all(chunks)
            return intake.received()
