"""A remote store in a folder. It imports only `imaged.api`."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Host, StoreError, Uploader, hookimpl


class Options(BaseModel):
    """The section `plugins.folder` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    file_mode: int = Field(0o644, ge=0, le=0o777)


class Folder:
    """Keeps each key at its own path below a folder. `run` copies on threads."""

    def __init__(self, options: Options, run: Callable[..., Awaitable[Any]]) -> None:
        self.detail = options.path
        self.identity = str(Path(options.path).absolute())  # another folder is another store, whatever it is called
        self._root = Path(options.path)
        self._mode = options.file_mode
        self._run = run

    async def upload(self, key: str, path: Path, content_type: str) -> None:  # noqa: ARG002  # a folder keeps no types
        """Copy the file in."""
        await self._run(self._upload, key, path)

    async def download(self, key: str, path: Path) -> bool:
        """Copy the file out."""
        found: bool = await self._run(self._download, key, path)
        return found

    async def list(self, prefix: str) -> Sequence[str]:
        """Walk the part of the folder that the prefix names."""
        keys: list[str] = await self._run(self._list, prefix)
        return keys

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove files; folders stay."""
        await self._run(self._delete, keys)

    def _upload(self, key: str, path: Path) -> None:
        final = self._root / key
        temporary = self._root / f".incoming-{secrets.token_hex(8)}"
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, temporary)
                temporary.chmod(self._mode)
                temporary.replace(final)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{key} cannot be kept in {self._root}: {error.strerror}") from error

    def _download(self, key: str, path: Path) -> bool:
        source = self._root / key
        if not source.is_file():
            return False
        try:
            shutil.copyfile(source, path)
        except OSError as error:
            raise StoreError(f"{key} cannot be read back: {error.strerror}") from error
        return True

    def _list(self, prefix: str) -> Sequence[str]:
        keys = [
            (Path(folder) / name).relative_to(self._root).as_posix()
            for folder, _, names in os.walk(self._root / prefix.rpartition("/")[0])
            for name in names
        ]
        return sorted(key for key in keys if key.startswith(prefix) and not key.startswith(".incoming-"))

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            (self._root / key).unlink(missing_ok=True)


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Keep files where the options say."""
    return Folder(host.options(Options), host.run_in_thread)
