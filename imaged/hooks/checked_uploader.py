"""An uploader behind checks: what breaks the contract becomes an error that names the plugin, and each call ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from imaged.hooks.async_calls import call, call_for_nothing
from imaged.hooks.boundary import kind_of, refuse
from imaged.hooks.contract_check import Metadata
from imaged.hooks.contracts import ConditionalUploader, Uploader

LONGEST_S = 600.0
"""How long one call may take before it is cancelled: a large original on a slow line takes less."""

VERSION_CHARACTERS = 500
"""How long the version of an object may be: it is kept in a record."""


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
        await call_for_nothing(called, lambda: self._uploader.upload(key, path, content_type), self._clock, LONGEST_S)

    async def download(self, key: str, path: Path) -> bool:
        """Write what `key` holds to `path`, and check that the file is there."""
        called = self._called(f"download of {key}")
        found = await self._call(called, lambda: self._uploader.download(key, path))
        if not isinstance(found, bool):
            raise refuse(called, f"it returned {kind_of(found)}, not True or False")
        if found and not _is_file(path):
            raise refuse(called, "it returned True, but there is no file where it was to write one")
        return found

    async def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """Do what ConditionalUploader says, and check that the file is there.

        An uploader that is none downloads the object whatever its version and size, and "" is returned.
        """
        if not isinstance(self._uploader, ConditionalUploader):
            return "" if await self.download(key, path) else None
        called = self._called(f"download_changed of {key}")
        begin = partial(self._uploader.download_changed, key, path, known, maximum_bytes)
        version = await self._call(called, begin)
        if version is not None and not isinstance(version, str):
            raise refuse(called, f"it returned {kind_of(version)}, not a version or None")
        if version and (len(version) > VERSION_CHARACTERS or not version.isascii() or not version.isprintable()):
            raise refuse(called, f"the version that it returned is not {VERSION_CHARACTERS} printable ASCII characters")
        if version is not None and (not version or version != known) and not _is_file(path):
            raise refuse(called, "it returned another version, but there is no file where it was to write one")
        return version

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
        await call_for_nothing(called, lambda: self._uploader.delete(keys), self._clock, LONGEST_S)

    async def _call(self, called: str, begin: Callable[[], Any]) -> Any:
        return await call(called, begin, self._clock, LONGEST_S)

    def _called(self, method: str) -> str:
        return f"uploader {self.name}: {method}"


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  # reads metadata alone, on the reactor
    except OSError:
        return False
