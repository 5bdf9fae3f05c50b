"""The status port, for people, programs and load balancers."""

from __future__ import annotations

import pytest
from raw_client import Answer, begin
from service_case import HOME, ServiceTestCase
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from imaged.web.status import is_local


class TestStatusPort(ServiceTestCase):
    """Requests on the status port."""

    async def private(self, target: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Ask the status port."""
        return await (await begin(self.status_url, method, target, body=body)).answer()

    async def test_programs_get_json(self) -> None:
        """HEAD works, too."""
        await self.serve()
        assert (await self.private("/status.json")).json()["message"] == "OK"
        assert (await self.private("/status.json", "HEAD")).body == b""
        assert (await self.private("/status_check")).body == b"OK\n"

    async def test_post_reload_reloads(self) -> None:
        """It does what SIGHUP does, and the answer has the outcome."""
        await self.serve()
        outcome = await self.private("/reload", "POST")
        assert (outcome.status, outcome.json()["ok"], outcome.json()["generation"]) == (200, True, 2)
        self.yaml = "nonsense: 1\n"
        outcome = await self.private("/reload", "POST")
        assert (outcome.status, outcome.json()["ok"], outcome.json()["generation"]) == (422, False, 2)
        assert outcome.json()["errors"][0].startswith("etc/imaged.yaml:1: nonsense: unknown key")
        assert "refused" in outcome.json()["error"]
        assert (await self.status())["generation"]["last_reload"]["errors"] == outcome.json()["errors"]

    async def test_a_reload_takes_no_parameters(self) -> None:
        """The refusal of any parameter says so."""
        await self.serve()
        refused = await self.private("/reload?x=1", "POST")
        assert (refused.status, refused.error) == (400, "unknown parameter 'x': this path takes no parameters")

    async def test_a_reload_is_for_this_machine_alone(self) -> None:
        """A request of a proxy or of a web page is refused, and GET changes nothing."""
        await self.serve()
        for header in ("X-Forwarded-For", "Forwarded", "Origin"):
            answer = await (await begin(self.status_url, "POST", "/reload", {header: "http://localhost"})).answer()
            assert (answer.status, "on this machine" in answer.error) == (403, True)
        refused = await self.private("/reload")
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
        assert self.service.generations.current.number == 1

    async def test_other_paths_are_refused(self) -> None:
        """Images are not on this port, and other methods are refused."""
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
def test_clients_on_this_machine(address: IAddress, *, local: bool) -> None:
    """A loopback address or a UNIX socket is local."""
    assert is_local(address) is local
