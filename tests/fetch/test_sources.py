"""Originals are downloaded within the operator's bounds, from good and bad origins."""

from __future__ import annotations

import gzip
import hashlib
import os
import tracemalloc
from functools import partial
from pathlib import Path

from fetching import Fetching, expect_cancelled, until
from origin import Asked, endless, hold, ok, redirect, reply
from real_reactor import reactor
from twisted.internet import task

from imaged.core.errors import (
    MalformedRequestError,
    SourceFailedError,
    SourceForbiddenError,
    SourceTimeoutError,
    TooLargeError,
)
from imaged.fetch.hashing_writer import ReceivedFile

HEAD = b"HTTP/1.1 200 OK\r\n"


class TestFetch(Fetching):
    """Downloads from a good origin."""

    async def test_an_original_is_written_and_hashed(self) -> None:
        """The file has the bytes of the body, and their digests."""
        body = os.urandom(300_000)
        received = await self.fetch(self.origin(ok(body)).url)
        assert self.path.read_bytes() == body
        digests = hashlib.md5(body).hexdigest(), hashlib.sha256(body).hexdigest()
        assert received == ReceivedFile(self.path, len(body), *digests)

    async def test_the_request_is_plain(self) -> None:
        """It has the target unchanged, User-Agent, Accept, and nothing else."""
        origin = self.origin(ok(b"x"))
        await self.fetch(f"http://127.0.0.1:{origin.number}//a.jpg?b=%2F#c")
        line, *headers = origin.heads[0].decode().strip().split("\r\n")
        assert line == "GET //a.jpg?b=%2F HTTP/1.1"
        assert sorted(headers) == [
            "Accept-Encoding: identity",
            "Accept: image/*, */*;q=0.8",
            "Connection: close",
            f"Host: 127.0.0.1:{origin.number}",
            "User-Agent: imaged/2",
        ]

    async def test_an_empty_original_is_one(self) -> None:
        """An empty body is complete."""
        assert (await self.fetch(self.origin(ok(b"")).url)).size_bytes == 0

    async def test_chunked(self) -> None:
        """A body may come in chunks."""
        origin = self.origin(reply(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        await self.fetch(origin.url)
        assert self.path.read_bytes() == b"abcde"

    async def test_a_body_may_end_with_the_connection(self) -> None:
        """An origin that speaks HTTP/1.0 ends a body by closing."""
        await self.fetch(self.origin(reply(b"HTTP/1.0 200 OK\r\n\r\nabc")).url)
        assert self.path.read_bytes() == b"abc"

    async def test_gzip_that_the_request_did_not_accept_is_unpacked(self) -> None:
        """Some stores pack every answer; the original is the unpacked body."""
        body = os.urandom(100_000) + bytes(200_000)
        received = await self.fetch(self.origin(ok(gzip.compress(body), b"Content-Encoding: gzip")).url)
        assert self.path.read_bytes() == body
        assert received.size_bytes == len(body)

    async def test_other_statuses_of_a_whole_file(self) -> None:
        """203 (RFC 9110, 15.3.4), and a 206 with every byte."""
        for head in (b"203 Changed", b"206 Part\r\nContent-Range: bytes 0-2/3"):
            await self.fetch(self.origin(reply(b"HTTP/1.1 %s\r\nContent-Length: 3\r\n\r\nabc" % head)).url)
            assert self.path.read_bytes() == b"abc"
        for part in (
            b"",
            b"Content-Range: bytes 1-3/4\r\n",
            b"Content-Range: bytes 0-2/4\r\n",
            b"Content-Range: bytes 0-2/*\r\n",
        ):
            said = b"HTTP/1.1 206 Part\r\n%sContent-Length: 3\r\n\r\nabc" % part
            assert "206" in await self.refused(SourceFailedError, reply(said))

    async def test_bytes_past_the_content_length_do_not_count(self) -> None:
        """The body ends at its announced length."""
        await self.fetch(self.origin(reply(HEAD + b"Content-Length: 3\r\n\r\nabcdef")).url)
        assert self.path.read_bytes() == b"abc"

    async def test_a_download_in_progress_is_shown(self) -> None:
        """The status page shows the URL and the bytes so far, and counts it afterwards."""
        origin = self.origin(hold(HEAD + b"Content-Length: 9\r\n\r\nabc"))
        fetching = self.fetch(origin.url)
        await until(lambda: any(each.item.bytes for each in self.activity.running()))
        assert [(each.item.url, each.item.bytes) for each in self.activity.running()] == [(origin.url, 3)]
        fetching.cancel()
        await expect_cancelled(fetching)
        assert (self.activity.current, self.activity.total, self.activity.failed) == (0, 1, 1)


class TestRedirects(Fetching):
    """The guard checks each hop."""

    async def test_redirects_are_followed_up_to_the_bound(self) -> None:
        """Every redirecting status is followed."""
        hops = [redirect("/b", code) for code in (301, 302, 303, 307, 308)]
        await self.fetch(self.origin(*hops, ok(b"abc")).url, maximum_redirects=5)
        assert self.path.read_bytes() == b"abc"

    async def test_one_redirect_more_fails(self) -> None:
        """A loop of redirects ends."""
        origin = self.origin(redirect("/b"))
        message = await self.refused(SourceFailedError, origin.url, maximum_redirects=2)
        assert "more than 2 times" in message
        assert len(origin.heads) == 3

    async def test_a_redirect_into_a_private_network_is_forbidden(self) -> None:
        """An allowed first hop does not allow the second."""
        inside = self.origin(ok(b"secret"), interface="127.0.0.2")
        message = await self.refused(SourceForbiddenError, redirect(inside.url))
        assert "127.0.0.2" in message
        assert "loopback 127.0.0.0/8" in message
        assert inside.heads == []

    async def test_a_redirect_to_a_file_is_forbidden(self) -> None:
        """Only http and https are allowed."""
        assert "file" in await self.refused(SourceForbiddenError, redirect("file:///etc/passwd"))
        await self.refused(SourceForbiddenError, redirect("ftp://127.0.0.1/a"))

    async def test_a_choice_with_a_location_is_a_redirect(self) -> None:
        """Without one, a 300 is a failure (RFC 9110, 15.4.1)."""
        await self.fetch(self.origin(redirect("/b c", 300), ok(b"abc")).url)
        assert self.path.read_bytes() == b"abc"
        await self.refused(SourceFailedError, reply(b"HTTP/1.1 300 Choose\r\nContent-Length: 0\r\n\r\n"))

    async def test_a_location_is_encoded_as_browsers_do(self) -> None:
        """Blanks and bytes outside ASCII are percent-encoded, in their own coding."""
        for location, target in ((b"/t/a b.jpg", b"/t/a%20b.jpg"), (b"/\xc3\xa4", b"/%C3%A4"), (b"/\xe4", b"/%E4")):
            leading = reply(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location)
            origin = self.origin(leading, ok(b"abc"))
            await self.fetch(origin.url)
            assert origin.heads[1].startswith(b"GET %s HTTP/1.1\r\n" % target)

    async def test_a_redirect_to_nowhere_fails(self) -> None:
        """A redirect needs one Location."""
        await self.refused(SourceFailedError, reply(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"))
        await self.refused(SourceFailedError, redirect(""))
        await self.refused(SourceFailedError, redirect("http://[::1"))
        await self.refused(SourceFailedError, redirect("/b\r\nLocation: /c"))


class TestGuard(Fetching):
    """Loopback is refused in every notation unless the operator allows it."""

    async def test_loopback_is_forbidden_by_default(self) -> None:
        """The message names the host, the range and the setting; no request was sent."""
        origin = self.origin(ok(b"secret"))
        port = origin.number
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"):
            message = await self.refused(SourceForbiddenError, f"http://{host}:{port}/", allow_networks=[])
            assert host.strip("[]") in message
            assert "loopback" in message
            assert "sources.allow_networks" in message
        assert origin.heads == []

    async def test_other_private_addresses_are_forbidden(self) -> None:
        """So is the metadata address of clouds."""
        for host in ("169.254.169.254", "10.0.0.1", "[::1]", "[fd00:ec2::254]", "0.0.0.0", "[::]"):
            await self.refused(SourceForbiddenError, f"http://{host}/")
            await self.refused(SourceForbiddenError, f"https://{host}/")

    async def test_malformed_urls_are_the_clients_fault(self) -> None:
        """There is no download and no count."""
        await self.refused(MalformedRequestError, "http://user:secret@127.0.0.1/")
        assert self.activity.total == 0


class TestBounds(Fetching):
    """Time and bytes are bounded."""

    async def test_an_announced_size_is_refused_at_once(self) -> None:
        """Nothing of the body is read."""
        origin = self.origin(hold(HEAD + b"Content-Length: 9\r\n\r\n"))
        assert "8 bytes" in await self.refused(TooLargeError, origin.url, maximum_bytes=8)
        await origin.asked[0].ended

    async def test_exactly_the_maximum_is_taken(self) -> None:
        """The bound itself is allowed."""
        assert (await self.fetch(self.origin(ok(b"12345678")).url, maximum_bytes=8)).size_bytes == 8
        await self.refused(TooLargeError, ok(b"123456789"), maximum_bytes=8)

    async def test_an_endless_body_is_cut_off_and_costs_no_memory(self) -> None:
        """The connection is dropped at the bound."""
        origin = self.origin(endless(HEAD + b"\r\n", bytes(1 << 16)))
        tracemalloc.start()
        try:
            await self.refused(TooLargeError, origin.url, maximum_bytes=1 << 25)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await origin.asked[0].ended
        assert peak_bytes < 1 << 22
        assert self.path.stat().st_size <= 1 << 25

    async def test_a_decompression_bomb_is_cut_off_and_costs_no_memory(self) -> None:
        """The unpacked bytes count."""
        bomb = ok(gzip.compress(bytes(1 << 26)), b"Content-Encoding: gzip")
        tracemalloc.start()
        try:
            await self.refused(TooLargeError, bomb)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 1 << 21

    async def test_endless_headers_are_cut_off(self) -> None:
        """The head of an answer is bounded."""
        for head in (HEAD, b""):
            again = b"X-Again: %s\r\n" % bytes(64).hex().encode() if head else b"HTTP/1.1 103 Early\r\n\r\n"
            assert "headers" in await self.refused(SourceFailedError, endless(head, again * 100))

    async def test_silence_is_a_timeout(self) -> None:
        """After no byte, half a head, or half a body."""
        for said in (b"", b"HTTP/1.1 200", HEAD + b"Content-Length: 9\r\n\r\nabc"):
            origin = self.origin(hold(said))
            message = await self.refused(SourceTimeoutError, origin.url, timeout_s=0.1)
            assert "127.0.0.1 took longer than 0.1 seconds" in message
            await origin.asked[0].ended

    async def test_a_drip_is_a_timeout(self) -> None:
        """The timeout holds for the whole download, not for a pause."""

        def drip(asked: Asked) -> None:
            asked.transport.write(HEAD + b"Content-Length: 999999\r\n\r\n")
            dripping = task.LoopingCall(asked.transport.write, b".")
            dripping.start(0.02)
            asked.ended.addCallback(lambda _: dripping.stop())

        origin = self.origin(drip)
        started_s = reactor.seconds()
        await self.refused(SourceTimeoutError, origin.url, timeout_s=0.3)
        assert reactor.seconds() - started_s > 0.25

    async def test_slow_redirects_are_a_timeout(self) -> None:
        """Hops share one timeout."""

        def slowly(asked: Asked) -> None:
            later = reactor.callLater(0.1, redirect("/b"), asked)
            asked.ended.addCallback(lambda _: later.active() and later.cancel())

        origin = self.origin(slowly)
        await self.refused(SourceTimeoutError, origin.url, timeout_s=0.35, maximum_redirects=20)
        assert 2 <= len(origin.heads) <= 4

    async def test_cancelling_drops_the_connection_and_closes_the_file(self) -> None:
        """A caller may cancel at any time."""
        for said in (b"", b"HTTP/1.1 200", HEAD + b"Content-Length: 9\r\n\r\nabc"):
            origin = self.origin(hold(said))
            fetching = self.fetch(origin.url)
            await until(partial(getattr, origin, "heads"))
            fetching.cancel()
            await expect_cancelled(fetching)
            await origin.asked[0].ended
            assert not is_open(self.path)


def is_open(path: Path) -> bool:
    """Return whether this process has the file open."""
    return any(each.exists() and each.samefile(path) for each in Path("/proc/self/fd").iterdir())
