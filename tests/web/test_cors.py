"""Pages may read answers of the public port if the settings name their origin, and the page at /try while it is on."""

from __future__ import annotations

from typing import Any, cast

import pytest
from service_case import HASH, HOME, ServiceTestCase
from twisted.web.http import Request
from twisted.web.http_headers import Headers

from imaged.config.images import ImagePolicy, NamespacePolicy
from imaged.config.model import Settings, StatusSettings
from imaged.core.errors import MalformedRequestError
from imaged.web.cors import EXPOSED, CorsPolicy

URLS = ("http://localhost:7000", "http://localhost:7002")
SITE, OTHER = "https://www.example.com", "https://evil.example"


class Asked:
    """The head of a request."""

    def __init__(
        self, origin: str | None, host: str | None = None, method: bytes = b"GET", path: bytes = b"/p"
    ) -> None:
        self.method, self.path = method, path
        given = {"Origin": origin, "Host": host}
        self.requestHeaders = Headers({name: [text] for name, text in given.items() if text is not None})


def asked(*args: Any, **kwargs: Any) -> Request:
    """Return a request by its head."""
    return cast("Request", Asked(*args, **kwargs))


def cors(urls: tuple[str | None, str | None] = URLS, *, on: bool = True) -> CorsPolicy:
    """Return the policy of a daemon with /try on or off."""
    return CorsPolicy(lambda: urls, lambda: Settings(status=StatusSettings(try_page=on)))


def allowed(origin: str | None, host: str | None, urls: tuple[str | None, str | None] = URLS) -> str | None:
    """Return the origin that may read the answer to a request with these headers."""
    headers = cors(urls).headers(asked(origin, host))
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


def test_no_headers_while_nothing_is_shared() -> None:
    """Not even Vary is sent, since answers then depend on no origin."""
    assert cors(on=False).headers(asked("http://localhost:7002", "localhost:7000")) == {}


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


ANY = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
VARY = {"Vary": "Origin"}
OWN = VARY | ANY | {"Access-Control-Allow-Origin": SITE}


@pytest.mark.parametrize(
    ("origins", "origin", "method", "expected"),
    [
        ((), SITE, b"GET", {}),
        (("*",), SITE, b"GET", ANY),
        (("*",), None, b"GET", ANY),
        (("*",), SITE, b"POST", VARY),
        (("*",), "*", b"POST", VARY),
        ((SITE,), SITE, b"GET", OWN),
        ((SITE,), SITE, b"POST", OWN),
        ((SITE,), OTHER, b"GET", VARY),
        ((SITE,), None, b"GET", VARY),
        ((SITE,), "null", b"GET", VARY),
        ((SITE,), f"{SITE}.evil.example", b"GET", VARY),
        (("*", SITE), OTHER, b"GET", ANY),
        (("*", SITE), SITE, b"POST", OWN),
        (("*", SITE), OTHER, b"POST", VARY),
    ],
)
def test_pages_that_the_settings_name(
    origins: tuple[str, ...], origin: str | None, method: bytes, expected: dict[str, str]
) -> None:
    """Any page may read where the settings say `*`; only a listed one may read the answer to a POST."""
    policy = CorsPolicy(lambda: URLS, lambda: Settings(images=ImagePolicy(allow_origins=origins)))
    assert policy.headers(asked(origin, method=method)) == expected


def test_a_namespace_has_origins_of_its_own() -> None:
    """They replace those of all namespaces, also for a path that is percent-encoded or wrong."""
    settings = Settings(
        images=ImagePolicy(allow_origins=(SITE,)),
        namespaces={"open": NamespacePolicy(allow_origins=("*",)), "shut": NamespacePolicy(allow_origins=())},
    )
    policy = CorsPolicy(lambda: URLS, lambda: settings)
    for path, expected in (
        (b"/open/nothing", ANY),
        (b"/%6fpen", ANY),
        (b"/shut/nothing", {}),
        (b"/p", OWN),
        (b"/", OWN),
        (b"/\xff%ff", OWN),
    ):
        assert policy.headers(asked(SITE, path=path)) == expected


