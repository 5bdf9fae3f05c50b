"""Answers of Manta: status and headers at once, the body as it comes."""

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

_MAXIMUM_REFUSAL_BYTES = 1 << 16


class Answer:
    """One answer. `size_bytes` is what it says of its body, None when it does not."""

    def __init__(self, status: int, headers: Headers, size_bytes: int | None) -> None:
        self.status = status
        self.size_bytes = size_bytes
        self._headers = headers
        self._body = b""

    @property
    def is_refusal(self) -> bool:
        """Whether this is anything but a success."""
        return not 200 <= self.status < 300  # noqa: PLR2004  # HTTP's own figures

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory, of which Manta answers the list."""
        return "type=directory" in (self.header("Content-Type") or "").replace(" ", "")

    @property
    def code(self) -> str:
        """Manta's word for what is wrong; "" when it is no refusal of Manta's."""
        return str(self._refusal.get("code", ""))

    @property
    def message(self) -> str:
        """Manta's sentence about it."""
        return str(self._refusal.get("message", ""))

    def header(self, name: str) -> str | None:
        """Return a header's last value."""
        values = self._headers.getRawHeaders(name)
        return values[-1] if values else None

    def keep(self, chunk: bytes) -> None:
        """Take a piece of the body of a refusal."""
        self._body = (self._body + chunk)[:_MAXIMUM_REFUSAL_BYTES]

    @property
    def _refusal(self) -> dict[str, Any]:
        try:
            refusal = json.loads(self._body)
        except (ValueError, RecursionError):
            return {}
        return refusal if isinstance(refusal, dict) else {}


class Body(Protocol):
    """Hands each chunk of a body to `sink`, and `progress` is called; without a sink nothing is read.

    `ended` fires after the last chunk, and fails with the first error of the sink or the connection.
    """

    def __init__(self, sink: Callable[[bytes], Any] | None, progress: Callable[[], None]) -> None:
        self.ended: Deferred[None] = Deferred()
        self._sink = sink
        self._progress = progress

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take bytes of the body."""
        if self.ended.called:
            return
        self._progress()
        if self._sink is None:
            self._abort()
            self.ended.callback(None)
            return
        try:
            self._sink(data)
        except Exception:  # whatever it raises is for whoever awaits the end
            self._abort()
            self.ended.errback()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Tell how the body ended."""
        if self.ended.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):  # whether all is there, its length and its MD5 say
            self.ended.callback(None)
        else:
            self.ended.errback(reason)

    def drop(self) -> None:
        """End it without waiting for the other side."""
        if not self.ended.called:
            self._abort()
            self.ended.cancel()

    def _abort(self) -> None:
        proxy: Any = self.transport
        # What Twisted gives a body can only lose its connection, which waits for the other side.
        getattr(getattr(proxy, "_producer", None), "abortConnection", proxy.loseConnection)()
