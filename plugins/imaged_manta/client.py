"""An HTTP client for Manta: signs requests, limits their number and their time, and translates their errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, DeferredSemaphore
from twisted.internet.interfaces import IReactorTCP
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent

from imaged.api import StoreUnavailableError

from .errors import REQUEST_ERRORS, translate, was_cancelled, was_dropped
from .request_timer import RequestTimer
from .responses import Response, ResponseBody
from .signing import Signer

Sink = Callable[[bytes], Any]
SinkFor = Callable[[Response], Sink | None]
"""Returns the sink for the body of a successful response, None to drop the body."""


@dataclass(frozen=True)
class Timeouts:
    """The seconds for connecting, for the longest time without progress, and for a whole request."""

    connect_s: float = 5.0
    idle_s: float = 20.0
    total_s: float = 600.0


class RequestBody(Protocol):
    """The body of a request, which may be sent more than once."""

    def open(self, progress: Callable[[], None]) -> Any:
        """Return an IBodyProducer that calls `progress` as it sends."""

    def close(self) -> None:
        """Release what `open` returned last, if none of it was sent."""


@dataclass(frozen=True)
class Request:
    """An idempotent request. `path` is absolute and quoted."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: RequestBody | None = None


class Client:
    """A client for one Manta and one identity. `concurrency` requests run at a time; others wait."""

    def __init__(
        self, url: str, agent: IAgent, signer: Signer, clock: Any, timeouts: Timeouts, concurrency: int
    ) -> None:
        self.host = urlsplit(url).netloc
        self._url = url
        self._http = HTTPClient(agent)
        self._signer = signer
        self._clock = clock
        self._timeouts = timeouts
        self._slots = DeferredSemaphore(concurrency)

    async def send(self, request: Request, sink_for: SinkFor | None = None) -> Response:
        """Send a request and return its response, whatever the status.

        The response keeps the body of an error. The body of a success goes to the sink of `sink_for`, or is dropped.
        Raises StoreUnavailableError, and the errors of a sink.
        """
        await self._slots.acquire()
        try:
            try:
                return await self._attempt(request, sink_for)
            except REQUEST_ERRORS as error:
                if not was_dropped(error):
                    raise
                return await self._attempt(request, sink_for)  # Manta had just closed the pooled connection
        except REQUEST_ERRORS as error:
            raise translate(self.host, error) from error
        finally:
            self._slots.release()

    async def _attempt(self, request: Request, sink_for: SinkFor | None) -> Response:
        headers = await self._signer.headers()
        timer = RequestTimer(self._clock, self._timeouts.idle_s, self._timeouts.total_s)
        try:
            return await self._exchange(request, {**request.headers, **headers}, sink_for, timer)
        except REQUEST_ERRORS as error:
            if timer.expired:
                raise StoreUnavailableError(f"Manta at {self.host} is too slow: {timer.reason}") from error
            if was_cancelled(error):
                raise CancelledError from error
            raise
        finally:
            timer.stop()
            if request.body is not None:
                request.body.close()

    async def _exchange(
        self, request: Request, headers: dict[str, str], sink_for: SinkFor | None, timer: RequestTimer
    ) -> Response:
        sending = self._http.request(
            request.method,
            f"{self._url}{request.path}" + (f"?{urlencode(request.query)}" if request.query else ""),
            headers=Headers({name: [value] for name, value in headers.items()}),
            data=request.body.open(timer.progress) if request.body else None,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
        )
        timer.watch(sending.cancel)
        head = await sending
        response = Response(head.code, head.headers, None if head.length is UNKNOWN_LENGTH else head.length)
        sink = response.collect_error if response.is_error else sink_for(response) if sink_for else None
        body = ResponseBody(sink, timer.progress)
        timer.watch(body.drop)
        head.deliverBody(body)
        await body.ended
        return response


def make_agent(clock: Any, agent: IAgent, timeouts: Timeouts, concurrency: int) -> tuple[IAgent, Callable[[], Any]]:
    """Return an agent with a connection pool, and the function that closes the pool.

    The host's `agent` opens a connection, with a TLS handshake, for each request. It is returned where `clock` is not a
    reactor with a network.
    """
    if not IReactorTCP.providedBy(clock):
        return agent, lambda: None
    pool = HTTPConnectionPool(clock, persistent=True)
    pool.maxPersistentPerHost = concurrency
    pool.retryAutomatically = False  # Client retries, PUTs too
    pooled: Any = Agent(clock, connectTimeout=timeouts.connect_s, pool=pool)
    return pooled, pool.closeCachedConnections