class TestOrigins(ServiceTestCase):
    """A daemon that shares pictures with one site, and those of a namespace with all."""

    settings = f"{{images: {{allow_origins: ['{SITE}']}}, namespaces: {{open: {{allow_origins: ['*']}}}}}}"

    async def test_pictures_records_and_errors_are_shared(self) -> None:
        """Every answer of a namespace says who may read it, refused bodies and a missing path included."""
        await self.serve(sources={"maximum_bytes": 20_000})
        for name, origin, varies in (("p", SITE, "Origin"), ("open", "*", None)):
            await self.post(f"/{name}")
            home = HOME.replace("/p/", f"/{name}/")
            answers = [
                await self.get(f"{home}/{file}", Origin=SITE)
                for file in ("x30.jpg", "x30.jpg", "info.json", "original")
            ]
            await self.until_stored()
            answers += [await self.get(f"{home}/x30.jpg", Origin=SITE) for _ in range(3)]
            answers += [await self.get(f"/{name}/nothing/here", Origin=SITE)]
            assert [each.status for each in answers] == [200] * 7 + [404]
            for each in answers:
                assert each.headers["access-control-allow-origin"] == origin
                assert each.headers["access-control-expose-headers"] == EXPOSED
                assert each.headers.get("vary") == varies
                assert "access-control-allow-credentials" not in each.headers
        refused = await self.post(body=bytes(20_001), Origin=SITE)
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (413, SITE)
        foreign = await self.get(f"{HOME}/x30.jpg", Origin=OTHER)
        assert (foreign.headers["vary"], "access-control-allow-origin" in foreign.headers) == ("Origin", False)

    async def preflight(self, target: str, origin: str, method: str = "GET") -> dict[str, str]:
        """Ask whether a page may send a request; return the CORS headers of the answer."""
        answer = await self.ask("OPTIONS", target, Origin=origin, Access_Control_Request_Method=method)
        assert (answer.status, answer.body, "content-length" in answer.headers) == (204, b"", False)
        return {name: text for name, text in answer.headers.items() if name.startswith("access-control-")}

    async def test_preflights(self) -> None:
        """A page that may read gets 204 with all that it may send; another page gets 204 with none of it."""
        await self.serve()
        permitted = await self.preflight(f"{HOME}/x30.jpg", SITE)
        assert permitted["access-control-allow-origin"] == SITE
        assert permitted["access-control-allow-methods"] == "GET, HEAD, POST, DELETE"
        assert permitted["access-control-allow-headers"].startswith("Authorization, Content-Type, ")
        assert permitted["access-control-max-age"] == "7200"
        assert await self.preflight("/p", SITE, "POST") == permitted
        assert await self.preflight(f"{HOME}", SITE, "DELETE") == permitted
        assert await self.preflight(f"{HOME}/x30.jpg", OTHER) == await self.preflight("/p", OTHER, "POST") == {}
        opened = await self.preflight(f"/open/{HASH}/x30.jpg", OTHER)
        assert opened["access-control-allow-origin"] == "*"
        assert opened["access-control-allow-methods"] == "GET, HEAD"
        assert await self.preflight("/open", OTHER, "POST") == {}
        assert await self.preflight(f"/open/{HASH}", OTHER, "DELETE") == {}

    async def test_the_page_at_try_may_send_a_token(self) -> None:
        """Its preflight is answered where no origin is listed; that of another page is 405."""
        await self.serve(images={"allow_origins": []}, namespaces={}, status={"try_page": True})
        assert (await self.preflight("/p", self.status_url, "POST"))["access-control-allow-origin"] == self.status_url
        other = await self.ask("OPTIONS", "/p", Origin=OTHER, Access_Control_Request_Method="POST")
        assert other.status == 405

    async def test_other_options_requests_are_405(self) -> None:
        """OPTIONS that asks for no method is no preflight, and there is none where nothing is shared."""
        await self.serve(namespaces={"shut": {"allow_origins": []}})
        assert (await self.ask("OPTIONS", f"{HOME}/x30.jpg", Origin=SITE)).status == 405
        shut = await self.ask("OPTIONS", "/shut", Origin=SITE, Access_Control_Request_Method="POST")
        assert (shut.status, shut.headers["allow"]) == (405, "POST")
