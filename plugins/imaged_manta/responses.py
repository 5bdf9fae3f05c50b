"""HTTP responses of Manta: the status and the headers at once, and the body as it arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

_MAXIMUM_ERROR_BYTES = 1 << 16


class Response:
    """One response. `size_bytes` is the length of the body, None if the headers do not say."""

    def __init__(self, status: int, headers: Headers, size_bytes: int | None) -> None:
        self.status = status
        self.size_bytes = size_bytes
        self._headers = headers
        self._body = b""

    @property
    def is_error(self) -> bool:
        """Whether the status is not 2xx."""
        return not 200 <= self.status < 300  # noqa: PLR2004  # HTTP's own figures

    @property
    def is_directory(self) -> bool:
        """Whether the path is a directory, whose listing is then the body."""
        return "type=directory" in (self.header("Content-Type") or "").replace(" ", "")

    @property
    def code(self) -> str:
        """Manta's error code, empty if the body is not an error of Manta."""
        return str(self._error.get("code", ""))

    @property
    def message(self) -> str:
        """Manta's error message, empty if the body is not an error of Manta."""
        return str(self._error.get("message", ""))

    def header(self, name: str) -> str | None:
        """Return the last value of a header."""
        values = self._headers.getRawHeaders(name)
        return values[-1] if values else None

    def collect_error(self, chunk: bytes) -> None:
        """Append a chunk of an error's body."""
        self._body = (self._body + chunk)[:_MAXIMUM_ERROR_BYTES]

    @property
    def _error(self) -> dict[str, Any]:
        try:
            error = json.loads(self._body)
        except (ValueError, RecursionError):
            return {}
        return error if isinstance(error, dict) else {}


class ResponseBody(Protocol):
    """Passes each chunk of a body to `sink` and calls `progress`. Without a sink, it drops the body.

    `ended` fires after the last chunk, or fails with the first error of the sink or the connection.
    """

    def __init__(self, sink: Callable[[bytes], Any] | None, progress: Callable[[], None]) -> None:
        self.ended: Deferred[None] = Deferred()
        self._sink = sink
        self._progress = progress

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Handle a chunk of the body."""
        if self.ended.called:
            return
        self._progress()
        if self._sink is None:
            self._abort()
            self.ended.callback(None)
            return
        try:
            self._sink(data)
        except Exception:  # for the caller that awaits `ended`
            self._abort()
            self.ended.errback()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Fire `ended`."""
        if self.ended.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):  # length and MD5 are checked later
            self.ended.callback(None)
        else:
            self.ended.errback(reason)

    def drop(self) -> None:
        """Close the connection without waiting for the server."""
        if not self.ended.called:
            self._abort()
            self.ended.cancel()

    def _abort(self) -> None:
        proxy: Any = self.transport
        # The transport that Twisted gives a body has only loseConnection, which waits for the server.
        getattr(getattr(proxy, "_producer", None), "abortConnection", proxy.loseConnection)()
