"""One GET over a connection of its own, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    TimeoutError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, Request  # noqa: PLC2701  # see Exchange._request
from twisted.web.client import BrowserLikePolicyForHTTPS, ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from imaged.core.errors import ImagedError, NotFoundError, SourceFailedError, SourceTimeoutError
from imaged.core.networks import Network
from imaged.core.source_urls import SourceUrl
from imaged.pipeline.guard import GuardedEndpoint
from imaged.pipeline.intake import Gunzip, Intake

MAXIMUM_HEAD_BYTES = 1 << 17
"""Twice what one read from a socket gives: Twisted bounds a header's length, but not how many there are."""

_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_TLS = (TLSError, VerificationError)
_WRAPPED = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived)
_FOREIGN = (ConnectError, ConnectingCancelledError, ConnectionDone, ConnectionLost, *_TLS, *_WRAPPED)


class Exchange:
    """GETs URLs with no cookies, no proxy and no connection kept. `connect_timeout_s` is that of one attempt."""

    def __init__(
        self, reactor: Any, connect_timeout_s: float, allow_networks: Sequence[Network], user_agent: str
    ) -> None:
        self._reactor = reactor
        self._connect_timeout_s = connect_timeout_s
        self._allow_networks = allow_networks
        self._headers = {"User-Agent": [user_agent], "Accept": ["image/*"], "Accept-Encoding": ["identity"]}
        self._tls = BrowserLikePolicyForHTTPS()

    async def get(self, url: SourceUrl, intake: Intake) -> SourceUrl | None:
        """Write the body of a 200 to `intake` and return None; for a redirect return where it leads.

        The connection is gone afterwards, whatever happened. Raises NotFoundError for 404 and 410, SourceFailedError
        for any other answer and for none, and what the guard and `intake` raise.
        """
        client: _Client | None = None
        try:
            client = await self._endpoint(url).connect(Factory.forProtocol(_Client))
            response = await client.request(self._request(url))
            client.answered = True
            if response.code in _REDIRECTS:
                return _redirect(url, response)
            _check(url, response)
            await _read_body(url, client, response, intake)
        except _FOREIGN as error:
            raise _translate(url.host, error) from error
        finally:
            if client is not None and client.transport is not None:
                client.transport.abortConnection()
        return None

    def _endpoint(self, url: SourceUrl) -> IStreamClientEndpoint:
        endpoint = GuardedEndpoint(self._reactor, url.host, url.port, self._connect_timeout_s, self._allow_networks)
        if url.scheme == "http":
            return endpoint
        try:
            creator = self._tls.creatorForNetloc(url.host.encode("ascii"), url.port)
        except UnicodeError as error:
            raise SourceFailedError(f"{url.host} can have no certificate: it is no host name by IDNA's rules") from error
        return wrapClientTLS(creator, endpoint)

    def _request(self, url: SourceUrl) -> Request:
        """Make the request of Twisted's own client, but with the target as given: Agent takes it apart and joins it
        again, which on newer Pythons (gh-67693) makes `//a.jpg` into `////a.jpg`.
        """
        headers = Headers({**self._headers, "Host": [url.netloc]})
        return Request(b"GET", url.target.encode("ascii"), headers, None, persistent=False)


class _Client(HTTP11ClientProtocol):
    """Twisted's client, which bounds what comes before the answer and remembers how the connection ended."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = False
        self.lost: Failure | None = None
        self._head_bytes = 0

    def dataReceived(self, data: bytes) -> None:
        self._head_bytes += len(data)
        if self.answered or self._head_bytes <= MAXIMUM_HEAD_BYTES:
            super().dataReceived(data)
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason
        super().connectionLost(reason)


class _Body(Protocol):
    """Hands each chunk to `take`; `ended` fires after the last, or fails with the first error."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended: Deferred[bool] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.ended.called:
            try:
                self._take(data)
            except ImagedError:
                self.ended.errback(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.ended.called:
            self.ended.callback(reason.check(ResponseDone) is not None)


def _redirect(url: SourceUrl, response: Any) -> SourceUrl:
    locations = set(response.headers.getRawHeaders(b"Location", []))
    if len(locations) != 1 or b"" in locations:
        raise SourceFailedError(f"{url.host} answers {response.code} without a place to go to")
    return url.follow(locations.pop())


def _check(url: SourceUrl, response: Any) -> None:
    if response.code in _GONE:
        raise NotFoundError(f"{url.host} has no such original: it answers {response.code}")
    if response.code != 200:
        raise SourceFailedError(f"{url.host} answers {response.code}")
