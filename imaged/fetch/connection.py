"""One HTTP connection to a source: bounds on its head, how it ended, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss

from imaged.core.errors import ImagedError, SourceFailedError, SourceTimeoutError

MAXIMUM_HEAD_BYTES = 1 << 17
"""Twice what one read from a socket gives. Twisted bounds the length of a header, but not their number."""

_TLS = (TLSError, VerificationError)
_WRAPPED = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived)

CONNECTION_FAILURES = (
    network.ConnectError,
    network.ConnectionClosed,
    network.ConnectingCancelledError,
    *_TLS,
    *_WRAPPED,
)
"""Every error of a connection and of reading its answer."""

_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[SourceFailedError], str], ...] = (
    ((network.TimeoutError, network.TCPTimedOutError), SourceTimeoutError, "does not answer: try again later"),
    (_TLS, SourceFailedError, "fails the check of its TLS certificate"),
    ((network.ConnectionRefusedError,), SourceFailedError, "refuses the connection: check the port of the source"),
    ((network.ConnectError,), SourceFailedError, "cannot be reached"),
    ((network.ConnectionAborted,), SourceFailedError, "sends headers without end"),
    ((Exception,), SourceFailedError, "closes the connection early, or does not send valid HTTP: check the source"),
)


class SourceConnection(HTTP11ClientProtocol):
    """Twisted's client protocol with a bound on the head of an answer, and a note of how the connection ended.

    The caller sets `answered` when it has the answer; then the reader of the body has its own bound. `broken` is False
    once the source has closed the connection properly.
    """

    answered = False
    broken = True
    _head_bytes = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Receive bytes."""
        self._head_bytes += len(data)
        if self.answered or self._head_bytes <= MAXIMUM_HEAD_BYTES:
            super().dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted has no type for it
        else:
            self.drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Note how the connection ended."""
        self.broken = not isinstance(reason.value, network.ConnectionDone)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted has no type for it

    def drop(self) -> None:
        """Abort the connection without waiting for the source."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class ResponseBody(Protocol):
    """Passes each chunk of a body to `take`.

    `ended` fires after the last chunk: True if the answer's framing said that it was the last, False if only the end
    of the connection did. It fails with the first error of `take` or of the connection.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended: Deferred[bool] = Deferred()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Receive bytes of the body."""
        if not self.ended.called:
            try:
                self._take(data)
            except ImagedError:
                self.ended.errback()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Fire `ended`."""
        if self.ended.called:
            return
        if isinstance(reason.value, ResponseFailed):
            self.ended.errback(reason)
        else:
            self.ended.callback(not isinstance(reason.value, PotentialDataLoss))


def translate(host: str, failure: Exception) -> Exception:
    """Return the ImagedError that one of CONNECTION_FAILURES means, or CancelledError if the caller cancelled."""
    causes = list(_causes(failure))
    if any(isinstance(cause, CancelledError | network.ConnectingCancelledError) for cause in causes):
        return CancelledError()
    kind, meaning = next(
        (kind, meaning) for kinds, kind, meaning in _MEANINGS if any(isinstance(cause, kinds) for cause in causes)
    )
    return kind(f"{host} {meaning} ({type(causes[-1]).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for reason in getattr(error, "reasons", ()):
        yield from _causes(reason.value)
