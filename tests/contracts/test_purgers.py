"""The fake purger, and the built-in one before real caches, pass the contract suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cache_origin import CacheOrigin, cache_origin
from cache_servers import CacheServer, FilledCache, NginxCache, Varnish
from ports import free_port
from twisted.internet import reactor
from twisted.web.client import Agent

from imaged.api import Purger, StoreError
from imaged.testing.fakes import MemoryPurger, make_host
from imaged.testing.purgers import TAG, Cache, PurgerContract, Wait, paths_of
from imaged_purge import imaged_purger


def http_purger(**section: object) -> Purger:
    """Return the built-in purger."""
    purger = imaged_purger(make_host("purge", section, agent=Agent(reactor), clock=reactor))
    assert purger is not None
    return purger


class TestMemory(PurgerContract):
    """The fake."""

    @pytest.fixture
    def cache(self) -> MemoryPurger:
        """Return a new one."""
        return MemoryPurger()

    @pytest.fixture
    def purger(self, cache: Cache) -> Purger:
        """Return the cache, which purges itself."""
        assert isinstance(cache, MemoryPurger)
        return cache

    @pytest.fixture
    def helpless(self) -> Purger:
        """Return one that fails."""
        purger = MemoryPurger()
        purger.failure = StoreError("away")
        return purger


@pytest.fixture(scope="module")
def origin() -> Iterator[CacheOrigin]:
    """Return an origin of both caches."""
    with cache_origin() as origin:
        yield origin


def started(server: CacheServer) -> Iterator[CacheServer]:
    """Start a server, and stop it at the end."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def varnish(origin: CacheOrigin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CacheServer]:
    """Return Varnish."""
    yield from started(Varnish(tmp_path_factory.mktemp("varnish"), origin.port))


@pytest.fixture(scope="module")
def nginx(origin: CacheOrigin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CacheServer]:
    """Return nginx."""
    yield from started(NginxCache(tmp_path_factory.mktemp("nginx"), origin.port))


class RealCache(PurgerContract):
    """A real cache, purged by the built-in plugin."""

    method = ""

    @pytest.fixture
    def server(self) -> CacheServer:
        """Return the cache."""
        raise NotImplementedError

    @pytest.fixture
    def cache(self, server: CacheServer, origin: CacheOrigin) -> Cache:
        """Return the cache before its origin."""
        origin.tags.clear()
        return FilledCache(server, origin)

    @pytest.fixture
    def purger(self, server: CacheServer) -> Purger:
        """Return a purger of this cache."""
        return http_purger(urls=[server.url], method=self.method)

    @pytest.fixture
    def helpless(self) -> Purger:
        """Return a purger of a cache that does not listen."""
        return http_purger(urls=[f"http://127.0.0.1:{free_port()}"], method=self.method)


class TestVarnishByTag(RealCache):
    """Varnish, by one BAN."""

    method = "BAN"

    @pytest.fixture
    def server(self, varnish: CacheServer) -> CacheServer:
        """Return Varnish."""
        return varnish

    def test_a_tag_reaches_what_no_path_names(self, purger: Purger, cache: Cache, wait: Wait) -> None:
        """Answers at other spellings, and with a query, have the tag, too."""
        other = ["/p/f840ee339d264d4bab1b169a653b1a91/w500%2Ejpg", f"{paths_of(TAG)[0]}?s=signature"]
        for path in other:
            wait(cache.keep(TAG, path))
        wait(purger.purge(TAG, []))
        assert [wait(cache.keeps(path)) for path in other] == [False, False]


class TestVarnishByPath(RealCache):
    """Varnish, by PURGE of each path."""

    method = "PURGE"

    @pytest.fixture
    def server(self, varnish: CacheServer) -> CacheServer:
        """Return Varnish."""
        return varnish


class TestNginx(RealCache):
    """nginx, by PURGE of each path."""

    method = "PURGE"

    @pytest.fixture
    def server(self, nginx: CacheServer) -> CacheServer:
        """Return nginx."""
        return nginx
