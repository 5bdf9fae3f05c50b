"""Real proxies tell the daemon the addresses of their clients: HAProxy and nginx, as docs/limits.md says."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from daemon import Daemon, until
from nginx_process import NginxProcess
from server_process import ServerProcess

CLIENTS = ("127.0.0.7", "127.0.0.8")
"""Addresses of this machine that no proxy here connects from."""

HAPROXY = """
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    mode {mode}
    bind 127.0.0.1:{port}
    {frontend}
    default_backend imaged
backend imaged
    mode {mode}
    {backend}
    server one {server} {options}
"""

NGINX_HTTP = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_pass http://{server};
    }}
}}
"""

NGINX_STREAM = """
stream {{
    server {{
        listen 127.0.0.1:{port};
        proxy_pass {server};
        proxy_protocol on;
    }}
}}
"""

LIMITS = "limits: {{requests_per_s: 0.02, trusted_proxies: [{trusted}], proxy_protocol: {header}}}"


class HaProxy(ServerProcess):
    """HAProxy in front of a server. `lines` fill the gaps of its configuration."""

    def __init__(self, folder: Path, server: str, **lines: str) -> None:
        super().__init__(folder / "haproxy")
        self._server = server
        self._lines = {"mode": "http", "frontend": "", "backend": "", "options": "", **lines}

    def command(self) -> list[str]:
        """Write the configuration; return the command that starts HAProxy. Skip the test if it is missing."""
        program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.skip("no haproxy: install Debian's package haproxy")
        path = self.folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(port=self.port, server=self._server, **self._lines))
        return [program, "-db", "-f", str(path)]


class NginxProxy(NginxProcess):
    """nginx in front of a server, with `X-Forwarded-For`."""

    def __init__(self, folder: Path, server: str) -> None:
        super().__init__(folder / "nginx")
        self._server = server

    def blocks(self) -> str:
        """Return the block of a site that passes each request on."""
        return self.http(NGINX_HTTP.format(port=self.port, server=self._server))


class NginxStream(NginxProxy):
    """nginx in front of a server, with a PROXY header."""

    module = "ngx_stream_module.so"
    package = "libnginx-mod-stream"

    def blocks(self) -> str:
        """Return the block of a port whose connections are passed on."""
        return NGINX_STREAM.format(port=self.port, server=self._server)


@contextmanager
def running(proxy: ServerProcess) -> Iterator[int]:
    """Run a proxy until the block ends, and yield its port."""
    proxy.start()
    try:
        yield proxy.port
    finally:
        proxy.stop()


def ask(port: int, client: str, target: str, *forwarded: str) -> int:
    """Return the status of a request that a client sends to a proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(client, 0))
    try:
        connection.putrequest("GET", target)
        for each in forwarded:
            connection.putheader("X-Forwarded-For", each)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def logged(daemon: Daemon, target: str) -> list[str]:
    """Return the clients of all requests for a target, when there are any."""

    def clients() -> list[str]:
        lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
        return [line["client"] for line in lines if line.get("path") == target]

    return list(until(clients, daemon))


def check(daemon: Daemon, port: int) -> None:
    """Each client has its own limit and its own address in the log, and no header of a client changes that."""
    for client in CLIENTS:
        assert ask(port, client, f"/from/{client}/1") == 404
        assert ask(port, client, f"/from/{client}/2") == 429
        assert ask(port, client, f"/from/{client}/3", "203.0.113.1", "198.51.100.1, 127.0.0.9") == 429
        assert [logged(daemon, f"/from/{client}/{number}") for number in (1, 2, 3)] == [[client]] * 3


@pytest.fixture
def start(make_daemon: Callable[..., Daemon]) -> Callable[..., tuple[Daemon, str]]:
    """Return a function that starts a daemon with limits; it returns the address for proxies, too."""

    def starter(*, header: bool = False, unix: bool = False) -> tuple[Daemon, str]:
        settings = LIMITS.format(trusted="unix" if unix else "127.0.0.1", header=str(header).lower())
        if not unix:
            daemon = make_daemon(settings)
            return daemon, urlsplit(daemon.public).netloc
        ports = ("listen=unix:http", "status.listen=tcp:0:interface=127.0.0.1")
        daemon = make_daemon(settings, ports=ports)
        return daemon, str(daemon.folder / "http")

    return starter


Start = Callable[..., tuple[Daemon, str]]


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_sends_proxy_headers(start: Start, options: str, tmp_path: Path) -> None:
    """Versions 1 and 2, also with additional fields."""
    daemon, server = start(header=True)
    frontend = "unique-id-format %{+X}o%ci" if "unique-id" in options else ""
    with running(HaProxy(tmp_path, server, mode="tcp", frontend=frontend, options=options)) as port:
        check(daemon, port)


def test_haproxy_checks_the_health(start: Start, tmp_path: Path) -> None:
    """Its own checks have a header without a client: the daemon counts them as those of the proxy, and answers."""
    daemon, server = start(header=True)
    options = "send-proxy-v2 check check-send-proxy inter 200ms rise 1"
    with running(
        HaProxy(tmp_path, server, mode="tcp", backend="option httpchk GET /status_check", options=options)
    ) as port:
        assert set(logged(daemon, "/status_check")) == {"127.0.0.1"}
        check(daemon, port)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_haproxy_sends_the_address_in_a_header(start: Start, unix: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """With `option forwardfor`, over connections that it uses again; also to a UNIX socket."""
    daemon, server = start(unix=unix)
    with running(HaProxy(tmp_path, server, frontend="option forwardfor")) as port:
        check(daemon, port)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_nginx_sends_the_address_in_a_header(start: Start, unix: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """With `$proxy_add_x_forwarded_for`, which keeps what the client wrote; also to a UNIX socket."""
    daemon, server = start(unix=unix)
    with running(NginxProxy(tmp_path, f"unix:{server}:" if unix else server)) as port:
        check(daemon, port)


def test_nginx_sends_proxy_headers(start: Start, tmp_path: Path) -> None:
    """Its module for streams, with `proxy_protocol on`."""
    daemon, server = start(header=True)
    with running(NginxStream(tmp_path, server)) as port:
        check(daemon, port)


def test_haproxy_before_nginx(start: Start, tmp_path: Path) -> None:
    """A chain of two proxies, the second of which speaks HTTP: both are trusted, and the client is found."""
    daemon, server = start()
    with (
        running(NginxProxy(tmp_path, server)) as inner,
        running(HaProxy(tmp_path, f"127.0.0.1:{inner}", frontend="option forwardfor")) as port,
    ):
        check(daemon, port)


def test_without_the_setting_a_proxy_is_the_client(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Then all clients share a limit, and the log names the proxy."""
    daemon = make_daemon("limits: {requests_per_s: 0.02}")
    with running(HaProxy(tmp_path, urlsplit(daemon.public).netloc, frontend="option forwardfor")) as port:
        assert [ask(port, client, "/from/all") for client in CLIENTS] == [404, 429]
        assert logged(daemon, "/from/all") == ["127.0.0.1"] * 2
        until(lambda: "limits.requests_per_s refuses 127.0.0.1 " in daemon.log.read_text(), daemon)
