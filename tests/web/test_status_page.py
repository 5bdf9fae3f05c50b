"""The pages of the status port, as they leave the server."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from raw_client import Answer, begin
from service_case import HOME, ServiceTestCase, other_picture
from snapshots import HASH, HOSTILE, QUIET, make_busy

from imaged.statuspage.page_files import Page, status_page, try_page
from imaged.statuspage.status_json import to_json


def inline(body: str, tag: str) -> str:
    """Return what is in the one inline element of a kind."""
    (found,) = re.findall(rf"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("page", [status_page(), try_page()])
def test_the_policy_allows_the_page_itself_and_nothing_else(page: Page) -> None:
    """The one style and the one script by their hashes; no form, no frame, no base, and nothing inline besides."""
    body = page.render(to_json(QUIET)).decode()
    policy = page.policy()
    for tag in ("style", "script"):
        digest = b64encode(sha256(inline(body, tag).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]*\s(style|on\w+)=", body.replace(inline(body, "script"), ""))
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", body)


def test_what_clients_sent_is_text() -> None:
    """In rows, alerts, faults and titles: the markup of a hostile page is that of a harmless one."""
    hostile, harmless = (status_page().render(to_json(make_busy(text=text))).decode() for text in (HOSTILE, "x"))
    assert "onerror=alert(1)&gt;" in hostile
    tags = [re.findall(r"<(/?\w+)", page) for page in (hostile, harmless)]
    assert tags[0] == tags[1]


def test_every_figure_of_a_snapshot_is_on_the_page() -> None:
    """In the words of people, and exactly for whoever points at it."""
    body = status_page().render(to_json(make_busy())).decode()
    for text in (HASH, "1,234,567", "988 MB", "987,654,321 bytes", "1 d 2 h", "2026-01-02 04:00:00 UTC", "b.yaml:2"):
        assert text in body
    assert body.count("<tr data-attr=") == 7  # six errors, and the template
    quiet = status_page().render(to_json(QUIET)).decode()
    assert '<p class="empty" data-if="!processing.items">nothing in flight</p>' in quiet
    assert '<a href="/try" data-if="try_page" hidden="">' in quiet


def test_there_is_a_bound_to_what_is_shown() -> None:
    """A hundred rows of a thousand, and the page says how many more there are."""
    body = status_page().render(to_json(make_busy(1000))).decode()
    assert body.count(">http://a/x300.jpg</td>") == 100
    assert "and 900 more" in body


class TestPages(ServiceTestCase):
    """What the status port gives to browsers."""

    settings = "{status: {timing_header: true}}"

    async def private(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """Ask the status port."""
        return await (await begin(self.status_url, method, target, headers)).answer()

    async def test_people_get_a_page(self) -> None:
        """Not to be kept, and with HEAD as well; each request is answered anew."""
        await self.serve()
        for target in ("/", "/status"):
            answer = await self.private(target)
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-security-policy"] == status_page().policy()
            assert b"still pictures" in answer.body
            head = await self.private(target, "HEAD")
            assert (head.status, head.body) == (200, b"")
            assert abs(int(head.headers["content-length"]) - len(answer.body)) < 100

    async def test_what_is_in_flight_is_on_the_page(self) -> None:
        """With the namespace, the hash and the output."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        body = (await self.private("/status")).body.decode()
        assert re.search(r"<td [^>]*title=\"x30.jpg\">x30.jpg</td>", body)
        assert re.search(r'id="processing-current"[^>]*>1</dd>', body)
        self.service_harness.processor.release()
        await connection.ended

    async def test_the_try_page_is_there_when_it_is_wanted(self) -> None:
        """As soon as a reload says so; else it says which setting that is, and the public port says nothing."""
        await self.serve()
        refused = await self.private("/try")
        assert (refused.status, refused.error) == (404, "this page is off: set status.try_page to true")
        assert "vary" not in (await self.get("/status_check", Origin=self.status_url)).headers
        self.configure(status={"try_page": True, "allow_hosts": ["pictures.example"]}, namespaces={"avatars": {}})
        assert (await self.service.reload()).ok
        answer = await self.private("/try", Host="pictures.example:7002")
        public = self.url.replace("localhost", "pictures.example")
        assert f'data-public="{public}"' in answer.body.decode()
        assert b'value="avatars"' in answer.body
        assert f"connect-src {public}; img-src data: blob:;" in answer.headers["content-security-policy"]
        assert (await self.private("/try", "HEAD")).body == b""
        assert (await self.private("/try", "POST")).status == 405
        assert (await self.private("/try", Host="a; script-src *")).status == 400
        assert b"under a name, such as localhost" in (await self.private("/try", Host="[::1]:7002")).body

    async def test_the_page_of_the_status_port_may_read_the_public_port(self) -> None:
        """Answers, errors and refused bodies alike; no other page may, and no preflight is ever granted."""
        await self.serve(status={"try_page": True}, sources={"maximum_bytes": 20_000})
        own = {"Origin": self.status_url, "Host": self.url.removeprefix("http://")}
        hostile = own | {"Origin": "http://evil.example:7002"}
        posted = await self.post(body=other_picture(), **own)
        home = f"/p/{posted.json()['partitionedHash']}"
        for headers, allowed in ((own, self.status_url), (hostile, None)):
            answers = [
                await self.get(f"{home}/x30.jpg", **headers),
                await self.get("/p/nothing/here", **headers),
                await self.post(body=bytes(20_001), **headers),
            ]
            assert [answer.status for answer in answers] == [200, 404, 413]
            for answer in answers:
                assert answer.headers.get("access-control-allow-origin") == allowed
                assert answer.headers["vary"] == "Origin"
                assert answer.headers.get("access-control-expose-headers") == (
                    "Server-Timing, X-Request-Id" if allowed else None
                )
                assert "access-control-allow-credentials" not in answer.headers
        preflight = await self.ask("OPTIONS", "/p", **own)
        assert preflight.status == 405
        assert not {"access-control-allow-methods", "access-control-allow-headers"} & preflight.headers.keys()
        status = await self.private("/status.json", Origin=self.status_url)
        assert "access-control-allow-origin" not in status.headers


class TestSocket(ServiceTestCase):
    """A public port that no browser can reach."""

    settings = "{status: {try_page: true}}"

    async def test_the_try_page_says_that_it_cannot(self) -> None:
        """In place of its form, and it may talk to nobody."""
        await self.serve()
        self.configure(listen=f"unix:{self.folder / 'public.sock'}")
        assert (await self.service.reload()).ok
        answer = await (await begin(self.status_url, "GET", "/try")).answer()
        assert b"The public port is a UNIX socket" in answer.body
        assert b'<form class="panel" id="form" data-if="public" autocomplete="off" hidden="">' in answer.body
        assert "connect-src 'none'" in answer.headers["content-security-policy"]
