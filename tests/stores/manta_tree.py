"""The content of the simulated Manta: objects in directories, by the rules of Manta's front end."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from posixpath import basename, dirname
from typing import Any

from manta_identity import Refused

DIRECTORY_TYPE = "application/x-json-stream; type=directory"
_ROOT = re.compile(r"/[^/]+(/(public|stor))?")
_KEPT = ("cache-control", "surrogate-key")


@dataclass
class Entry:
    """A directory, or an object with its bytes and headers."""

    is_directory: bool
    body: bytes = b""
    content_type: str = DIRECTORY_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: secrets.token_hex(8))
    mtime: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def md5(self) -> str:
        """The Content-MD5."""
        return base64.b64encode(hashlib.md5(self.body).digest()).decode()

    def described(self, name: str) -> dict[str, Any]:
        """Return its line in a listing."""
        mtime = self.mtime.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.is_directory:
            return {"name": name, "type": "directory", "mtime": mtime}
        facts = {"etag": self.etag, "size": len(self.body), "contentType": self.content_type, "contentMD5": self.md5}
        return {"name": name, "type": "object", "mtime": mtime, "durability": 2, **facts}


class Tree:
    """The entries by their paths. A path is absolute, without a slash at its end.

    With `refuse_directories`, a directory cannot be deleted, as for a role whose policy does not allow that.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.refuse_directories = False
        self._lock = threading.RLock()

    def get(self, path: str) -> Entry:
        """Return the entry at a path. Raises Refused."""
        if _ROOT.fullmatch(path):
            return Entry(is_directory=True)
        with self._lock:
            if path not in self.entries:
                raise Refused(404, "ResourceNotFound", f"{path} was not found")
            return self.entries[path]

    def put_directory(self, path: str) -> None:
        """Make a directory, which may exist."""
        with self._lock:
            if _ROOT.fullmatch(path):
                raise Refused(400, "OperationNotAllowedOnRootDirectory", f"PUT is not allowed on {path}")
            self.check_parent(path)
            if path not in self.entries or not self.entries[path].is_directory:
                self.entries[path] = Entry(is_directory=True)

    def put_object(self, path: str, body: bytes, headers: dict[str, str]) -> Entry:
        """Store an object."""
        with self._lock:
            self.check_object(path)
            entry = Entry(is_directory=False, body=body)
            entry.content_type = headers.get("content-type", "application/octet-stream")
            entry.headers = {name: headers[name] for name in headers if name in _KEPT or name.startswith("m-")}
            expected = headers.get("content-md5")
            if expected is not None and expected != entry.md5:
                raise Refused(400, "ContentMD5Mismatch", f"Content-MD5 expected {expected}, but was {entry.md5}")
            self.entries[path] = entry
            return entry

    def delete(self, path: str) -> None:
        """Remove an entry; a directory must be empty."""
        with self._lock:
            if _ROOT.fullmatch(path):
                raise Refused(400, "OperationNotAllowedOnRootDirectory", f"DELETE is not allowed on {path}")
            if self.get(path).is_directory and self.refuse_directories:
                raise Refused(403, "NoMatchingRoleTag", "None of your active roles are present on the resource.")
            if self.get(path).is_directory and self.names(path):
                raise Refused(400, "DirectoryNotEmpty", f"{path} is not empty")
            del self.entries[path]

    def remove_tree(self, path: str) -> None:
        """Remove a directory with its content, as another client might."""
        with self._lock:
            self.entries = {
                name: entry for name, entry in self.entries.items() if name != path and not name.startswith(f"{path}/")
            }

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        with self._lock:
            roots = ["public", "stor"] if path.count("/") == 1 else []
            return sorted([*roots, *(basename(name) for name in self.entries if dirname(name) == path)])

    def page(self, path: str, limit: str, marker: str) -> list[dict[str, Any]]:
        """Return a page of a listing, which begins with the name `marker`."""
        if not limit.isdigit() or not 1 <= int(limit) <= 1024:
            message = f"limit={limit} is invalid: must be between [1, 1024]"
            raise Refused(400, "InvalidArgumentError", message)
        names = [name for name in self.names(path) if name >= marker][: int(limit)]
        return [self.get(f"{path}/{name}").described(name) for name in names]

    def check_object(self, path: str) -> None:
        """Refuse an object at an invalid path."""
        self.check_parent(path)
        if _ROOT.fullmatch(path) or (path in self.entries and self.entries[path].is_directory):
            message = f"{path} is a directory: PUT is not allowed"
            raise Refused(400, "OperationNotAllowedOnDirectory", message)

    def check_parent(self, path: str) -> None:
        """Refuse a path whose directory does not exist."""
        parent = dirname(path)
        if _ROOT.fullmatch(parent):
            return
        if parent not in self.entries:
            raise Refused(404, "DirectoryDoesNotExist", f"{parent} does not exist")
        if not self.entries[parent].is_directory:
            raise Refused(400, "ParentNotDirectory", f"{parent} is not a directory")
