"""Requests to Manta: signed, bounded in number and in time, and what goes wrong with them in our own words."""

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

from .answers import Answer, Body
from .failures import FAILURES, is_dropped, is_ours, translate
from .patience import Patience
from .signing import Signs

Sink = Callable[[bytes], Any]
Choose = Callable[[Answer], Sink | None]
"""Given the head of a good answer, says where its body goes; None: nowhere, it is not read."""


@dataclass(frozen=True)
class Limits:
    """How long Manta may take to connect, between two signs of life, and for one request in all."""

    connect_s: float = 5.0
    idle_s: float = 20.0
    whole_s: float = 600.0


class Sends(Protocol):
    """The body of a request, which may be sent more than once."""

    def open(self, progress: Callable[[], None]) -> Any:
        """Return an IBodyProducer that calls `progress` as it sends."""

    def close(self) -> None:
        """Let go of what was opened last, if nothing of it was sent."""


@dataclass(frozen=True)
class Request:
    """What to ask. `path` is absolute and quoted; a request is safe to be sent twice."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Sends | None = None


class Connection:
    """Manta at one address, for one identity. `concurrency` requests run at once, and others wait for them."""

    def __init__(self, url: str, agent: IAgent, signer: Signs, clock: Any, limits: Limits, concurrency: int) -> None:
        self.host = urlsplit(url).netloc
        self._url = url
        self._client = HTTPClient(agent)
        self._signer = signer
        self._clock = clock
        self._limits = limits
        self._slots = DeferredSemaphore(concurrency)

    async def ask(self, request: Request, choose: Choose | None = None) -> Answer:
        """Return the answer, whatever its status.

        The body of a refusal is in the answer; that of a success goes where `choose` says, and nowhere without it.
        Raises StoreUnavailableError, and what a sink raises.
        """
        await self._slots.acquire()
        try:
            try:
                return await self._attempt(request, choose)
            except FAILURES as error:
                if not is_dropped(error):
                    raise
                return await self._attempt(request, choose)  # kept open since the last request, and just now closed
        except FAILURES as error:
            raise translate(self.host, error) from error
        finally:
            self._slots.release()

    async def _attempt(self, request: Request, choose: Choose | None) -> Answer:
        headers = await self._signer.headers()
        patience = Patience(self._clock, self._limits.idle_s, self._limits.whole_s)
        try:
            return await self._exchange(request, {**request.headers, **headers}, choose, patience)
        except FAILURES as error:
            if patience.is_out:
                raise StoreUnavailableError(f"Manta at {self.host} is too slow: {patience.reason}") from error
            if is_ours(error):
                raise CancelledError from error
            raise
        finally:
            patience.end()
            if request.body is not None:
                request.body.close()

    async def _exchange(
        self, request: Request, headers: dict[str, str], choose: Choose | None, patience: Patience
    ) -> Answer:
        asked = self._client.request(
            request.method,
            f"{self._url}{request.path}" + (f"?{urlencode(request.query)}" if request.query else ""),
            headers=Headers({name: [value] for name, value in headers.items()}),
            data=request.body.open(patience.renew) if request.body else None,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
        )
        patience.begin(asked.cancel)
        response = await asked
        answer = Answer(response.code, response.headers, None if response.length is UNKNOWN_LENGTH else response.length)
        sink = answer.keep if answer.is_refusal else choose(answer) if choose else None
        body = Body(sink, patience.renew)
        patience.begin(body.drop)
        response.deliverBody(body)
        await body.ended
        return answer


def make_agent(clock: Any, agent: IAgent, limits: Limits, concurrency: int) -> tuple[IAgent, Callable[[], Any]]:
    """Return an agent that keeps connections open, and what closes them.

    The host's agent opens one for each request, which costs a handshake of TLS for every file. Where `clock` is no
    reactor with a network, it has to do.
    """
    if not IReactorTCP.providedBy(clock):
        return agent, lambda: None
    pool = HTTPConnectionPool(clock, persistent=True)
    pool.maxPersistentPerHost = concurrency
    pool.retryAutomatically = False  # we do, and PUTs too
    kept: Any = Agent(clock, connectTimeout=limits.connect_s, pool=pool)
    return kept, pool.closeCachedConnections
