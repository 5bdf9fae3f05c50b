"""A port that moves serves the connections in its queue; a port that cannot be opened changes nothing."""

from __future__ import annotations

import os
import select
import socket
import stat

import pytest
from certificates import write_certificate
from raw_client import begin, connect, request
from real_reactor import reactor
from service_case import HOME, ServiceTestCase, until
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from imaged.config.model import Settings
from imaged.core.snapshot import Reload
from imaged.process.endpoints import PUBLIC, find_clash, find_fault, find_unknown_peers
from imaged.process.inherited_sockets import ActivationSocket, InheritedPort, InheritedSockets
from imaged.process.ports import PortError
from imaged.process.sockets import serves


def free_port() -> int:
    """Return the number of a free port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def on(number: int, interface: str = ":interface=127.0.0.1") -> str:
    """Return the endpoint of a port."""
    return f"tcp:{number}{interface}"


class TestMoving(ServiceTestCase):
    """A reload that changes where the daemon listens."""

    async def move(self, endpoint: str) -> Reload:
        """Reload with another endpoint of the public port, and return the outcome."""
        self.configure(listen=endpoint)
        outcome = await self.service.reload()
        self.url = self.service.ports[PUBLIC].url
        return outcome

    async def test_new_connections_go_to_the_new_port(self) -> None:
        """The old one is closed, and its open connections stay open."""
        await self.serve()
        await self.post()
        before = self.url
        inside = await connect(before)
        inside.send(request("GET", "/status_check", {"Connection": "keep-alive"}))
        await until(lambda: inside.received)
        assert (await self.move(on(free_port()))).ok is True
        assert (await self.get(f"{HOME}/original")).status == 200
        with pytest.raises(ConnectError):
            await connect(before)
        inside.send(request("GET", f"{HOME}/info.json"))
        assert (await inside.answer()).status == 200

    async def test_connections_that_wait_to_be_accepted_are_served(self) -> None:
        """The kernel has completed them; closing the socket would reset them."""
        await self.serve()
        host, port = "127.0.0.1", int(self.url.rpartition(":")[2])
        reloading = self.service.reload()
        waiting = [socket.create_connection((host, port)) for _ in range(100)]  # the reactor does not run between these
        self.configure(listen=on(free_port()))
        assert (await reloading).ok
        for each in waiting:
            each.setblocking(False)
            each.send(request("GET", "/status_check"))
        await until(lambda: len(select.select(waiting, [], [], 0)[0]) == len(waiting))
        assert {each.recv(15) for each in waiting} == {b"HTTP/1.1 200 OK"}
        for each in waiting:
            each.close()

    async def test_from_one_interface_to_all_and_back(self) -> None:
        """On the same port number: the two sockets share it for a moment, which no other program can."""
        self.settings = "access: {open: true}"
        number = free_port()
        await self.serve(listen=on(number))
        assert (await self.move(on(number, ""))).ok is True
        assert (await self.get("/status_check")).status == 200
        assert (await self.move(on(number))).ok is True
        assert (await self.get("/status_check")).status == 200
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", number))

    async def test_to_all_interfaces_without_a_token(self) -> None:
        """The reload fails with the line of `listen`, and so does one that removes the last token."""
        number = free_port()
        await self.serve(listen=on(number))
        outcome = await self.move(on(number, ""))
        assert outcome.ok is False
        (fault,) = outcome.errors
        assert fault.startswith("etc/imaged.yaml:")
        assert ": listen: without access.tokens, every machine that reaches this address may post" in fault
        self.configure(listen=on(number, ""), access={"tokens": [{"name": "a", "token": "0123456789abcdefghij"}]})
        assert (await self.service.reload()).ok
        assert (await self.post()).status == 401
        outcome = await self.move(on(number, ""))
        assert outcome.ok is False
        assert (await self.post()).status == 401

    async def test_two_settings_are_swapped(self) -> None:
        """The public port becomes the status port, but open connections stay public."""
        one, other = on(free_port()), on(free_port())
        await self.serve(listen=one, status={"listen": other})
        inside = await connect(self.url)
        self.configure(listen=other, status={"listen": one})
        assert (await self.service.reload()).ok
        self.url, self.status_url = self.status_url, self.url
        assert (await self.get("/status.json")).status == 404
        assert (await self.status())["message"] == "OK"
        inside.send(request("GET", "/status.json"))
        assert (await inside.answer()).status == 404

    async def test_a_port_that_is_taken(self) -> None:
        """The fault has its line, and nothing changes: the other new port is closed again."""
        await self.serve()
        taken = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        self.addCleanup(taken.stopListening)
        public = free_port()
        self.configure(listen=on(public), status={"listen": on(taken.getHost().port)})
        before = self.service.generations.current
        (fault,) = (await self.service.reload()).errors
        file, line, key, *_ = fault.split(":")
        assert (file, key) == ("etc/imaged.yaml", " status.listen")
        assert str(taken.getHost().port) in self.yaml.splitlines()[int(line) - 1]
        assert "Address already in use" in fault
        assert self.service.generations.current is before
        assert (await self.get("/status_check")).status == 200
        with pytest.raises(ConnectError):
            await connect(f"http://127.0.0.1:{public}")
        assert [each.closed for each in self.service_harness.processors] == [0, 1]

    async def test_a_unix_socket(self) -> None:
        """It has the mode of the setting, replaces a stale path, and leaves none at the end."""
        path = f"{self.folder}/s"
        with socket.socket(socket.AF_UNIX) as crashed:
            crashed.bind(path)
        await self.serve()
        assert (await self.move(f"unix:{path}:mode=660")).ok is True
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660  # noqa: PTH116
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.setblocking(False)
            client.send(request("GET", "/status_check"))
            await until(lambda: select.select([client], [], [], 0)[0])
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert (await self.move(f"unix:{path}:mode=600")).ok is True
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600  # noqa: PTH116
        (fault,) = (await self.move("unix:/nowhere/s")).errors
        assert "No such file" in fault
        assert (await self.move("tcp:0:interface=127.0.0.1")).ok is True
        assert "s" not in {each.name for each in self.folder.iterdir()}

    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # in Twisted's endpoint
    async def test_a_renewed_certificate_is_loaded(self) -> None:
        """A reload without other changes reopens the endpoint on its socket; a bad file refuses the reload."""
        pem = self.folder / "certificate.pem"
        write_certificate(pem)
        await self.serve(listen=f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1")
        before, url = self.service.ports[PUBLIC], self.url
        assert url.startswith("https://localhost:")
        write_certificate(pem)
        assert (await self.service.reload()).ok
        after = self.service.ports[PUBLIC]
        assert after.listening is not before.listening
        assert after.url == url
        (await connect(url)).leave()
        pem.write_text("nonsense")
        (fault,) = (await self.service.reload()).errors
        assert ": listen: not a Twisted endpoint" in fault
        assert self.service.ports[PUBLIC] is after


class TestInherited(ServiceTestCase):
    """Sockets that the daemon inherits."""

    def passed(self) -> socket.socket:
        """Return a listening socket as systemd passes it."""
        made = socket.create_server(("127.0.0.1", 0))
        made.setblocking(False)
        self.addCleanup(made.close)
        return made

    async def test_sockets_of_systemd_by_index(self) -> None:
        """They stay open after the daemon has stopped, and new connections wait for the next one."""
        public, private = self.passed(), self.passed()
        self.inherited = InheritedSockets([ActivationSocket("a", public), ActivationSocket("b", private)])
        await self.serve(listen="systemd:domain=INET:index=0", status={"listen": "systemd:domain=INET:name=b"})
        assert self.url == f"http://localhost:{public.getsockname()[1]}"
        assert (await self.get("/status_check")).status == 200
        assert (await self.status())["message"] == "OK"
        await self.stop()
        later = await begin(self.url, "GET", "/status_check")
        self.inherited = InheritedSockets([ActivationSocket("a", public), ActivationSocket("b", private)])
        await self.serve(listen="systemd:domain=INET:index=0", status={"listen": "systemd:domain=INET:index=1"})
        assert (await later.answer()).status == 200

    async def test_a_socket_of_systemd_that_others_reach(self) -> None:
        """Without a token the start fails, although the settings do not have the address. With one it does not."""
        everywhere = socket.create_server(("0.0.0.0", 0))
        everywhere.setblocking(False)
        self.addCleanup(everywhere.close)
        self.inherited = InheritedSockets([ActivationSocket("a", everywhere)])
        with pytest.raises(PortError, match=r"listen: .*other machines reach it, and neither access.tokens"):
            await self.serve(listen="systemd:domain=INET:index=0")
        self.inherited = InheritedSockets([ActivationSocket("a", everywhere)])
        tokens = [{"name": "a", "token": "0123456789abcdefghij"}]
        await self.serve(listen="systemd:domain=INET:index=0", access={"tokens": tokens})
        self.configure(listen="systemd:domain=INET:index=0")
        outcome = await self.service.reload()
        assert outcome.ok is False
        assert "other machines reach it" in outcome.errors[0]

    async def test_a_socket_of_systemd_by_its_address(self) -> None:
        """Settings that name its address use it without mentioning systemd."""
        public = self.passed()
        self.inherited = InheritedSockets([ActivationSocket("", public)])
        await self.serve(listen=on(public.getsockname()[1]))
        assert (await self.get("/status_check")).status == 200
        await self.stop()
        assert public.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    async def test_a_setting_returns_to_a_socket_of_systemd(self) -> None:
        """The daemon keeps the descriptor open, since systemd passes it once."""
        self.inherited = InheritedSockets([ActivationSocket("", self.passed())])
        await self.serve(listen="systemd:domain=INET:index=0")
        first = self.url
        for endpoint in ("tcp:0:interface=127.0.0.1", "systemd:domain=INET:index=0"):
            self.configure(listen=endpoint)
            assert (await self.service.reload()).ok
        self.url = first
        assert (await self.get("/status_check")).status == 200

    async def test_a_socket_that_was_not_passed(self) -> None:
        """The error names the setting and the number of sockets."""
        with pytest.raises(PortError, match=r"listen: .*no such socket, but 0 in all"):
            await self.serve(listen="systemd:domain=INET:index=0")
        self.stopped = True

    async def test_ports_of_the_old_process(self) -> None:
        """One is claimed by its setting and endpoint, whatever number the system chose; others are closed."""
        public, unwanted = self.passed(), self.passed()
        self.inherited = InheritedSockets(
            ports=[
                InheritedPort("listen", "tcp:0:interface=127.0.0.1", public),
                InheritedPort("status.listen", "tcp:1", unwanted),
            ]
        )
        await self.serve()
        assert self.inherited.claimed == ["listen"]
        assert unwanted.fileno() == -1
        assert (await self.get("/status_check")).status == 200


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:7000",
        "tcp6:7000:interface=\\:\\:1",
        "unix:/run/imaged",
        "systemd:domain=INET:index=0",
        "systemd:name=a:domain=UNIX",
    ],
)
def test_good_endpoints(endpoint: str) -> None:
    """The check opens none: `imaged check` has no sockets of systemd."""
    assert find_fault(reactor, endpoint) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "7000",
        "tcp:many",
        "systemd:",
        "systemd:index=0",
        "systemd:domain=INET",
        "systemd:domain=INET:index=first",
        "systemd:domain=IPX:index=0",
        "systemd:domain=INET:index=0:name=a",
        "systemd:domain=INET:descriptor=3",
    ],
)
def test_bad_endpoints(endpoint: str) -> None:
    """The fault says what would be right."""
    fault = find_fault(reactor, endpoint)
    assert fault is not None
    assert fault.startswith("not a Twisted endpoint such as ")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("tcp:70000", "there is no port 70000: take one from 1 to 65535"),
        ("tcp:65536:interface=127.0.0.1", "there is no port 65536"),
        ("tcp:-1", "there is no port -1"),
        ("tcp6:70000:interface=\\:\\:1", "there is no port 70000"),
        ("haproxy:tcp:70000", "there is no port 70000"),
        ("tcp:7000:interface=256.0.0.1", "the interface '256.0.0.1' is no address"),
        ("tcp:7000:interface=no-such-host.invalid", "the interface 'no-such-host.invalid' is no address"),
        (f"unix:/{'a' * 107}", "the path of a socket has at most 107 bytes"),
    ],
)
def test_an_endpoint_where_nothing_can_listen(endpoint: str, said: str) -> None:
    """Twisted accepts its text, and would listen elsewhere or fail later."""
    assert str(find_fault(reactor, endpoint)).startswith(said)


@pytest.mark.parametrize(
    ("public", "status", "clash"),
    [
        ("tcp:7000:interface=127.0.0.1", "tcp:7000:interface=127.0.0.1", True),
        ("tcp:7000:interface=127.0.0.1", "tcp:7000:interface=localhost", True),
        ("tcp:7000", "tcp:7000:interface=127.0.0.1", True),
        ("tcp:7000:interface=0.0.0.0", "haproxy:tcp:7000", True),
        ("tcp:7000:interface=\\:\\:", "tcp:7000:interface=127.0.0.1", True),
        ("unix:/run/s", "unix:/run/../run/s", True),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0", True),
        ("tcp:7000", "tcp:7002", False),
        ("tcp:0", "tcp:0", False),
        ("tcp:7000:interface=127.0.0.1", "tcp:7000:interface=127.0.0.2", False),
        ("tcp:7000:interface=127.0.0.1", "tcp:7000:interface=\\:\\:1", False),
        ("unix:/run/s", "tcp:7000", False),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1", False),
        ("systemd:domain=INET:index=0", "tcp:7002", False),
    ],
)
def test_the_two_ports_must_differ(public: str, status: str, clash: bool) -> None:  # noqa: FBT001  # a case's answer
    """In whatever form they are written: a client of one must not reach the other."""
    settings = Settings.model_validate({"listen": public, "status": {"listen": status}})
    assert (find_clash(reactor, settings) is not None) is clash


@pytest.mark.parametrize(
    ("listen", "limits", "fault"),
    [
        ("tcp:7000", {"trusted_proxies": ["10.0.0.0/8"], "proxy_protocol": True}, None),
        ("unix:/run/http", {"trusted_proxies": ["unix"], "proxy_protocol": True}, None),
        ("ssl:7000", {"trusted_proxies": ["10.0.0.0/8"]}, None),
        ("haproxy:tcp:7000", {}, None),
        (
            "ssl:7000",
            {"trusted_proxies": ["10.0.0.0/8"], "proxy_protocol": True},
            "limits.proxy_protocol does not work",
        ),
        ("haproxy:tcp:7000", {"trusted_proxies": ["10.0.0.0/8"]}, "haproxy: believes any client"),
        ("haproxy:ssl:7000", {"trusted_proxies": ["unix"], "proxy_protocol": True}, "haproxy: believes any client"),
    ],
)
def test_the_proxies_are_known_by_their_connections(listen: str, limits: dict[str, object], fault: str | None) -> None:
    """An endpoint that hides which peer a connection comes from is a fault where proxies are trusted."""
    found = find_unknown_peers(Settings.model_validate({"listen": listen, "limits": limits}))
    assert found is None if fault is None else str(found).startswith(fault)


def test_a_socket_for_all_of_ipv6_may_take_ipv4_too() -> None:
    """As for a systemd unit that names a port alone, but not with BindIPv6Only."""
    for only, expected in ((0, True), (1, False)):
        with socket.socket(socket.AF_INET6) as both:
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            both.bind(("::", 0))
            number = both.getsockname()[1]
            assert serves(both, ("0.0.0.0", number)) is expected
            assert serves(both, ("::", number, 0, 0))
            assert not serves(both, ("0.0.0.0", number - 1))
            assert not serves(both, "/run/socket")
