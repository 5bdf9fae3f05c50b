"""HTTP requests with limits on the size and rate of their bodies, traced and recorded until they end."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from imaged.core.disk_errors import disk_error
from imaged.core.errors import DiskFullError, ImagedError, StoreError, TooLargeError, TooSlowError
from imaged.core.hashes import shorten
from imaged.core.tracing import Trace
from imaged.core.traffic import CLIENT_LEFT
from imaged.fetch.budget import GiveUp
from imaged.logs.request_lines import RequestRecord
from imaged.web.bodies import Body
from imaged.web.common_headers import common_headers
from imaged.web.connections import Connections
from imaged.web.errors import drop_tracebacks, send_error
from imaged.web.headers import header
from imaged.web.heads import check_head
from imaged.web.redaction import redacted
from imaged.web.request_log import RequestLog

IDLE_S = 60.0
"""How long a connection may be quiet before it is closed."""

_log = Logger(namespace="imaged.requests")

SLOWEST_BYTES = 1000
"""How many bytes a second a client must send of its body, on average over each IDLE_S."""

MAXIMUM_METHOD_CHARACTERS = 20
"""How many characters of a method a log shows. Registered methods have up to 17; a client may send any word."""

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""Request ids of clients that imaged accepts: UUIDs, ULIDs, trace ids. No other character could end a log field."""


@dataclass(frozen=True)
class Site:
    """Everything that requests of one port need: their handler, their log and their limits.

    `answer_at_once` answers a request that needs no wait, and returns whether it did; otherwise `handle` answers it.
    `examine` may raise an ImagedError when the head of a request is complete, given whether a body follows, which is
    then not read. `maximum_bytes` limits the body, and `new_body` makes the file for a body of an announced length.
    `has_timing` decides on the `Server-Timing` header. `sharing` returns the CORS headers of the answer to a request.
    The functions are called for each request, so a reload takes effect. Clients of a `private` port are operators.
    """

    handle: Callable[[ImagedRequest], Coroutine[Deferred[Any], Any, None]]
    maximum_bytes: Callable[[ImagedRequest], int]
    seconds: Callable[[], float]
    connections: Connections
    request_log: RequestLog
    has_timing: Callable[[], bool]
    new_body: Callable[[int, GiveUp], Body]
    examine: Callable[[ImagedRequest, bool], None] = lambda _request, _has_body: None
    answer_at_once: Callable[[ImagedRequest], bool] = lambda _request: False
    private: bool = False
    sharing: Callable[[ImagedRequest], Mapping[str, str]] = lambda _request: {}


