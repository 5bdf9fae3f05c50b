"""Directories are made before what lies in them: parents first, each once, and remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from posixpath import dirname

from twisted.internet.defer import Deferred

REMEMBERED = 10_000
"""How many are remembered; one that was forgotten is made again, which Manta takes well."""


class Directories:
    """`make` makes one directory. `roots` are those above which nothing has to be made, such as `/account/stor`."""

    def __init__(self, make: Callable[[str], Awaitable[None]], roots: frozenset[str]) -> None:
        self._make = make
        self._roots = roots
        self._made: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, list[Deferred[None]]] = {}

    async def ensure(self, path: str) -> None:
        """Make a directory and those above it, unless that was done; raises what `make` raises."""
        if path in self._roots or path == "/":
            return
        if path in self._made:
            self._made.move_to_end(path)
            return
        if path in self._waiting:  # somebody makes it just now
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
        """Forget a directory and those above it: one of them is gone."""
        while path not in self._roots and path != "/":
            self._made.pop(path, None)
            path = dirname(path)

    def _remember(self, path: str) -> None:
        self._made[path] = None
        if len(self._made) > REMEMBERED:
            self._made.popitem(last=False)
