"""The plugin `purge`: what it sends, which answers are a success, and which options it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from http_server import serving
from pydantic import ValidationError
from twisted.internet import reactor
from twisted.web.client import Agent

from imaged.api import OptionsError, StoreError
from imaged.testing.fakes import make_host
from imaged.testing.waiting import wait
from imaged_purge import imaged_purger
from imaged_purge.options import Options
from imaged_purge.purger import CONCURRENCY, FINE, NOT_THERE, HttpPurger

TAG = "p-f840ee339d264d4bab1b169a653b1a91"
PATHS = ["/p/f84/0ee/339d264d4bab1b169a653b1a91/original", "/p/f84/0ee/339d264d4bab1b169a653b1a91/w5.jpg"]
FAULTS: list[dict[str, Any]] = [
    {},
    {"urls": []},
    {"urls": ["cache.example:6081"]},
    {"urls": ["ftp://cache.example"]},
    {"urls": ["http://user:hush@cache.example"]},
    {"urls": ["http://cache.example/?all"]},
    {"urls": ["http://cache.example/#all"]},
    {"urls": ["http://cache.example:port"]},
    {"urls": ["http://cache.example/ü"]},
    {"urls": "http://cache.example"},
    {"urls": ["http://cache.example"], "method": "DELETE"},
    {"urls": ["http://cache.example"], "tag_header": "Cache Tag"},
    {"urls": ["http://cache.example"], "hosts": ["pictures.example/p"]},
    {"urls": ["http://cache.example"], "headers": {"Fastly-Key": "a\r\nB: c"}},
    {"urls": ["http://cache.example"], "headers": {"Host": "pictures.example"}},
    {"urls": ["http://cache.example"], "timeout_s": 0},
    {"urls": ["http://cache.example"], "url": "http://cache.example"},
]


LONGEST_S = 60.0


class Cache:
    """A server that notes each request, and answers with `status` after `gate`."""

    def __init__(self) -> None:
        self.status, self.location = 200, ""
        self.gate: Callable[[], object] = lambda: None
        self.received: list[tuple[str, str, dict[str, str]]] = []
        self.current = self.most = 0
        self.port = 0
        self.lock = Lock()

    def note(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Note a request, and wait."""
        with self.lock:
            self.received.append((method, path, headers))
            self.current += 1
            self.most = max(self.most, self.current)
        self.gate()
        with self.lock:
            self.current -= 1


@pytest.fixture
def cache() -> Iterator[Cache]:
    """Run a cache on a port of loopback."""
    cache = Cache()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            cache.note(self.command, self.path, {name.lower(): text for name, text in self.headers.items()})
            self.send_response(cache.status)
            if cache.location:
                self.send_header("Location", cache.location)
            self.end_headers()
            self.wfile.write(b"words of the cache")

        do_PURGE = do_BAN = do_POST = do_GET = answer  # noqa: N815  # names of http.server

    with serving(Handler) as cache.port:
        yield cache


def purger(cache: Cache, **section: Any) -> HttpPurger:
    """Return a purger of a cache."""
    section = {"urls": [f"http://127.0.0.1:{cache.port}"], **section}
    made = imaged_purger(make_host("purge", section, agent=Agent(reactor), clock=reactor))
    assert isinstance(made, HttpPurger)
    return made


def test_a_purge_is_a_request_for_each_path(cache: Cache) -> None:
    """PURGE goes to each path, and names the cache as its host."""
    wait(purger(cache).purge(TAG, PATHS))
    assert sorted((method, path) for method, path, _ in cache.received) == [("PURGE", path) for path in PATHS]
    assert {headers["host"] for _, _, headers in cache.received} == {f"127.0.0.1:{cache.port}"}
    assert not any("cache-tag" in headers for _, _, headers in cache.received)


def test_each_host_name_has_its_purges(cache: Cache) -> None:
    """A cache that tells host names apart gets a request for each of them."""
    wait(purger(cache, hosts=["a.example", "b.example:81"]).purge(TAG, PATHS))
    asked = sorted((headers["host"], path) for _, path, headers in cache.received)
    assert asked == [(host, path) for host in ("a.example", "b.example:81") for path in PATHS]