class ImagedRequest(Request):
    """One request, from its head to the end of its answer. Reactor thread only."""

    def __init__(self, channel: Any, site: Site) -> None:
        super().__init__(channel)
        self._site = site
        self.began_s = site.seconds()
        self._received_bytes = self._maximum_bytes = 0
        self._marked_s, self._marked_bytes = self.began_s, 0
        self._refused = False
        self._body: Body | None = None
        self._answering: Deferred[None] | None = None
        self._error: ImagedError | None = None
        self._is_counted = False
        self._peer: str = channel.peer
        self.is_proxied: bool = channel.is_proxied
        self._address: str | None = self._peer if channel.is_anonymous else None
        self.trace = Trace("", site.seconds)

    def begin(self, method: bytes, target: bytes, version: bytes) -> None:
        """Store the request line and the request id, and count the request, when its head is complete."""
        self.method, self.uri, self.clientproto = method, target, version
        self.path = target.partition(b"?")[0]
        given = header(self, b"x-request-id") or ""
        self.trace.request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
        self._is_counted = True
        self._site.request_log.begin()

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Check the head, and reserve room for the body, or refuse the request."""
        super().gotLength(0)
        try:
            check_head(self, length != 0)
            self._site.examine(self, length != 0)
            self._maximum_bytes = self._site.maximum_bytes(self)
            if length is not None and length > self._maximum_bytes:
                raise self._too_large()
            if length != 0:
                self._body = self._site.new_body(length or 0, self._refuse)
                self.content = cast("BinaryIO", self._body)
        except OSError as error:
            self._refuse(_not_kept(error))
        except ImagedError as error:
            self._refuse(error)

    def begin_chunk(self, body_bytes: int) -> None:
        """Refuse a body that becomes too large with the next chunk, before the bytes of the chunk come."""
        if not self._refused and body_bytes > self._maximum_bytes:
            self._refuse(self._too_large())

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Store a part of the body, or discard it after a refusal."""
        self._received_bytes += len(data)
        if not self._refused and self._received_bytes > self._maximum_bytes:
            self._refuse(self._too_large())
        if not self._refused:
            try:
                super().handleContentChunk(data)
            except OSError as error:
                self._refuse(_not_kept(error))
            except ImagedError as error:
                self._refuse(error)

    def check_rate(self) -> None:
        """Abort the connection if too little of the body came since the last check, IDLE_S ago or more.

        The connection calls it for each read: the size of a chunk can trickle, too.
        """
        elapsed_s = self._site.seconds() - self._marked_s
        if elapsed_s <= IDLE_S:
            return
        came_bytes = self._received_bytes - self._marked_bytes
        self._marked_s, self._marked_bytes = self._site.seconds(), self._received_bytes
        if came_bytes < SLOWEST_BYTES * elapsed_s:
            self._hang_up(f"{came_bytes} bytes of the body came in {elapsed_s:.0f} seconds: too slow")

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: ARG002, N802  # Twisted's
        """Handle a complete request.

        Twisted would also parse the query, and a body of a form type, which curl calls every body: both take time on
        the reactor thread, and imaged reads its parameters itself.
        """
        if not self._refused and self._body is not None:
            try:
                self._body.complete()
            except OSError as error:
                self._refuse(_not_kept(error))
        if self._refused:
            self.channel.loseConnection()
            return
        if self.content is not None:
            self.content.seek(0)
        self.process()

    def parseCookies(self) -> None:  # noqa: N802  # Twisted's name
        """Do nothing: imaged uses no cookies."""

    @property
    def has_body(self) -> bool:
        """Whether the client sent a body, be it empty."""
        return self._body is not None

    @property
    def content_type(self) -> bytes:
        """The type that the client gives to its body."""
        return self.getHeader(b"content-type") or b""

    @property
    def address(self) -> str:
        """The address of the client, which a trusted proxy may have told, or `unix`."""
        if self._address is None:
            self._address, proxies = self._peer, self._site.connections.clients.proxies
            if proxies.exist and (forwarded := self.requestHeaders.getRawHeaders(b"x-forwarded-for")) is not None:
                self._address = proxies.client(self._peer, forwarded)
        return self._address

    def process(self) -> None:
        """Answer the request, or start the handler of the site, which is cancelled when the client leaves."""
        try:
            if self._site.answer_at_once(self):
                return
        except Exception:  # the root of a task
            self._failed(Failure())
            return
        with self.trace.current():
            self._answering = Deferred.fromCoroutine(self._site.handle(self))
            self._answering.addErrback(self._failed)

    def write(self, data: bytes) -> None:
        """Send bytes of the answer's body, and its head before the first of them."""
        if not self.startedWriting:
            for name, value in self._common_headers():
                self.setHeader(name, value)
        super().write(data)

    def begin_answer(self, status: int, lines: bytes, data: bytes = b"") -> None:
        """Send the head of an answer and the first bytes of its body with one call of the transport.

        `lines` are headers, which include a Content-Length unless the status allows no body.
        """
        self.setResponseCode(status)
        self.startedWriting = 1
        connection: Any = self.channel
        connection.announce_end(self.responseHeaders)
        own = [(name, value) for name, values in self.responseHeaders.getAllRawHeaders() for value in values]
        headers = b"".join([b"%b: %b\r\n" % header for header in self._common_headers() + own])
        if self.method == b"HEAD":
            data = b""
        self.sentLength += len(data)
        head = b"%b %d %b\r\n%b%b\r\n" % (self.clientproto, status, self.code_message, headers, lines)
        connection.writeSequence([head, data])

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802, FBT001  # Twisted's
        """Begin to stream an answer."""
        super().registerProducer(producer, streaming)
        connection: Any = self.channel
        connection.watch.start(connection.transport)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802  # Twisted's name
        """Cancel the handler: the client has left."""
        self._discard_body()
        super().connectionLost(reason)
        if self._answering is not None:
            self._answering.cancel()
        error = self._error
        self.end(CLIENT_LEFT if error is None or isinstance(error, TooSlowError) else error.status)

    def finish(self) -> None:
        """End the answer. After a refusal, give the client time to read it before the connection closes."""
        if self._refused:
            connection: Any = self.channel
            connection.linger()
            self.end()
        else:
            super().finish()

    def break_off(self, error: ImagedError) -> None:
        """End an answer that cannot be completed: answer with `error`, or close the connection in the body."""
        self._failed(Failure(error))

    def give_up(self, error: ImagedError) -> None:
        """Record `error` as the reason why the request ends without an answer. Its connection is closing."""
        self._error = self._error or error

    def end(self, status: int | None = None) -> None:
        """Record the end of the request, once, with `status` or the status of its answer."""
        if not self._is_counted:
            return
        self._is_counted = False
        method, target = self._asked
        try:
            self._site.request_log.end(
                RequestRecord(
                    trace=self.trace,
                    client=self.address,
                    method=method,
                    target=target,
                    status=status or self.code,
                    size_bytes=self.sentLength,
                    elapsed_s=self._site.seconds() - self.began_s,
                    error=self._error,
                )
            )
        except Exception:  # the root of a task: a defect of the request log must not leave the connection open
            _log.failure(
                "{method} {path} was answered, but is missing in the log or the counts", method=method, path=target
            )

    @property
    def _asked(self) -> tuple[str, str]:
        """The method and the target, shortened for a log."""
        return shorten(self.method.decode("ascii", "backslashreplace"), MAXIMUM_METHOD_CHARACTERS), redacted(self.uri)

    def _common_headers(self) -> list[tuple[bytes, bytes]]:
        elapsed_s = self._site.seconds() - self.began_s if self._site.has_timing() else None
        return common_headers(self.trace, self.path, self._site.sharing(self), elapsed_s)

    def _failed(self, failure: Failure) -> None:
        if self._disconnected:
            failure.trap(CancelledError, ImagedError)
            return
        error = failure.value
        with self.trace.current():
            method, target = self._asked
            if not isinstance(error, ImagedError):
                _log.failure("{method} {path} failed unexpectedly", failure, method=method, path=target)
                error = ImagedError("an unexpected failure: the log has its traceback")
            elif error.status >= ImagedError.status and not isinstance(error, DiskFullError):  # logged once for all
                _log.warn("{method} {path}: {error}", method=method, path=target, error=error)
        drop_tracebacks(failure.value)
        if self.finished:
            return  # a defect after the answer
        self._error = error
        if self.startedWriting:
            self.loseConnection()
        else:
            send_error(self, error, private=self._site.private)

    def _hang_up(self, reason: str) -> None:
        self.give_up(TooSlowError(reason))
        transport: Any = self.channel.transport
        transport.abortConnection()

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the body has more than {self._maximum_bytes} bytes: send a smaller picture")

    def _refuse(self, refusal: ImagedError) -> None:
        """Answer with an error before the body is complete."""
        self._refused = True
        if self._body is not None:
            self._discard_body()
        self.requestHeaders.removeHeader(b"expect")  # else Twisted would ask for the body
        self._site.request_log.describe(self, self.trace)
        self.setHeader(b"Connection", b"close")
        self._failed(Failure(refusal))

    def _discard_body(self) -> None:
        if self.content is not None:
            with suppress(OSError):  # a full disk cannot take the rest of a body that is discarded
                self.content.close()


def _not_kept(error: OSError) -> StoreError:
    return disk_error("the body cannot be stored", error)
