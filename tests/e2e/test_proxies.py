"""Real proxies tell the daemon the addresses of their clients: HAProxy and nginx, as docs/limits.md says."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from daemon import Daemon, until
from ports import free_port, listens
from processes import LONGEST_S

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

NGINX = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
{modules}
events {{}}
{body}
"""

NGINX_HTTP = """
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_pass http://{server};
        }}
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

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

LIMITS = "limits: {{requests_per_s: 0.02, trusted_proxies: [{trusted}], proxy_protocol: {header}}}"


def find(program: str) -> str:
    """Return the path of a program; skip the test if it is missing."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"no {program}: install Debian's package {program}")
    return found


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a proxy until the block ends."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + LONGEST_S
        while not listens(port):
            assert process.poll() is None, command
            assert time.monotonic() < end_s, f"{command[0]} did not start"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(LONGEST_S)


@contextmanager
def haproxy(folder: Path, server: str, **lines: str) -> Iterator[int]:
    """Run HAProxy in front of a server, and yield its port."""
    program, port = find("haproxy"), free_port()
    given = {"mode": "http", "frontend": "", "backend": "", "options": "", **lines}
    path = folder / "haproxy.cfg"
    path.write_text(HAPROXY.format(port=port, server=server, **given))
    with running([program, "-db", "-f", str(path)], port):
        yield port


@contextmanager
def nginx(folder: Path, server: str, body: str, modules: str = "") -> Iterator[int]:
    """Run nginx in front of a server, and yield its port."""
    program, port = find("nginx"), free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else the workers could not reach the socket of the test
    filled = body.format(folder=folder, port=port, server=server)
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, user=user, modules=modules, body=filled))
    with running([program, "-e", str(folder / "error.log"), "-c", str(path)], port):
        yield port


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
    with haproxy(tmp_path, server, mode="tcp", frontend=frontend, options=options) as port:
        check(daemon, port)


def test_haproxy_checks_the_health(start: Start, tmp_path: Path) -> None:
    """Its own checks have a header without a client: the daemon counts them as those of the proxy, and answers."""
    daemon, server = start(header=True)
    options = "send-proxy-v2 check check-send-proxy inter 200ms rise 1"
    with haproxy(tmp_path, server, mode="tcp", backend="option httpchk GET /status_check", options=options) as port:
        assert set(logged(daemon, "/status_check")) == {"127.0.0.1"}
        check(daemon, port)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_haproxy_sends_the_address_in_a_header(start: Start, unix: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """With `option forwardfor`, over connections that it uses again; also to a UNIX socket."""
    daemon, server = start(unix=unix)
    with haproxy(tmp_path, server, frontend="option forwardfor") as port:
        check(daemon, port)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_nginx_sends_the_address_in_a_header(start: Start, unix: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """With `$proxy_add_x_forwarded_for`, which keeps what the client wrote; also to a UNIX socket."""
    daemon, server = start(unix=unix)
    with nginx(tmp_path, f"unix:{server}:" if unix else server, NGINX_HTTP) as port:
        check(daemon, port)


def test_nginx_sends_proxy_headers(start: Start, tmp_path: Path) -> None:
    """Its module for streams, with `proxy_protocol on`."""
    find("nginx")
    if not STREAM_MODULE.exists():
        pytest.skip("no module for streams: install Debian's package libnginx-mod-stream")
    daemon, server = start(header=True)
    with nginx(tmp_path, server, NGINX_STREAM, f"load_module {STREAM_MODULE};") as port:
        check(daemon, port)


def test_haproxy_before_nginx(start: Start, tmp_path: Path) -> None:
    """A chain of two proxies, the second of which speaks HTTP: both are trusted, and the client is found."""
    daemon, server = start()
    with (
        nginx(tmp_path, server, NGINX_HTTP) as inner,
        haproxy(tmp_path, f"127.0.0.1:{inner}", frontend="option forwardfor") as port,
    ):
        check(daemon, port)


def test_without_the_setting_a_proxy_is_the_client(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Then all clients share a limit, and the log names the proxy."""
    daemon = make_daemon("limits: {requests_per_s: 0.02}")
    with haproxy(tmp_path, urlsplit(daemon.public).netloc, frontend="option forwardfor") as port:
        assert [ask(port, client, "/from/all") for client in CLIENTS] == [404, 429]
        assert logged(daemon, "/from/all") == ["127.0.0.1"] * 2
        until(lambda: "limits.requests_per_s refuses 127.0.0.1 " in daemon.log.read_text(), daemon)
