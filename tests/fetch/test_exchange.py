"""Each failure of an origin has its own error, and no message repeats the origin's text."""

from __future__ import annotations

import gzip
import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificate
from fetching import Fetching, expect_cancelled, until
from hypothesis import given
from hypothesis import strategies as st
from names import Names
from OpenSSL import SSL
from origin import Asked, Origin, hold, ok, reply
from real_reactor import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import _nameEncoder
from zope.interface import implementer  # type: ignore[import-untyped]

from imaged.core.activity import Activity
from imaged.core.errors import (
    DiskFullError,
    ImagedError,
    NotFoundError,
    SourceFailedError,
    SourceTimeoutError,
    StoreError,
)
from imaged.fetch.budget import Budget
from imaged.fetch.hashing_writer import ReceivedFile
from imaged.fetch.sources import Sources
from imaged.store.usage import free

HEAD = b"HTTP/1.1 200 OK\r\n"


class TestFailures(Fetching):
    """Failures of an origin."""

    async def test_a_missing_original_is_not_found(self) -> None:
        """404 and 410 are the client's 404."""
        await self.refused(NotFoundError, reply(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"))
        await self.refused(NotFoundError, reply(b"HTTP/1.1 410 Gone\r\n\r\n"))

    async def test_other_answers_are_failures(self) -> None:
        """The message has the status, and not the origin's text."""
        for code in (100, 204, 206, 300, 304, 401, 403, 429, 500, 503):
            said = b"HTTP/1.1 %d Whatever\r\nContent-Length: 6\r\n\r\nsecret" % code
            message = await self.refused(SourceFailedError, reply(said))
            assert "secret" not in message
            assert code == 100 or str(code) in message

    async def test_a_refused_connection(self) -> None:
        """It is the source's failure."""
        origin = Origin(ok(b""))
        await origin.port.stopListening()
        assert "refuses" in await self.refused(SourceFailedError, origin.url)

    async def test_an_original_in_chunks_comes_whole(self) -> None:
        """Also in many small chunks with extensions and a trailer; one without its end is a failure."""
        body = os.urandom(5_000)
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"1;a\r\n%c\r\n" % byte for byte in body)
        origin = self.origin(reply(head + chunks + b"0\r\nX: a\r\n\r\n"))
        assert (await self.fetch(origin.url)).size_bytes == len(body)
        assert self.path.read_bytes() == body
        for end in (b"", b"0\r\n", b"0\r\nX: a\r\n", b"1\r\na"):
            await self.refused(SourceFailedError, reply(head + chunks + end))

    async def test_a_long_name_of_a_header_is_not_kept(self) -> None:
        """Twisted would keep it for ever."""
        origin = self.origin(ok(b"ab", b"Long-" * 51 + b"b: c"), ok(b"ab", b"Long-" * 52 + b"b: c"))
        assert (await self.fetch(origin.url)).size_bytes == 2
        await self.refused(SourceFailedError, origin.url)
        assert [name for name in _nameEncoder._canonicalHeaderCache if len(name) > 256] == []

    async def test_an_answer_that_is_not_http(self) -> None:
        """It is the source's failure."""
        for said in (
            b"",
            b"\x89PNG\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
            HEAD + b"Content-Length: -1\r\n\r\n",
            HEAD + b"Content-Length: abc\r\n\r\n",
            HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            HEAD + b"Transfer-Encoding: unheard-of\r\n\r\nab",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
            HEAD + b"a" * 257 + b": b\r\nContent-Length: 2\r\n\r\nab",
        ):
            await self.refused(SourceFailedError, reply(said))

    async def test_half_an_original_is_refused(self) -> None:
        """A body that is shorter than announced fails in any framing."""
        await self.refused(SourceFailedError, reply(HEAD + b"Content-Length: 9\r\n\r\nabc"))
        await self.refused(SourceFailedError, reply(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc"))
        await self.refused(SourceFailedError, ok(gzip.compress(bytes(9999))[:-9], b"Content-Encoding: gzip"))
        await self.refused(SourceFailedError, ok(b"no gzip", b"Content-Encoding: gzip"))

    async def test_a_reset_is_a_failure(self) -> None:
        """It is one also if only the end of the connection ends the body."""

        def reset(asked: Asked) -> None:
            asked.transport.write(b"HTTP/1.0 200 OK\r\n\r\nabc")
            reactor.callLater(0.05, asked.transport.abortConnection)

        assert "closed the connection" in await self.refused(SourceFailedError, reset)
        await self.refused(SourceFailedError, lambda asked: asked.transport.abortConnection())

    async def test_an_unknown_coding_is_a_failure(self) -> None:
        """Bytes that cannot be unpacked are not stored."""
        assert "coding" in await self.refused(SourceFailedError, ok(b"abc", b"Content-Encoding: br"))
        await self.refused(SourceFailedError, ok(b"abc", b"Content-Encoding: gzip, \xff"))

    async def test_a_full_disk_is_not_the_sources_fault(self) -> None:
        """A file that cannot be written is the store's error, before and while the bytes come."""
        self.path = self.path / "no" / "folder"
        await self.refused(StoreError, ok(b"abc"))
        self.path = Path("/dev/full")
        await self.refused(DiskFullError, ok(b"abc"))


class TestTLS(Fetching):
    """Certificates are checked."""

    @pytest.fixture(autouse=True)
    def _certificates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Trust one certificate for 127.0.0.1, like that of an operator's own authority."""
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
        self.trusted, self.unknown = Pem(tmp_path / "trusted.pem"), Pem(tmp_path / "unknown.pem")

    async def test_a_trusted_origin_is_fetched_from(self) -> None:
        """The bytes are the same through TLS, in one record or many."""
        body = bytes(range(256)) * 2000
        await self.fetch(self.origin(ok(body), tls=self.trusted).url)
        assert self.path.read_bytes() == body

    async def test_a_self_signed_certificate_is_refused(self) -> None:
        """No authority has signed it, so no request is sent."""
        origin = self.origin(ok(b"abc"), tls=self.unknown)
        assert "certificate" in await self.refused(SourceFailedError, origin.url)
        assert origin.heads == []

    async def test_another_hosts_certificate_is_refused(self) -> None:
        """A certificate is valid for the host that it names alone."""
        origin = self.origin(ok(b"abc"), tls=self.trusted)
        url = origin.url.replace("127.0.0.1", "localhost")
        everywhere = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
        assert "certificate" in await self.refused(SourceFailedError, url, allow_networks=everywhere)
        assert origin.heads == []

    async def test_no_tls_is_a_failure(self) -> None:
        """An origin that speaks plain HTTP on that port fails."""
        origin = self.origin(ok(b"abc"))
        await self.refused(SourceFailedError, origin.url.replace("http:", "https:"))

    async def test_silence_within_tls_is_a_timeout(self) -> None:
        """The connection is dropped without waiting for the origin."""
        origin = self.origin(hold(HEAD), tls=self.trusted)
        await self.refused(SourceTimeoutError, origin.url, timeout_s=0.3)
        await origin.asked[0].ended

    async def test_cancelling_drops_the_connection(self) -> None:
        """It is dropped with TLS, too."""
        origin = self.origin(hold(HEAD), tls=self.trusted)
        fetching = self.fetch(origin.url)
        await until(lambda: origin.heads)
        fetching.cancel()
        await expect_cancelled(fetching)
        await origin.asked[0].ended


WORDS = (
    b"HTTP/1.1 |200 OK|302 Found|\r\n|\r\n\r\n|Content-Length: 3|Transfer-Encoding: chunked|Location: /b|3\r\nabc\r\n"
)
WORDS += b"|0\r\n\r\n|Content-Encoding: gzip|abc| |\r|"
said_bytes = st.sampled_from([*WORDS.split(b"|"), gzip.compress(b"abc")]) | st.binary(max_size=9)


@given(st.lists(said_bytes), st.sampled_from([ConnectionDone, ConnectionLost]))
def test_any_answer_is_an_original_or_an_error_of_ours(said: list[bytes], end: type[Exception]) -> None:
    """Any bytes, in any pieces and with any end, give one of the two."""
    net: Any = MemoryReactorClock()
    settings: dict[str, Any] = {
        "budget": Budget(net.seconds),
        "timeout_s": 5.0,
        "maximum_bytes": 9,
        "maximum_redirects": 1,
        "user_agent": "imaged/2",
        "free_bytes": free,
    }
    names = Names(["93.184.215.14"])
    sources = Sources(net, resolver=names, allow_networks=[], activity=Activity(net.seconds), **settings)
    outcomes: list[Any] = []
    Deferred.fromCoroutine(sources.fetch("http://example.com/", Path(os.devnull))).addBoth(outcomes.append)
    connection = net.tcpClients[0][2].buildProtocol(None)
    connection.makeConnection(StringTransport())
    for piece in said:
        connection.dataReceived(piece)
    connection.connectionLost(Failure(end()))
    net.pump([0.5] * 12)
    assert isinstance(outcomes[0], ReceivedFile) or outcomes[0].check(ImagedError), outcomes
    assert net.getDelayedCalls() == []


@implementer(IOpenSSLContextFactory)
class Pem:
    """Serves TLS with a new self-signed certificate for 127.0.0.1; it and its key are in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        write_certificate(path)

    def getContext(self) -> SSL.Context:  # noqa: N802  # Twisted's name
        """Serve with the certificate of the file."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(str(self._path))
        context.use_privatekey_file(str(self._path))
        return context
