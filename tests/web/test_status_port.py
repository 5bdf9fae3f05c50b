"""The status port: for people, for programs, for load balancers."""

from __future__ import annotations

import pytest
from serving import HOME, Serving, until
from talking import Answer, begin
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from imaged.web.status import is_local
from imaged.web.status_page import render_page


class TestStatusPort(Serving):
    """What it answers."""

    async def private(self, target: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Ask the status port."""
        return await (await begin(self.status_url, method, target, body=body)).answer()

    async def test_people_get_a_page(self) -> None:
        """Self-contained, not to be kept, and allowed to load nothing."""
        await self.serve()
        for target in ("/", "/status"):
            answer = await self.private(target)
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert b"still pictures" in answer.body

    async def test_what_is_in_flight_is_on_the_page(self) -> None:
        """With the namespace, the hash and the output."""
        await self.serve()
        await self.post()
        self.stage.processor.hold()
        talk = await self.begin("GET", f"{HOME}/x30.jpg")
        await until(lambda: self.stage.processor.jobs)
        assert b"<td>x30.jpg</td>" in (await self.private("/status")).body
        self.stage.processor.release()
        await talk.ended

    async def test_programs_get_json(self) -> None:
        """HEAD as well."""
        await self.serve()
        assert (await self.private("/status.json")).json()["message"] == "OK"
        assert (await self.private("/status.json", "HEAD")).body == b""
        assert (await self.private("/status_check")).body == b"OK\n"

    async def test_a_reload_can_be_asked_for(self) -> None:
        """It does what SIGHUP does, and the answer is how it ended."""
        await self.serve()
        outcome = await self.private("/reload", "POST")
        assert (outcome.status, outcome.json()["ok"], outcome.json()["generation"]) == (200, True, 2)
        self.yaml = "nonsense: 1\n"
        outcome = await self.private("/reload", "POST")
        assert (outcome.status, outcome.json()["ok"], outcome.json()["generation"]) == (422, False, 2)
        assert outcome.json()["errors"][0].startswith("etc/imaged.yaml:1: nonsense: unknown key")
        assert "refused" in outcome.json()["error"]
        assert (await self.status())["generation"]["last_reload"]["errors"] == outcome.json()["errors"]

    async def test_a_reload_is_for_this_machine_alone(self) -> None:
        """Not for whom a proxy asks, nor for a page that somebody's browser shows; and GET changes nothing."""
        await self.serve()
        for header in ("X-Forwarded-For", "Forwarded", "Origin"):
            answer = await (await begin(self.status_url, "POST", "/reload", {header: "http://localhost"})).answer()
            assert (answer.status, "this machine alone" in answer.error) == (403, True)
        refused = await self.private("/reload")
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
        assert self.service._lineage.current.number == 1

    async def test_nothing_else_is_there(self) -> None:
        """Images are not, and neither are other methods."""
        await self.serve()
        await self.post()
        assert (await self.private(f"{HOME}/original")).status == 404
        assert (await self.private("/metrics")).error
        refused = await self.private("/status.json", "POST", b"x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert (await self.private("/status.json", "POST", bytes(100_000))).status == 413


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (IPv4Address("TCP", "127.0.0.1", 5), True),
        (IPv4Address("TCP", "10.1.2.3", 5), False),
        (IPv6Address("TCP", "::1", 5), True),
        (IPv6Address("TCP", "::ffff:127.0.0.1", 5), True),
        (IPv6Address("TCP", "::ffff:10.1.2.3", 5), False),
        (IPv6Address("TCP", "fe80::1%eth0", 5), False),
        (UNIXAddress(b""), True),
    ],
)
def test_who_is_on_this_machine(address: IAddress, *, local: bool) -> None:
    """By address; whoever can open a UNIX socket is."""
    assert is_local(address) is local


def test_the_page_shows_what_clients_sent_as_text() -> None:
    """A URL is no markup."""
    items = [{"url": "http://a/<script>alert('x')</script>&amp;", "bytes": 1, "elapsed_s": 0.123}]
    page = render_page({"message": "<b>", "downloads": {"current": 1, "items": items}, "plugins": []})
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;amp;" in page
    assert "0.12" in page


def test_the_page_says_when_jobs_are_parked() -> None:
    """Of either kind, with the command that shows them; with none it says nothing."""
    page = render_page({"message": "OK", "promised": {"parked": 2}, "uploads": {"parked": 3}})
    assert "Jobs that were given up: 5. <code>imaged queue list --parked</code>" in page
    assert "imaged queue" not in render_page({"message": "OK", "promised": {"parked": 0}, "uploads": {"parked": 0}})


def test_the_page_says_what_is_wrong_with_the_remote_store() -> None:
    """As text, while it is away."""
    page = render_page({"message": "OK", "remote": {"fault": "<no> such bucket"}})
    assert '<p class="alert" role="alert">The remote store is away' in page
    assert "&lt;no&gt; such bucket</p>" in page
    assert 'role="alert"' not in render_page({"message": "OK", "remote": {"fault": None}})
