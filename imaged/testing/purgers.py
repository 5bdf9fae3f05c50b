"""The contract of purgers as a test suite.

Subclass `PurgerContract`, with fixtures for your purger, for the cache that it purges, and for a purger whose cache
does not answer:

    class TestMine(PurgerContract):
        @pytest.fixture
        def cache(self) -> Cache:
            return MyCache()

        @pytest.fixture
        def purger(self, cache: Cache) -> Purger:
            return MyPurger(make_host("mine", {"url": cache.url}))

        @pytest.fixture
        def helpless(self) -> Purger:
            return MyPurger(make_host("mine", {"url": "http://127.0.0.1:1"}))

It needs pytest. The fixture `wait` runs your coroutines, with Twisted's reactor if they wait.
"""

# ruff: noqa: S101 -- a suite is made of assertions

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import pytest

from imaged.api import Purger, StoreError
from imaged.testing.waiting import wait

TAG, OTHER = "p-f840ee339d264d4bab1b169a653b1a91", "p-0cc175b9c0f1b6a831c399e269772661"

Wait = Callable[[Coroutine[Any, Any, Any]], Any]


class Cache(Protocol):
    """A cache, or a service that stands for one."""

    async def keep(self, tag: str, path: str) -> None:
        """Keep an answer for a path, whose headers `Cache-Tag` and `Surrogate-Key` have the tag."""

    async def keeps(self, path: str) -> bool:
        """Say whether the cache has an answer for a path."""


def paths_of(tag: str, count: int = 5) -> Sequence[str]:
    """Return paths of a picture."""
    namespace, _, digits = tag.partition("-")
    home = f"/{namespace}/{digits[:3]}/{digits[3:6]}/{digits[6:]}"
    return [
        f"{home}/{name}"
        for name in ("original", "info.json", "x300-gsm.webp", *[f"w{n}.auto" for n in range(1, count - 2)])
    ]


class PurgerContract:
    """The suite. Override `purger`, `cache` and `helpless`, and `wait` if coroutines need a loop of your own."""

    many = 300
    """How many paths one picture has."""

    @pytest.fixture
    def cache(self) -> Cache:
        """Return the cache that the purger purges."""
        raise NotImplementedError("override the fixture `cache`")

    @pytest.fixture
    def purger(self, cache: Cache) -> Purger:
        """Return the purger under test."""
        raise NotImplementedError("override the fixture `purger`")

    @pytest.fixture
    def helpless(self) -> Purger:
        """Return a purger whose cache does not answer, or refuses."""
        raise NotImplementedError("override the fixture `helpless`")

    @pytest.fixture
    def wait(self) -> Wait:
        """Return a function that runs a coroutine to its end and returns its result or raises its error."""
        return wait

    def test_is_a_purger(self, purger: Purger) -> None:
        """It has the method of the contract."""
        assert isinstance(purger, Purger)

    def test_removes_one_picture(self, purger: Purger, cache: Cache, wait: Wait) -> None:
        """A purge removes all answers of a picture, and no other one."""
        for tag in (TAG, OTHER):
            for path in paths_of(tag):
                wait(cache.keep(tag, path))
        assert wait(purger.purge(TAG, paths_of(TAG))) is None
        assert [wait(cache.keeps(path)) for path in paths_of(TAG)] == [False] * 5
        assert [wait(cache.keeps(path)) for path in paths_of(OTHER)] == [True] * 5

    def test_removes_many_answers(self, purger: Purger, cache: Cache, wait: Wait) -> None:
        """A purge has any number of paths."""
        paths = paths_of(TAG, self.many)
        for path in paths:
            wait(cache.keep(TAG, path))
        wait(purger.purge(TAG, paths))
        assert not any(wait(cache.keeps(path)) for path in paths)

    def test_what_is_not_there_is_no_error(self, purger: Purger, cache: Cache, wait: Wait) -> None:
        """A picture that the cache never had, a second purge, and a purge without paths succeed."""
        wait(purger.purge(OTHER, paths_of(OTHER)))
        wait(cache.keep(TAG, paths_of(TAG)[0]))
        for paths in (paths_of(TAG), paths_of(TAG), []):
            assert wait(purger.purge(TAG, paths)) is None
        assert not wait(cache.keeps(paths_of(TAG)[0]))

    def test_purges_what_came_back(self, purger: Purger, cache: Cache, wait: Wait) -> None:
        """An answer that the cache gets after a purge is removed by the next one."""
        path = paths_of(TAG)[0]
        for _ in range(2):
            wait(cache.keep(TAG, path))
            assert wait(cache.keeps(path))
            wait(purger.purge(TAG, [path]))
            assert not wait(cache.keeps(path))

    def test_a_failure_is_a_store_error(self, helpless: Purger, wait: Wait) -> None:
        """A cache that does not answer raises StoreError, so that the queue retries."""
        with pytest.raises(StoreError):
            wait(helpless.purge(TAG, paths_of(TAG)))
