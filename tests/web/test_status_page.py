"""The pages of the status port over HTTP."""

from __future__ import annotations

import re

from raw_client import Answer, begin
from service_case import HOME, ServiceTestCase, other_picture

from imaged.statuspage.page import status_page
from imaged.web.cors import EXPOSED


class TestPages(ServiceTestCase):
    """Browsers get pages from the status port."""

    settings = "{status: {timing_header: true}}"

    async def private(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """Ask the status port."""
        return await (await begin(self.status_url, method, target, headers)).answer()

    async def test_browsers_get_a_page(self) -> None:
        """No cache keeps it, and HEAD works; each request gets a new one."""
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

    async def test_the_page_shows_renders_in_flight(self) -> None:
        """A render is shown with its namespace, its hash and its output."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        body = (await self.private("/status")).body.decode()
        assert re.search(r"<td [^>]*title=\"x30.jpg\">x30.jpg</td>", body)
        assert re.search(r'id="processing-current"[^>]*>1</dd>', body)
        self.service_harness.processor.release()
        await connection.ended

    async def test_a_setting_turns_the_try_page_on(self) -> None:
        """A reload turns it on; while it is off, the answer names the setting, and the public port sends no Vary."""
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
        """It may read answers, errors and refusals; no other page may, and no preflight is answered."""
        await self.serve(status={"try_page": True}, sources={"maximum_bytes": 20_000})
        own = {"Origin": self.status_url, "Host": self.url.removeprefix("http://")}
        hostile = own | {"Origin": "http://evil.example:7002"}
        posted = await self.post(body=other_picture(), **own)
        home = f"/p/{posted.json()['partitionedHash']}"
        for headers, allowed, refused in ((own, self.status_url, 413), (hostile, None, 403)):
            answers = [
                await self.get(f"{home}/x30.jpg", **headers),
                await self.get("/p/nothing/here", **headers),
                await self.post(body=bytes(20_001), **headers),
            ]
            assert [answer.status for answer in answers] == [200, 404, refused]
            for answer in answers:
                assert answer.headers.get("access-control-allow-origin") == allowed
                assert answer.headers["vary"] == "Origin"
                assert answer.headers.get("access-control-expose-headers") == (EXPOSED if allowed else None)
                assert "access-control-allow-credentials" not in answer.headers
        preflight = await self.ask("OPTIONS", "/p", b"", **own)
        assert preflight.status == 405
        assert not {"access-control-allow-methods", "access-control-allow-headers"} & preflight.headers.keys()
        status = await self.private("/status.json", Origin=self.status_url)
        assert "access-control-allow-origin" not in status.headers


class TestSocket(ServiceTestCase):
    """The public port is a UNIX socket."""

    settings = "{status: {try_page: true}}"

    async def test_the_try_page_says_that_it_cannot_post(self) -> None:
        """It says so instead of showing its form, and its policy allows no connection."""
        await self.serve()
        self.configure(listen=f"unix:{self.folder / 'public.sock'}")
        assert (await self.service.reload()).ok
        answer = await (await begin(self.status_url, "GET", "/try")).answer()
        assert b"The public port is a UNIX socket" in answer.body
        assert b'<form class="panel" id="form" hidden autocomplete="off">' in answer.body
        assert "connect-src 'none'" in answer.headers["content-security-policy"]
