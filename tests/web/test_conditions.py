"""Conditional requests and ranges, by RFC 9110."""

from __future__ import annotations

import os
from email.utils import formatdate
from typing import Any

import pytest
from raw_client import Answer
from service_case import HOME, IMAGE, PICTURE, ServiceTestCase

from imaged.core.files import ORIGINAL

MODIFIED_S = 1_700_000_000
SIZE = len(PICTURE)


class ConditionsTestCase(ServiceTestCase):
    """A store with an original of known time."""

    async def ready(self) -> Answer:
        """Start, store the picture, and return an unconditional answer."""
        await self.serve()
        await self.post()
        os.utime(self.store.path(IMAGE, ORIGINAL), (MODIFIED_S, MODIFIED_S))
        return await self.original()

    async def original(self, method: str = "GET", **headers: Any) -> Answer:
        """GET the original."""
        return await self.ask(method, f"{HOME}/original", **headers)

    async def statuses(self, header: str, *values: str) -> list[int]:
        """Return the status for each value of a header."""
        return [(await self.original(**{header: value})).status for value in values]


class TestConditions(ConditionsTestCase):
    """Clients that have the file get 304."""

    async def test_every_file_has_validators(self) -> None:
        """Files have a strong ETag and Last-Modified."""
        plain = await self.ready()
        assert plain.headers["last-modified"] == formatdate(MODIFIED_S, usegmt=True)
        assert plain.headers["etag"].startswith('"')
        assert plain.headers["accept-ranges"] == "bytes"

    async def test_if_none_match(self) -> None:
        """The tag, a list with it, its weak form and `*` give 304, other tags the file (RFC 9110, 13.1.2)."""
        etag = (await self.ready()).headers["etag"]
        known = (etag, f'"a", {etag}', f'W/"a",W/{etag} , "b"', f"W/{etag}", "*")
        assert await self.statuses("if_none_match", *known) == [304] * len(known)
        assert await self.statuses("if_none_match", '"a"', 'W/"b"', "", etag.strip('"')) == [200] * 4

    async def test_not_modified_is_short(self) -> None:
        """304 has the headers for caches, and no body."""
        plain = await self.ready()
        answer = await self.original(if_none_match="*")
        assert answer.body == b""
        for name in ("etag", "last-modified", "cache-control"):
            assert answer.headers[name] == plain.headers[name]
        assert "content-length" not in answer.headers or answer.headers["content-length"] == str(SIZE)

    async def test_if_modified_since(self) -> None:
        """Dates in all three forms of RFC 9110, 5.6.7 work; others are ignored."""
        await self.ready()
        at, before, after = (formatdate(MODIFIED_S + shift, usegmt=True) for shift in (0, -1, 1))
        old_forms = ("Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023")
        assert await self.statuses("if_modified_since", at, after, *old_forms) == [304] * 4
        assert await self.statuses("if_modified_since", before, "yesterday", "") == [200] * 3

    async def test_a_tag_comes_before_a_date(self) -> None:
        """If-Modified-Since is ignored beside If-None-Match (RFC 9110, 13.1.3)."""
        await self.ready()
        at = formatdate(MODIFIED_S, usegmt=True)
        assert (await self.original(if_none_match='"a"', if_modified_since=at)).status == 200

    async def test_if_match_and_if_unmodified_since(self) -> None:
        """Failed preconditions give 412, which is not cacheable; a weak tag never matches (13.1.1)."""
        etag = (await self.ready()).headers["etag"]
        assert await self.statuses("if_match", etag, "*", f'"a", {etag}') == [200] * 3
        assert await self.statuses("if_match", '"a"', f"W/{etag}") == [412] * 2
        before, at = formatdate(MODIFIED_S - 1, usegmt=True), formatdate(MODIFIED_S, usegmt=True)
        assert await self.statuses("if_unmodified_since", before, at, "never") == [412, 200, 200]
        assert "changed" in (await self.original(if_match='"a"')).error

    async def test_outputs_have_conditions_too(self) -> None:
        """Conditions work on an output that is rendered first, too."""
        await self.ready()
        assert (await self.get(f"{HOME}/x30.jpg", if_none_match="*")).status == 304
        assert (await self.ask("HEAD", f"{HOME}/x30.jpg", if_none_match="*")).status == 304


class TestRanges(ConditionsTestCase):
    """Parts of a file."""

    async def test_a_part(self) -> None:
        """First and last byte, an open end and a suffix give that part."""
        await self.ready()
        for asked, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=5-9", 5, 9),
            ("bytes=300-", 300, SIZE - 1),
            ("bytes=-10", SIZE - 10, SIZE - 1),
            (f"bytes=-{SIZE * 9}", 0, SIZE - 1),
            ("bytes=10-99999999999", 10, SIZE - 1),
        ):
            answer = await self.original(range=asked)
            assert answer.status == 206
            assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
            assert answer.headers["content-length"] == str(last - first + 1)
            assert answer.body == PICTURE[first : last + 1]

    async def test_beyond_the_end(self) -> None:
        """A range outside of the file is 416, has the size, and is not cacheable (RFC 9110, 15.5.17)."""
        await self.ready()
        for asked in (f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"):
            answer = await self.original(range=asked)
            assert answer.status == 416
            assert answer.headers["content-range"] == f"bytes */{SIZE}"
            assert str(SIZE) in answer.error

    async def test_malformed_ranges_are_ignored(self) -> None:
        """Several ranges, backward ones, other units and nonsense give the whole file."""
        await self.ready()
        for asked in ("bytes=0-1,5-6", "bytes=9-5", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "0-5", "bytes=0-1-"):
            answer = await self.original(range=asked)
            assert (answer.status, answer.body) == (200, PICTURE)

    async def test_if_range(self) -> None:
        """A part needs the same strong tag or date, else the whole file comes (RFC 9110, 13.1.5)."""
        etag = (await self.ready()).headers["etag"]
        at, other = formatdate(MODIFIED_S, usegmt=True), formatdate(MODIFIED_S + 1, usegmt=True)
        for condition, status in ((etag, 206), (at, 206), ('"a"', 200), (f"W/{etag}", 200), (other, 200), ("x", 200)):
            assert (await self.original(range="bytes=0-3", if_range=condition)).status == status

    async def test_only_get_has_ranges(self) -> None:
        """HEAD ignores them (RFC 9110, 14.2)."""
        await self.ready()
        answer = await self.original("HEAD", range="bytes=0-3")
        assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))

    async def test_conditions_come_before_ranges(self) -> None:
        """304 wins over any range."""
        await self.ready()
        assert (await self.original(range="bytes=0-3", if_none_match="*")).status == 304


class TestElsewhere(ConditionsTestCase):
    """A server in another time zone."""

    @pytest.fixture(autouse=True)
    def _zone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.zone = monkeypatch

    async def test_dates_without_a_zone_are_gmt(self) -> None:
        """Dates in the form of asctime, which has no zone, are GMT (RFC 9110, 5.6.7)."""
        import time  # noqa: PLC0415

        await self.ready()
        self.zone.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(self.zone.undo)
        assert await self.statuses("if_modified_since", "Tue Nov 14 22:13:20 2023") == [304]
        assert await self.statuses("if_modified_since", "Tue Nov 14 22:13:19 2023") == [200]
