"""Originals of a site: below its URL, with its headers, and with conditions."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from fetching import Fetching
from origin import Answer, ok, redirect, reply

from imaged.core.errors import ImagedError, NotFoundError, SourceFailedError
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_sources import SiteSource
from imaged.fetch.sources import Fetched

NOTHING = Validators()
KNOWN = Validators('"v1"', "Mon, 01 Jan 2024 00:00:00 GMT")


class TestSites(Fetching):
    """Fetches below one URL."""

    def site(self, *answers: Answer, headers: dict[str, str] | None = None, **changes: Any) -> SiteSource:
        """Return the source of a site that gives these answers."""
        self.place = self.origin(*answers)
        sources = self.sources(allow_networks=[ip_network("0.0.0.0/0")], **changes)
        return SiteSource(sources, f"http://127.0.0.1:{self.place.number}/media", headers or {})

    async def get(self, site: SiteSource, path: str = "shoes/red.jpg", known: Validators = NOTHING) -> Fetched:
        """Fetch a path."""
        return await site.fetch(path, self.path, known)

    async def fails(self, site: SiteSource, error: type[ImagedError], **how: Any) -> str:
        """Expect an error of exactly this type, and return its message."""
        with pytest.raises(ImagedError) as caught:
            await self.get(site, **how)
        assert caught.type is error, caught.value
        return str(caught.value)

    async def test_the_path_follows_the_url(self) -> None:
        """The path is percent-encoded, and the headers of the settings are sent."""
        site = self.site(ok(b"abc"), headers={"Authorization": "Basic x", "user-agent": "mine"})
        fetched = await self.get(site, "café/a+b.jpg")
        assert fetched.file is not None
        assert self.path.read_bytes() == b"abc"
        head = self.place.heads[0]
        assert head.startswith(b"GET /media/caf%C3%A9/a%2Bb.jpg HTTP/1.1\r\n")
        assert b"Authorization: Basic x\r\n" in head
        assert head.lower().count(b"user-agent:") == 1
        assert b"If-None-Match" not in head

    async def test_a_known_version_is_asked_for_with_its_validators(self) -> None:
        """304 means that nothing has changed; its validators may be newer."""
        site = self.site(reply(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'))
        assert await self.get(site, known=KNOWN) == Fetched(None, Validators('"v1"'))
        assert b'If-None-Match: "v1"\r\n' in self.place.heads[0]
        assert b"If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n" in self.place.heads[0]

    async def test_another_version_comes_with_its_validators(self) -> None:
        """What a 200 says of the version is returned with it."""
        dates = b"Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT", b"Date: Tue, 02 Jan 2024 00:01:00 GMT"
        site = self.site(ok(b"abc", b'ETag: W/"v2"', *dates))
        fetched = await self.get(site, known=KNOWN)
        assert fetched.file is not None
        assert fetched.validators == Validators('W/"v2"', "Tue, 02 Jan 2024 00:00:00 GMT")

    async def test_a_young_last_modified_is_left_out(self) -> None:
        """A file may change again in the same second: Python's http.server would answer 304 for it forever."""
        modified = b"Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT"
        for date in (b"Tue, 02 Jan 2024 00:00:59 GMT", b"Mon, 01 Jan 2024 00:00:00 GMT", b"now", b""):
            fetched = await self.get(self.site(ok(b"abc", b'ETag: "v1"', modified, b"Date: " + date)))
            assert fetched.validators == Validators('"v1"')
        fetched = await self.get(self.site(ok(b"abc", b"Last-Modified: now", b"Date: Tue, 02 Jan 2024 00:01:00 GMT")))
        assert fetched.validators == NOTHING

    async def test_validators_that_could_break_a_request_are_left_out(self) -> None:
        """Those that are empty, repeated, too long or no plain ASCII are not kept."""
        for line in (
            b"ETag: ",
            b'ETag: "a"\r\nETag: "b"',
            b'ETag: "' + b"x" * 600 + b'"',
            b'ETag: "\xe9"',
            b'ETag: "\x01"',
        ):
            fetched = await self.get(self.site(ok(b"abc", line)))
            assert fetched.validators == NOTHING

    async def test_304_without_a_condition_is_a_failure(self) -> None:
        """A site that says that nothing has changed when nothing is known is broken."""
        await self.fails(self.site(reply(b"HTTP/1.1 304 Not Modified\r\n\r\n")), SourceFailedError)

    async def test_404_and_410_mean_that_there_is_no_original(self) -> None:
        """All other errors are failures."""
        for code, error in (
            (404, NotFoundError),
            (410, NotFoundError),
            (403, SourceFailedError),
            (500, SourceFailedError),
        ):
            await self.fails(self.site(reply(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code)), error)

    async def test_a_redirect_below_the_url_is_followed(self) -> None:
        """The host and the folder stay the same."""
        site = self.site(redirect("/media/2024/red.jpg?v=2"), ok(b"abc"))
        assert (await self.get(site)).file is not None
        assert self.place.heads[1].startswith(b"GET /media/2024/red.jpg?v=2 ")

    async def test_a_redirect_that_leaves_the_url_is_a_failure(self) -> None:
        """Another scheme, host, port or folder does not get the request with its headers."""
        other = self.origin(ok(b"secret"))
        for location in (
            other.url,
            f"http://127.0.0.1:{other.number}/media/red.jpg",
            "https://127.0.0.1/media/red.jpg",
            f"http://localhost:{other.number}/media/red.jpg",
            "/red.jpg",
            "/mediaa/red.jpg",
            "/media/../red.jpg",
            "/media/%2e%2e/red.jpg",
            "/media/%252e%252e/red.jpg",
            "/media/..%2fred.jpg",
            "/media/",
            "../../red.jpg",
        ):
            message = await self.fails(self.site(redirect(location), ok(b"secret")), SourceFailedError)
            assert "not below the URL" in message
            assert len(self.place.heads) == 1
        assert other.heads == []
