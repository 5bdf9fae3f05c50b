"""An uploader behind checks: what breaks the contract becomes an error that names the plugin, and each call ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError, StoreUnavailableError
from imaged.hooks.boundary import broken, kind_of, plugin_boundary, refuse, under_way
from imaged.hooks.contract_check import Metadata
from imaged.hooks.contracts import Uploader

LONGEST_S = 600.0
"""How long one call may take before it is cancelled: a large original on a slow line takes less."""

REACTOR_S = 1.0
"""How long it may hold the reactor between two awaits before the log names the plugin."""


class CheckedUploader:
    """Calls `uploader`, the plugin `name` of the YAML file, and checks what it returns. Reactor thread only.

    Each method raises PluginFailedError, with the plugin's name, for an object or an error that the contract excludes.
    It cancels a call that has not ended after LONGEST_S on `clock`, and raises StoreUnavailableError. A caller that is
    cancelled cancels the call, and does not wait for its end.
    """

    def __init__(self, name: str, metadata: Metadata, uploader: Uploader, clock: Any) -> None:
        self.name = name
        self.identity = metadata.identity
        self.noted_as = metadata.noted_as
        self._uploader: Any = uploader  # plugins may be untyped
        self._clock = clock

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Store a file."""
        called = self._called(f"upload of {key}")
        await self._nothing(called, lambda: self._uploader.upload(key, path, content_type))

    async def download(self, key: str, path: Path) -> bool:
        """Write what `key` holds to `path`, and check that the file is there."""
        called = self._called(f"download of {key}")
        found = await self._call(called, lambda: self._uploader.download(key, path))
        if not isinstance(found, bool):
            raise refuse(called, f"it returned {kind_of(found)}, not True or False")
        if found and not _is_file(path):
            raise refuse(called, "it returned True, but there is no file where it was to write one")
        return found

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with `prefix`."""
        called = self._called(f"list of {prefix}")
        keys = await self._call(called, lambda: self._uploader.list(prefix))
        if not isinstance(keys, Sequence):
            raise refuse(called, f"it returned {kind_of(keys)}, not a sequence of keys")
        for key in keys:
            if not isinstance(key, str) or not key.startswith(prefix):  # the daemon may delete what is listed
                raise refuse(called, f"one of its keys, {key!r:.200}, does not begin with the prefix")
        return keys

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove keys."""
        called = self._called(f"delete of {keys[0] if len(keys) == 1 else f'{len(keys)} keys'}")
        await self._nothing(called, lambda: self._uploader.delete(keys))

    async def _nothing(self, called: str, begin: Callable[[], Any]) -> None:
        """Make a call that returns nothing: another value may mean that it did nothing."""
        if (returned := await self._call(called, begin)) is not None:
            raise refuse(called, f"it returned {kind_of(returned)}, not None: say what went wrong by an error")

    async def _call(self, called: str, begin: Callable[[], Any]) -> Any:
        with plugin_boundary(called, REACTOR_S):
            begun = begin()
        doing = Deferred.fromCoroutine(_stepwise(called, begun))
        left = False

        def leave(_: object) -> None:
            nonlocal left
            left = True
            doing.cancel()

        def hand_on(result: Any) -> None:
            if left:
                return  # the caller has left
            if isinstance(result, Failure) and result.check(CancelledError):
                result = Failure(refuse(called, "it was cancelled, but not by its caller"))
            waiter.callback(result)  # a Failure makes it an errback

        waiter: Deferred[Any] = Deferred(leave)
        doing.addBoth(hand_on)

        def too_late(_: object, timeout_s: float) -> Any:
            raise StoreUnavailableError(f"{called} did not end within {timeout_s:g} s, and was cancelled")

        return await waiter.addTimeout(LONGEST_S, self._clock, onTimeoutCancel=too_late)

    def _called(self, method: str) -> str:
        return f"uploader {self.name}: {method}"


def _stepwise(called: str, begun: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Run a plugin's coroutine from one await to the next; each step is listed as a call into the plugin."""
    work = _awaited(begun)
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            with under_way(called, REACTOR_S):
                waits_for = step()
        except StopIteration as end:
            return end.value
        except (ImagedError, CancelledError):
            raise
        except BaseException as error:
            raise broken(called, error) from error
        try:
            step = partial(work.send, (yield waits_for))
        except GeneratorExit:  # the caller has left
            work.close()
            raise
        except BaseException as error:  # of what it waits for: the plugin handles it
            step = partial(work.throw, error)


async def _awaited(begun: Awaitable[Any]) -> Any:
    return await begun


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  # reads metadata alone, on the reactor
    except OSError:
        return False
