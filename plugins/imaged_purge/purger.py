"""Sends the requests of a purge, a few at a time, and reads the status of each answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from imaged.api import VERSION, StoreError

from .options import Options

CONCURRENCY = 8
"""How many requests to one cache run at once."""

FINE = frozenset({200, 201, 202, 204})
"""The statuses of a success."""

NOT_THERE = frozenset({404, 410})
"""With these, a cache may say that it has no answer for a path. For a tag, they are a wrong URL, or an answer of imaged
behind a cache that does not know the method."""

_FAILURES = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)


class HttpPurger:
    """Sends each purge to each cache. Reactor thread only; each request ends within `timeout_s` on `clock`."""

    def __init__(self, options: Options, agent: IAgent, clock: Any) -> None:
        self._options = options
        self._agent: Any = agent
        self._clock = clock
        self._headers = Headers({"User-Agent": [f"imaged/{VERSION}"]})
        for name, value in options.headers.items():
            self._headers.setRawHeaders(name, [value.get_secret_value()])

    @property
    def detail(self) -> str:
        """What it sends, and where to."""
        what = f"{self._options.method} with {self._options.header or 'each path'}"
        return f"{what} to {', '.join(map(_shown, self._options.urls))}"

    async def purge(self, tag: str, paths: Sequence[str]) -> None:
        """Remove the answers of a picture from each cache. Raises StoreError; caches that answer are then purged."""
        errors: list[StoreError] = []
        for url in self._options.urls:
            errors += await self._purge(list(self._requests(url, tag, paths)))
        if errors:
            raise StoreError("; ".join(map(str, errors)))

    async def _purge(self, requests: list[tuple[str, Headers]]) -> list[StoreError]:
        """Send the requests to one cache, until one fails; return the errors of those that failed."""
        errors: list[StoreError] = []
        waiting = iter(requests)

        async def work() -> None:
            for url, headers in waiting:
                try:
                    await self._send(url, headers)
                except StoreError as error:
                    errors.append(error)
                if errors:
                    return

        await gatherResults([Deferred.fromCoroutine(work()) for _ in requests[:CONCURRENCY]])
        return errors[:1]

    def _requests(self, url: str, tag: str, paths: Sequence[str]) -> Iterator[tuple[str, Headers]]:
        header = self._options.header
        for host in self._options.hosts or (None,):
            headers = self._headers.copy()
            if host is not None:
                headers.setRawHeaders("Host", [host])
            if header is not None:
                headers.setRawHeaders(header, [tag])
            for path in paths if header is None else ("",):
                yield f"{url}{path}", headers

    async def _send(self, url: str, headers: Headers) -> None:
        """Send a request. Raises StoreError unless the cache has the answer no more, or did not have it."""
        method, timeout_s = self._options.method, self._options.timeout_s

        def too_late(_: object, timeout_s: float) -> Any:
            raise StoreError(f"{method} {_shown(url)}: no answer within {timeout_s:g} s")

        try:
            status = await Deferred.fromCoroutine(self._status(method.encode(), url, headers)).addTimeout(
                timeout_s, self._clock, onTimeoutCancel=too_late
            )
        except _FAILURES as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"{method} {_shown(url)}: {reason}") from error
        if status not in FINE and (status not in NOT_THERE or self._options.header is not None):
            raise StoreError(f"{method} {_shown(url)}: the cache answered {status}; let it accept {method} from imaged")

    async def _status(self, method: bytes, url: str, headers: Headers) -> int:
        response = await self._agent.request(method, url.encode("ascii"), headers, None)
        body = _Body()
        response.deliverBody(body)
        await body.ended
        return int(response.code)


class _Body(Protocol):
    """Discards the body of an answer. A wait that is cancelled closes the connection."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred(self._abort)

    def _abort(self, _: object) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802  # Twisted's name
        """Note the end, also of a body that is cut: the status says all."""
        if not self.ended.called:
            self.ended.callback(None)


def _shown(url: str) -> str:
    """Return a URL for a log: a path of the settings may hold a secret, one of a picture has its hash."""
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
