"""One HTTP/1.1 connection: it reads strictly, and limits the time and the size of the head of each request."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from imaged.core.client_addresses import UNIX, peer_of
from imaged.core.errors import (
    BusyError,
    HeadTooLargeError,
    ImagedError,
    MalformedRequestError,
    TargetTooLongError,
    TooSlowError,
)
from imaged.core.http_chunks import Chunks
from imaged.core.http_syntax import check_field_line, check_request_line, check_start, coding_fault, read_head
from imaged.web.connections import IDLE_WHEN_FULL_S, Connections
from imaged.web.raw_answers import refusal
from imaged.web.slow_readers import SlowReaderWatch, bound_unsent

HEAD_WITHIN_S = 60.0
"""How long the head of a request may take, from its first byte. An idle timeout alone would let a client trickle."""

FIRST_WORD_S = 1.0
"""How long a shutdown waits for the first request of a new connection, which is probably on the way."""

HEAD_WHEN_FULL_S = 10.0
"""How old an incomplete request head must be before a full port may close its connection."""

LINGER_S = 30.0
"""How long bytes after a refusal are read and discarded, so that their sender gets to read the answer."""

MAXIMUM_HEAD_BYTES = HTTPChannel.totalHeadersSize
"""How many bytes the request line and the headers may have, with their line ends: Twisted counts them without."""

MAXIMUM_HEADERS = HTTPChannel.maxHeaders


class Connection(HTTPChannel):
    """One connection of a port. Reactor thread only."""

    MAX_LENGTH = MAXIMUM_HEAD_BYTES
    abortTimeout: Any = None  # noqa: N815  # Twisted's name; it would cut off a client that reads slowly: see `watch`

    def __init__(self, connections: Connections, make_request: Any) -> None:
        super().__init__()
        self._connections = connections
        self._quiet_since_s = connections.clock.seconds()
        self._has_spoken = False
        self.peer = UNIX
        self.is_proxied = self.is_anonymous = False
        self._begin_head()
        self._closing = self._is_refused = self._is_lost = False
        self._abort_call: Any = None
        self._read_call: Any = None
        self._written_bytes = 0
        self.requestFactory = make_request

    def _begin_head(self) -> None:
        self._in_head, self._head_since_s = True, math.inf
        self._head_bytes = self._head_lines = 0

    @property
    def busy(self) -> bool:
        """Whether a request has begun, or has come in part behind another, and its answer has not ended."""
        return bool(self.requests or (self.paused and self._buffer)) and self._abort_call is None

    @property
    def quiet_since_s(self) -> float:
        """When the client last sent bytes, or the last answer ended."""
        return float(self._quiet_since_s)

    def is_idle(self, now_s: float) -> bool:
        """Return whether a full port may close it: no request is in progress, it was refused, or its head is slow."""
        if self._abort_call is not None:
            return True
        if self._in_head and self._head_since_s < math.inf:
            return now_s - self._head_since_s >= HEAD_WHEN_FULL_S
        return not self.busy and now_s - self._quiet_since_s >= IDLE_WHEN_FULL_S

    def evict(self) -> None:
        """Close the connection at once, to make room."""
        for request in self.requests:
            request.give_up(BusyError("the port is full, and this client has the most connections: send it fewer"))
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close the connection if it has been quiet for `quiet_s` seconds."""
        quiet_for_s = self._connections.clock.seconds() - self._quiet_since_s
        if not self._closing and quiet_for_s >= (quiet_s if self._has_spoken else max(quiet_s, FIRST_WORD_S)):
            self._closing = True
            self.loseConnection()

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Register the connection."""
        self.watch = SlowReaderWatch(self.callLater, lambda: self._written_bytes, self._hang_up)
        super().connectionMade()
        bound_unsent(self.transport)
        self.join(peer_of(self.getPeer()))

    def join(self, peer: str) -> None:
        """Register the connection as one of this address, or refuse it: over TLS without an answer.

        It would wait for the client's handshake, and nothing counts a refused connection.
        """
        self.peer = peer
        if (answer := self._connections.add(self)) is not None:
            self._is_refused = True
            self.write(answer)
            (self._abort if self.isSecure() else self.loseConnection)()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read bytes. Abort the connection of a client that trickles the head of a request."""
        if self._is_refused:
            return
        now_s = self._connections.clock.seconds()
        self._quiet_since_s, self._has_spoken = now_s, True
        if self._in_head:
            self._head_since_s = min(self._head_since_s, now_s)
            if now_s - self._head_since_s > HEAD_WITHIN_S:
                self._abort()
                return
        if not self._begin_at_once(data):
            super().dataReceived(data)
        if self._in_head and not self._head_lines and self._buffer:
            try:
                check_start(self._buffer)
            except MalformedRequestError as error:
                self.refuse(error)

    def _begin_at_once(self, data: bytes) -> bool:
        """Begin the request whose whole head `data` begins with; return False if its lines have to be read one by one.

        Twisted copies what is left of `data` for each line, and calls several functions for it.
        """
        if self._buffer or self._head_lines or not self.line_mode or self.paused or not self.persistent:
            return False
        head = read_head(data, MAXIMUM_HEAD_BYTES, MAXIMUM_HEADERS)
        if head is None:
            return False
        self._buffer = data[head.size_bytes :]
        self._busyReceiving = True  # as during the call of `lineReceived`
        try:
            request = self.requestFactory(self, 0)
            self.requests.append(request)
            self._command, self._version = head.method, head.version
            self._path = head.target  # type: ignore[assignment]  # Twisted uses one name for two types
            for name, value in head.headers:
                request.requestHeaders.addRawHeader(name, value)
            self.allHeadersReceived()
            self.allContentReceived()
        finally:
            self._busyReceiving = False
        transport: Any = self.transport
        if self._buffer and not transport.disconnecting:
            super().dataReceived(b"")
        return True

    def lineReceived(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read a line of the head."""
        if self._is_refused:
            return
        self._head_bytes += len(line) + len(self.delimiter)
        if self._head_bytes > MAXIMUM_HEAD_BYTES or self._head_lines > MAXIMUM_HEADERS + bool(not line):
            self.lineLengthExceeded(line)
            return
        if line:
            try:
                (check_field_line if self._head_lines else check_request_line)(line)
            except ImagedError as error:
                self.refuse(error)
                return
            self._head_lines += 1
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802  # Twisted's name
        """Refuse a head that is too large."""
        error: ImagedError = TargetTooLongError(
            f"the request line is longer than {MAXIMUM_HEAD_BYTES} bytes: shorten it"
        )
        if self._head_lines:
            allowed = f"{MAXIMUM_HEAD_BYTES} bytes and {MAXIMUM_HEADERS} headers"
            error = HeadTooLargeError(f"the headers are too large: send {allowed} at most")
        self.refuse(error)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802  # Twisted's name
        """Read a header. Refuse a length with more digits than Python reads, which Twisted does not expect."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            self._respondToBadRequestAndDisconnect()
            return False

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:  # noqa: N802  # Twisted's name
        """Choose how to read the body, when a header says so. Twisted reads the length, and refuses a second one."""
        if header != b"Transfer-Encoding":
            return bool(super()._maybeChooseTransferDecoder(header, data))
        fault = coding_fault(data, self._version)
        if self._transferDecoder is not None:
            fault = MalformedRequestError("the request has two lengths: send Content-Length or Transfer-Encoding, once")
        if fault is not None:
            self.refuse(fault)
            return False
        request = self.requests[-1]
        self.length = None
        self._transferDecoder = Chunks(request.begin_chunk, request.handleContentChunk, self._finishRequestBody)
        return True

    def allHeadersReceived(self) -> None:  # noqa: N802  # Twisted's name
        """Begin the request, whose head is complete."""
        self._in_head, self._head_since_s = False, math.inf
        self.requests[-1].begin(self._command, self._path, self._version)
        super().allHeadersReceived()

    def checkPersistence(self, request: Any, version: bytes) -> bool:  # noqa: N802  # Twisted's name
        """Return whether the connection stays open after the answer. `close` may stand in any of several lists."""
        values = b",".join(request.requestHeaders.getRawHeaders(b"Connection", []))
        if b"close" in [option.strip().lower() for option in values.split(b",")]:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return version == b"HTTP/1.1"

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read bytes of a body, or keep those of later requests as one piece: Twisted adds up all pieces each time."""
        if self._handlingRequest:
            self._dataBuffer[:] = [b"".join(self._dataBuffer)]
        try:
            super().rawDataReceived(data)
        except ImagedError as error:
            self.refuse(error)
        if self.requests and not self._handlingRequest:
            self.requests[-1].check_rate()

    def timeoutConnection(self) -> None:  # noqa: N802  # Twisted's name
        """Close an idle connection. If a request is in progress, its body has stalled."""
        for request in self.requests:
            request.give_up(TooSlowError(f"no byte of the body came for {self.timeOut:.0f} seconds"))
        super().timeoutConnection()

    def refuse(self, error: ImagedError) -> None:
        """Answer a request that is not valid HTTP, and read no other. A request with a valid head is counted."""
        if self._is_refused:
            return
        self._is_refused = True
        self.clearLineBuffer()
        if not any(request.startedWriting for request in self.requests):
            self.write(refusal(error))
        for request in self.requests:
            request.give_up(error)
        self.linger()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802  # Twisted's name
        self.refuse(MalformedRequestError("the request is not valid HTTP/1.1: check its headers and its length"))

    def linger(self) -> None:
        """Close the sending half of the connection, and read for LINGER_S so that the client is not cut off."""
        if self._abort_call is not None:
            return
        transport: Any = self.transport
        if self.isSecure():
            self.loseConnection()  # sends a close alert, and reads until the client sends its own
        else:
            transport.loseWriteConnection()
        self._abort_call = self.callLater(LINGER_S, self._abort)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:  # noqa: N802
        """Begin an answer."""
        self.announce_end(headers)
        super().writeHeaders(version, code, reason, headers)

    def announce_end(self, headers: Any) -> None:
        """Announce during a shutdown that an answer with these headers is the last one."""
        if self._connections.leaving:
            self.persistent = False
            headers.setRawHeaders(b"Connection", [b"close"])

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        self._written_bytes += len(data)
        super().write(data)

    def writeSequence(self, iovec: Any) -> None:  # noqa: N802  # Twisted's name
        """Send bytes of an answer."""
        self._written_bytes += sum(map(len, iovec))
        super().writeSequence(iovec)

    def requestDone(self, request: Any) -> None:  # noqa: N802  # Twisted's name
        """End a request, whose answer is complete, and read the next one later.

        So a client that sends many requests at once leaves time for others. While it has not taken the answers, its
        next request waits: the answers would pile up in memory.
        """
        self._quiet_since_s = self._connections.clock.seconds()
        self._begin_head()
        self.watch.stop()
        self.paused = True
        super().requestDone(request)
        if self.persistent and self._waitingForTransport:
            producer: Any = self._networkProducer
            producer.pauseProducing()
        elif self.persistent:
            self._read_next()

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Send more: the client has taken what was sent."""
        super().resumeProducing()
        if self.paused and not self._handlingRequest:
            self._read_next()

    def _read_next(self) -> None:
        if not self._buffer:
            self.paused = False
        elif self._read_call is None:
            self._read_call = self.callLater(0, self._read_on)

    def _read_on(self) -> None:
        self._read_call = None
        self.paused = False
        self.dataReceived(b"")

    def loseConnection(self) -> None:  # noqa: N802  # Twisted's name
        """Close the connection when the client has taken what was sent."""
        if not self._is_lost:
            self.watch.start(self.transport)
        super().loseConnection()  # which may report at once that the connection is lost

    def _hang_up(self, reason: str) -> None:
        for request in self.requests:
            request.give_up(TooSlowError(reason))
        self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Unregister the connection."""
        self._is_lost = True
        self._connections.discard(self)
        self.watch.close()
        for call in (self._abort_call, self._read_call):
            if call is not None and call.active():
                call.cancel()
        super().connectionLost(reason)
