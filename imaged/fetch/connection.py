"""One HTTP connection to a source: bounds on its head, how it ended, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, ParseError
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http import _DataLoss

from imaged.core.errors import SourceFailedError, SourceTimeoutError
from imaged.core.http_chunks import Chunks
from imaged.core.http_syntax import LONGEST_NAME_BYTES

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

    def request(self, request: Any) -> Any:
        """Send a request, and return a Deferred of the answer."""
        answered = super().request(request)
        parser: Any = self._parser
        if parser is not None:
            parser._transferDecoders = {b"chunked": _decoder}  # noqa: SLF001  # Twisted has no other way
            parser.headerReceived = partial(_receive_header, parser.headerReceived)
        return answered

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Note how the connection ended."""
        self.broken = not isinstance(reason.value, network.ConnectionDone)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted has no type for it

    def drop(self) -> None:
        """Abort the connection without waiting for the source."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class _Chunks(Chunks):
    """Reads the chunks of one read together. Twisted passes on each by itself, and a source may send millions."""

    def noMoreData(self) -> None:  # noqa: N802  # Twisted's name
        """Raise the error that Twisted expects when the end of the body is missing."""
        if not self.is_complete:
            raise _DataLoss


def _receive_header(receive: Callable[[bytes, bytes], None], name: bytes, value: bytes) -> None:
    if len(name) > LONGEST_NAME_BYTES:
        raise ParseError("a header has too long a name", name[:LONGEST_NAME_BYTES])
    receive(name, value)


def _decoder(take: Callable[[bytes], None], finish: Callable[[bytes], None]) -> _Chunks:
    return _Chunks(lambda _: None, take, finish)


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
