"""The contract of uploaders, kept by Manta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from posixpath import dirname
from typing import Any

from imaged.api import StoreError

from .answers import Answer
from .connection import Connection, Request, Sink
from .crowd import each
from .directories import Directories
from .failures import refusal
from .files import Incoming, Outgoing, md5_of
from .listing import GONE, walk
from .options import Options
from .paths import Paths, quoted

_DIRECTORY = {"Content-Type": "application/json; type=directory"}
_CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}
"""What a key holds never changes: whoever reads a public folder may keep it for a year."""


class _DirectoryGoneError(Exception):
    """A directory that was there is no longer."""


class Manta:
    """Keeps each key as an object at a path of its own. Reactor thread only."""

    def __init__(
        self, options: Options, connection: Connection, run_in_thread: Any, concurrency: int, close: Callable[[], Any]
    ) -> None:
        self.detail = f"{options.url} as {options.account}" + (f"/{options.user}" if options.user else "")
        self.detail += f" in {options.folder}" if options.folder else ""
        self.identity = "/".join(filter(None, [options.host, options.account, options.folder]))
        self.noted_as = self.detail  # by which earlier versions of imaged remembered this store
        self._connection = connection
        self._run_in_thread = run_in_thread
        self._concurrency = concurrency
        self._close = close
        self._paths = Paths(options.account, options.folder)
        self._directories = Directories(self._make_directory, self._paths.roots)

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """PUT the file, after the directories that it is in."""
        remote = self._paths.path(key)
        try:
            md5 = await self._run_in_thread(md5_of, path)
            headers = {"Content-MD5": md5, "Content-Type": content_type, **_CACHED}
            request = Request("PUT", quoted(remote), headers=headers, body=Outgoing(path))
            try:
                await self._put(key, remote, request)
            except _DirectoryGoneError:  # behind our back; once is enough
                self._directories.forget(dirname(remote))
                await self._put(key, remote, request)
        except OSError as error:
            raise StoreError(f"{key} cannot be read: {error.strerror}") from error
        except _DirectoryGoneError as error:
            raise StoreError(f"the directory of {key} vanishes from Manta as soon as it is made") from error

    async def download(self, key: str, path: Path) -> bool:
        """GET the object; a directory is none."""
        remote = self._paths.path(key)
        incoming: Incoming | None = None
        try:
            incoming = file = await self._run_in_thread(Incoming, key, path)

            def choose(answer: Answer) -> Sink | None:
                return None if answer.is_directory else file.take

            answer = await self._connection.ask(Request("GET", quoted(remote)), choose)
            if answer.code in GONE or (answer.is_directory and not answer.is_refusal):
                return False
            self._check(key, answer)
            await self._run_in_thread(file.finish, answer)
        except OSError as error:
            raise StoreError(f"{key} cannot be written: {error.strerror}") from error
        finally:
            if incoming is not None:
                await self._run_in_thread(incoming.discard)
        return True

    async def list(self, prefix: str) -> Sequence[str]:
        """Walk the directories below the last one that the prefix names."""
        directory, _, beginning = self._paths.path(prefix).rpartition("/")
        paths = await walk(self._connection, directory, beginning, self._concurrency)
        return sorted(self._paths.key(path) for path in paths)

    async def delete(self, keys: Sequence[str]) -> None:
        """DELETE each object; directories stay, empty or not."""
        await each(self._delete, keys, self._concurrency)

    def close(self) -> None:
        """Close the connections that wait for more."""
        self._close()

    async def _put(self, key: str, remote: str, request: Request) -> None:
        await self._directories.ensure(dirname(remote))
        self._check(key, await self._connection.ask(request))

    async def _make_directory(self, remote: str) -> None:
        self._check(remote, await self._connection.ask(Request("PUT", quoted(remote), headers=_DIRECTORY)))

    async def _delete(self, key: str) -> None:
        remote = quoted(self._paths.path(key))
        head = await self._connection.ask(Request("HEAD", remote))  # Manta would delete an empty directory as well
        if head.status == 404 or (head.is_directory and not head.is_refusal):  # noqa: PLR2004  # HTTP's own figure
            return
        self._check(key, head)
        answer = await self._connection.ask(Request("DELETE", remote))
        if answer.code not in GONE:
            self._check(key, answer)

    def _check(self, key: str, answer: Answer) -> None:
        if answer.code == "DirectoryDoesNotExist":
            raise _DirectoryGoneError
        if answer.is_refusal:
            raise refusal(self._connection.host, key, answer)