@pytest.mark.parametrize(
    ("section", "method", "header"),
    [
        ({"method": "BAN"}, "BAN", "cache-tag"),
        ({"method": "POST"}, "POST", "surrogate-key"),
        ({"method": "PURGE", "tag_header": "xkey-purge"}, "PURGE", "xkey-purge"),
    ],
)
def test_a_tag_is_one_request(cache: Cache, section: dict[str, Any], method: str, header: str) -> None:
    """The tag is in a header of the only request, whatever the paths; further headers and the path are as set."""
    url = f"http://127.0.0.1:{cache.port}/service/ID/purge/"
    wait(purger(cache, urls=[url], headers={"Fastly-Key": "hush"}, **section).purge(TAG, PATHS))
    ((sent, path, headers),) = cache.received
    assert (sent, path, headers[header], headers["fastly-key"]) == (method, "/service/ID/purge", TAG, "hush")


@pytest.mark.parametrize("status", [*sorted(FINE | NOT_THERE), 301, 304, 400, 401, 403, 405, 412, 429, 500, 503])
def test_other_statuses_are_errors(cache: Cache, status: int) -> None:
    """A purge succeeds if the cache says that the answer is gone. The error has the status, and no path."""
    cache.status, cache.location = status, "/elsewhere" if status == 301 else ""
    purge = purger(cache).purge(TAG, PATHS[:1])
    if status in FINE | NOT_THERE:
        wait(purge)
    else:
        with pytest.raises(StoreError, match=f"PURGE http://127.0.0.1:{cache.port}: the cache answered {status}"):
            wait(purge)
    assert [path for _, path, _ in cache.received] == PATHS[:1]


@pytest.mark.parametrize("status", sorted(NOT_THERE))
@pytest.mark.parametrize("section", [{"method": "BAN"}, {"method": "POST"}, {"tag_header": "xkey-purge"}])
def test_a_tag_that_is_not_found_is_an_error(cache: Cache, section: dict[str, Any], status: int) -> None:
    """A cache that does not know BAN passes it on to imaged, which answers 404; so may a CDN that is asked wrongly."""
    cache.status = status
    with pytest.raises(StoreError, match=f"the cache answered {status}"):
        wait(purger(cache, **section).purge(TAG, PATHS))


def test_a_slow_cache_is_an_error(cache: Cache) -> None:
    """A cache that does not answer within the timeout is a StoreError, so that the queue tries again."""
    answered = Event()
    cache.gate = partial(answered.wait, LONGEST_S)
    try:
        with pytest.raises(StoreError, match="no answer within"):
            wait(purger(cache, timeout_s=0.05).purge(TAG, PATHS))
    finally:
        answered.set()


def test_one_broken_cache_does_not_spare_the_others(cache: Cache) -> None:
    """The caches that answer are purged, and the error names the one that does not."""
    with pytest.raises(StoreError, match=r"PURGE http://127\.0\.0\.1:1: ") as raised:
        wait(purger(cache, urls=["http://127.0.0.1:1", f"http://127.0.0.1:{cache.port}"]).purge(TAG, PATHS))
    assert str(cache.port) not in str(raised.value)
    assert len(cache.received) == len(PATHS)


def test_few_requests_run_at_once(cache: Cache) -> None:
    """However many paths a picture has, a cache gets CONCURRENCY requests at once at most, and the first error ends."""
    cache.gate = partial(Barrier(CONCURRENCY).wait, LONGEST_S)
    paths = [f"/p/{number}" for number in range(5 * CONCURRENCY)]
    wait(purger(cache).purge(TAG, paths))
    assert len(cache.received) == len(paths)
    assert cache.most == CONCURRENCY
    cache.status, cache.gate = 500, lambda: None
    cache.received.clear()
    with pytest.raises(StoreError):
        wait(purger(cache).purge(TAG, paths))
    assert len(cache.received) < 3 * CONCURRENCY


@pytest.mark.parametrize("section", FAULTS)
def test_the_hook_refuses_an_invalid_section(section: dict[str, Any]) -> None:
    """Each fault is one of the options, found when the settings are read."""
    with pytest.raises(OptionsError):
        imaged_purger(make_host("purge", section))


def test_secrets_are_not_shown(cache: Cache) -> None:
    """Neither the detail of the status page, nor an error, nor the options show a header or a path of the settings."""
    section: dict[str, Any] = {"urls": [f"http://127.0.0.1:{cache.port}/secret"], "headers": {"X": "secret"}}
    assert "secret" not in purger(cache, **section).detail
    assert "secret" not in repr(Options.model_validate(section | {"urls": ("http://a.example",)}))
    cache.status = 500
    with pytest.raises(StoreError) as raised:
        wait(purger(cache, **section).purge(TAG, PATHS))
    assert "secret" not in str(raised.value)
    with pytest.raises(ValidationError) as unfit:
        Options.model_validate({"urls": ("http://a.example",), "headers": {"X": "secret\n"}})
    assert "secret" not in str(unfit.value)
