"""Only the page at /try may read answers of the public port, and only while it is on."""

from __future__ import annotations

import pytest

from imaged.config.model import Settings, StatusSettings
from imaged.core.errors import MalformedRequestError
from imaged.web.cors import CorsPolicy

URLS = ("http://localhost:7000", "http://localhost:7002")


def cors(urls: tuple[str | None, str | None] = URLS, *, on: bool = True) -> CorsPolicy:
    """Return the policy of a daemon with /try on or off."""
    return CorsPolicy(lambda: urls, lambda: Settings(status=StatusSettings(try_page=on)))


def allowed(origin: str | None, host: str | None, urls: tuple[str | None, str | None] = URLS) -> str | None:
    """Return the origin that may read the answer to a request with these headers."""
    headers = cors(urls).headers(origin, host)
    assert headers["Vary"] == "Origin"
    return headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "pictures.example"])
def test_the_status_page_may_read_the_public_port(host: str) -> None:
    """It may under any host name that reaches both ports."""
    origin = f"http://{host}:7002"
    assert allowed(origin, f"{host}:7000") == origin
    assert allowed(origin, host.upper()) == origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:7000"),
        ("null", "localhost:7000"),
        ("http://evil.example", "localhost:7000"),
        ("http://evil.example:7002", "localhost:7000"),
        ("http://localhost:7002.evil.example", "localhost:7000"),
        ("http://localhost.evil.example:7002", "localhost:7000"),
        ("http://localhost:7002/", "localhost:7000"),
        ("http://localhost:7000", "localhost:7000"),
        ("http://localhost:8000", "localhost:7000"),
        ("http://localhost", "localhost:7000"),
        ("https://localhost:7002", "localhost:7000"),
        ("http://127.0.0.1:7002", "localhost:7000"),
        ("http://a@localhost:7002", "a@localhost:7000"),
        ("http://evil.example:7002", "evil.example:7002:7000"),
        ("http://a b:7002", "a b:7000"),
        ("http://localhost:7002", None),
        ("http://:7002", ""),
        ("*", "*"),
    ],
)
def test_no_other_page_may(origin: str | None, host: str | None) -> None:
    """Another host, port or scheme is refused, and so is a similar one."""
    assert allowed(origin, host) is None


def test_no_headers_while_the_page_is_off() -> None:
    """Not even Vary is sent, since answers then depend on no origin."""
    assert cors(on=False).headers("http://localhost:7002", "localhost:7000") == {}


def test_sockets_and_closed_ports_have_no_page() -> None:
    """No origin is allowed where no browser reaches the status port."""
    for url in (None, "unix:/run/status.sock"):
        assert allowed("http://localhost:7002", "localhost:7000", (URLS[0], url)) is None


def test_usual_ports_are_not_written() -> None:
    """An origin leaves out default ports (RFC 6454, 6.1)."""
    urls = ("https://localhost:443", "http://localhost:80")
    assert allowed("http://a.example", "a.example", urls) == "http://a.example"
    assert cors(urls).public_origin("a.example:80") == "https://a.example"


def test_where_the_page_finds_the_public_port() -> None:
    """It is at the page's own host; a UNIX socket has no origin, and a bad Host header is an error."""
    assert cors().public_origin("Pictures.example:7002") == "http://pictures.example:7000"
    assert cors().public_origin("[::1]:7002") == "http://[::1]:7000"
    assert cors(("unix:/run/public.sock", URLS[1])).public_origin("localhost:7002") is None
    for host in ("", "a; script-src *", "a b", "a/b"):
        with pytest.raises(MalformedRequestError, match="Host header"):
            cors().public_origin(host)
