"""Make directories before the objects in them: parents first, each one once, with a cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from posixpath import dirname

from twisted.internet.defer import Deferred

CACHE_SIZE = 10_000
"""The size of the cache. A directory that drops out of it is made again, which is harmless."""


class Directories:
    """Makes directories with `make`, which makes one. `roots` always exist, such as `/account/stor`."""

    def __init__(self, make: Callable[[str], Awaitable[None]], roots: frozenset[str]) -> None:
        self._make = make
        self._roots = roots
        self._made: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, list[Deferred[None]]] = {}

    async def ensure(self, path: str) -> None:
        """Make a directory and its parents, unless they are in the cache. Raises the errors of `make`."""
        if path in self._roots or path == "/":
            return
        if path in self._made:
            self._made.move_to_end(path)
            return
        if path in self._waiting:  # another upload is making it
            made: Deferred[None] = Deferred()
            self._waiting[path].append(made)
            await made
            return
        self._waiting[path] = []
        try:
            await self.ensure(dirname(path))
            await self._make(path)
        except BaseException:
            for made in self._waiting.pop(path):
                made.errback()
            raise
        self._remember(path)
        for made in self._waiting.pop(path):
            made.callback(None)

    def forget(self, path: str) -> None:
        """Drop a directory and its parents from the cache, since one of them has been removed."""
        while path not in self._roots and path != "/":
            self._made.pop(path, None)
            path = dirname(path)

    def _remember(self, path: str) -> None:
        self._made[path] = None
        if len(self._made) > CACHE_SIZE:
            self._made.popitem(last=False)
