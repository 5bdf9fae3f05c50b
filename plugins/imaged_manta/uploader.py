"""The uploader: upload, download, list and delete objects of Manta."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from posixpath import basename, dirname

from imaged.api import OwnThreads, StoreError, disk_error

from .client import Client, Request
from .concurrency import map_concurrently
from .directories import Directories
from .errors import response_error
from .listing import NOT_FOUND, walk
from .options import Options
from .paths import Paths, quoted
from .responses import Response

_DIRECTORY = {"Content-Type": "application/json; type=directory"}
_CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}
"""The bytes of a key never change, so clients of a public folder may cache them for a year."""


_DIGITS = re.compile("[0-9a-f]+")
_UNCHANGED = 304
_VERSION = re.compile(r"[!-~]{1,500}")
"""The ETags that imaged can keep. Those of Manta have no quotes."""


class _DirectoryGoneError(Exception):
    """A directory that existed has been removed."""


class MantaUploader:
    """Stores each key as an object at a path of its own. Reactor thread only."""

    def __init__(self, options: Options, client: Client, threads: OwnThreads, concurrency: int) -> None:
        self.detail = f"{options.url} as {options.account}" + (f"/{options.user}" if options.user else "")
        self.detail += f" in {options.folder}" if options.folder else ""
        self.identity = "/".join(filter(None, [options.host, options.account, options.folder]))
        self.noted_as = self.detail  # the identity of this store in earlier versions of imaged
        self._client = client
        self._threads = threads
        self._concurrency = concurrency
        self._paths = Paths(options.account, options.folder)
        self._directories = Directories(self._make_directory, self._paths.roots)

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """PUT the file, after its directories."""
        remote = self._paths.path(key)
        try:
            md5 = await self._threads.run(md5_of, path)
            headers = {"Content-MD5": md5, "Content-Type": content_type, **_CACHED}
            request = Request("PUT", quoted(remote), headers=headers, file=path)
            try:
                await self._put(key, remote, request)
            except _DirectoryGoneError:  # another client removed it: make it once more
                self._directories.forget(dirname(remote))
                await self._put(key, remote, request)
        except OSError as error:
            raise StoreError(f"{key} cannot be read: {error.strerror}") from error
        except _DirectoryGoneError as error:
            raise StoreError(f"the directory of {key} vanishes from Manta as soon as it is made") from error

    async def download(self, key: str, path: Path) -> bool:
        """GET the object and write it to `path`. Return False if there is none, or a directory."""
        request = Request("GET", quoted(self._paths.path(key)))
        return await self._threads.run(self._download, key, path, request) is not None

    async def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """GET the object with If-None-Match. Return its ETag, None if there is none."""
        headers = {"If-None-Match": known} if known else {}
        request = Request("GET", quoted(self._paths.path(key)), headers=headers, maximum_bytes=maximum_bytes)
        response = await self._threads.run(self._download, key, path, request)
        if response is None:
            return None
        etag = response.headers.get("ETag", "")
        return known if response.status == _UNCHANGED else etag if _VERSION.fullmatch(etag) else ""

    async def list(self, prefix: str) -> Sequence[str]:
        """Walk the directories below the last one that the prefix names, and return their keys, sorted."""
        directory, _, beginning = self._paths.path(prefix).rpartition("/")
        paths = await walk(self._client, directory, beginning, self._concurrency)
        return sorted(self._paths.key(path) for path in paths)

    async def delete(self, keys: Sequence[str]) -> None:
        """DELETE each object, then the directories that are named by digits of a hash, as far as they are empty.

        Others stay, empty or not: an operator may have set their roles.
        """
        emptied = set(await map_concurrently(self._delete, keys, self._concurrency))
        while directories := [each for each in emptied if _DIGITS.fullmatch(basename(each))]:
            emptied = set(await map_concurrently(self._delete_directory, directories, self._concurrency))

    def close(self) -> None:
        """Release the threads and close the idle connections."""
        self._threads.let_go()
        self._client.close()

    def _download(self, key: str, path: Path, request: Request) -> Response | None:
        """Return the response, whose object is then at `path`, or is the version that the request names."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                response = self._client.exchange(request, file)
            if response.code in NOT_FOUND or (response.is_directory and not response.is_error):
                return None
            if response.status == _UNCHANGED and "If-None-Match" in request.headers:
                return response
            self._check(key, response)
            if response.headers.get("Content-MD5") not in {None, md5_of(temporary)}:
                raise StoreError(f"the bytes of {key} from Manta do not match their Content-MD5: try again")
            temporary.replace(path)
        except OSError as error:
            raise disk_error(f"{key} cannot be written", error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return response

    async def _put(self, key: str, remote: str, request: Request) -> None:
        await self._directories.ensure(dirname(remote))
        self._check(key, await self._client.send(request))

    async def _make_directory(self, remote: str) -> None:
        self._check(remote, await self._client.send(Request("PUT", quoted(remote), headers=_DIRECTORY)))

    async def _delete(self, key: str) -> str:
        """DELETE an object; return its directory, "" when there was no object."""
        path = self._paths.path(key)
        remote = quoted(path)
        head = await self._client.send(Request("HEAD", remote))  # DELETE would remove an empty directory, too
        if head.status == 404 or (head.is_directory and not head.is_error):  # noqa: PLR2004  # HTTP's own figure
            return ""
        self._check(key, head)
        response = await self._client.send(Request("DELETE", remote))
        if response.code in NOT_FOUND:
            return ""
        self._check(key, response)
        return dirname(path)

    async def _delete_directory(self, path: str) -> str:
        """DELETE a directory; return its parent, "" when it stays, since it is not empty or the key may not do that."""
        response = await self._client.send(Request("DELETE", quoted(path)))
        if response.is_error and response.code not in NOT_FOUND:
            return ""
        self._directories.forget(path)
        return dirname(path)

    def _check(self, key: str, response: Response) -> None:
        if response.code == "DirectoryDoesNotExist":
            raise _DirectoryGoneError
        if response.is_error:
            raise response_error(self._client.host, key, response)


def md5_of(path: Path) -> str:
    """Return the MD5 of a file as Content-MD5 has it. Blocks; raises OSError."""
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(md5.digest()).decode("ascii")
