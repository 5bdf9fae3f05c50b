"""A purger behind checks: what breaks the contract becomes an error that names the plugin, and each call ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imaged.core.errors import StoreError, StoreUnavailableError
from imaged.hooks.async_calls import call_for_nothing
from imaged.hooks.contracts import Purger

LONGEST_S = 300.0
"""How long one call may take before it is cancelled: thousands of paths, at some ten a second."""


class CheckedPurger:
    """Calls `purger`, the plugin `name` of the YAML file. Reactor thread only.

    `purge` raises PluginFailedError, with the plugin's name, for a result or an error that the contract excludes. It
    cancels a call that has not ended after LONGEST_S on `clock`, and raises StoreError.
    """

    def __init__(self, name: str, purger: Purger, clock: Any) -> None:
        self.name = name
        self._purger: Any = purger  # plugins may be untyped
        self._clock = clock

    async def purge(self, tag: str, paths: Sequence[str]) -> None:
        """Remove the answers of a picture from each cache."""
        called = f"purger {self.name}: purge of {tag}"
        try:
            await call_for_nothing(called, lambda: self._purger.purge(tag, tuple(paths)), self._clock, LONGEST_S)
        except StoreUnavailableError as error:  # which the queue would not log: it is about the remote store
            raise StoreError(str(error)) from error
