"""An HTTP client for Manta: signs requests, limits their time, and translates their errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import BinaryIO
from urllib.parse import urlencode, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout, connection_from_url
from urllib3.exceptions import HTTPError, ProtocolError

from imaged.api import OwnThreads, StoreUnavailableError, TooLargeError

from .errors import cause_of, translate
from .responses import Response
from .signing import Signer

CHUNK_BYTES = 1 << 14
MAXIMUM_KEPT_BYTES = 8_000_000
"""How much of a body a response keeps. A page of a listing is smaller."""


@dataclass(frozen=True)
class Timeouts:
    """The seconds for connecting or sending a chunk, for the next bytes of a response, and for a whole request."""

    connect_s: float = 10.0
    idle_s: float = 20.0
    total_s: float = 600.0


@dataclass(frozen=True)
class Request:
    """An idempotent request. `path` is absolute and quoted; `file` has the body.

    `maximum_bytes` bounds the object in the response.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    maximum_bytes: int = sys.maxsize


class Client:
    """A client for one Manta and one identity, with a connection for each of `concurrency` threads."""

    def __init__(self, url: str, signer: Signer, threads: OwnThreads, timeouts: Timeouts, concurrency: int) -> None:
        self.host = urlsplit(url).netloc
        self._signer = signer
        self._threads = threads
        self._timeouts = timeouts
        timeout = Timeout(connect=timeouts.connect_s, read=timeouts.idle_s)
        self._make_pool = partial(connection_from_url, url, maxsize=concurrency, timeout=timeout, retries=False)
        self._pool = self._make_pool()

    async def send(self, request: Request) -> Response:
        """Call `exchange` on a thread. Reactor thread only."""
        return await self._threads.run(self.exchange, request)

    def exchange(self, request: Request, target: BinaryIO | None = None) -> Response:
        """Send a request and return its response, whatever the status. Blocks.

        The body of an object goes to `target`; the response keeps any other. Raises StoreUnavailableError,
        TooLargeError, and OSError for a local file.
        """
        end_s = monotonic() + self._timeouts.total_s
        try:
            try:
                answer = self._open(self._pool, request, end_s)
            except ProtocolError as error:
                if isinstance(cause_of(error), TimeoutError):
                    raise
                # Manta had just closed the pooled connection, and perhaps the others, too
                answer = self._open(self._make_pool(), request, end_s)
            with answer:
                return self._read(answer, target, end_s, request.maximum_bytes)
        except HTTPError as error:
            raise translate(self.host, error) from error

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _open(self, pool: HTTPConnectionPool, request: Request, end_s: float) -> BaseHTTPResponse:
        headers = {**request.headers, **self._signer.headers()}
        query = f"?{urlencode(request.query)}" if request.query else ""
        with ExitStack() as stack:
            body = None
            if request.file is not None:
                file = stack.enter_context(request.file.open("rb"))
                headers["Content-Length"] = str(file.seek(0, 2))
                file.seek(0)
                body = self._chunks(file, end_s)
            return pool.urlopen(
                request.method, request.path + query, body, headers, redirect=False, preload_content=False
            )

    def _chunks(self, file: BinaryIO, end_s: float) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            self._check_time(end_s)
            yield chunk

    def _read(self, answer: BaseHTTPResponse, target: BinaryIO | None, end_s: float, maximum_bytes: int) -> Response:
        kept = bytearray()
        response = Response(answer.status, answer.headers, kept)
        write: Callable[[bytes], object] = kept.extend
        if target is not None and not response.is_error and not response.is_directory:
            if (answer.length_remaining or 0) > maximum_bytes:
                raise _too_large(maximum_bytes)
            write = _bounded(target, maximum_bytes)
        while len(kept) < MAXIMUM_KEPT_BYTES and (chunk := answer.read1(CHUNK_BYTES, decode_content=False)):
            self._check_time(end_s)
            write(chunk)
        return response

    def _check_time(self, end_s: float) -> None:
        if monotonic() > end_s:
            raise StoreUnavailableError(
                f"Manta at {self.host} is too slow: one request takes more than {self._timeouts.total_s:g} s"
            )


def _bounded(target: BinaryIO, maximum_bytes: int) -> Callable[[bytes], None]:
    """Return a function that writes to a file, and raises TooLargeError for more bytes."""

    def write(chunk: bytes) -> None:
        if target.tell() + len(chunk) > maximum_bytes:
            raise _too_large(maximum_bytes)
        target.write(chunk)

    return write


def _too_large(maximum_bytes: int) -> TooLargeError:
    return TooLargeError(f"the object has more than {maximum_bytes} bytes")
