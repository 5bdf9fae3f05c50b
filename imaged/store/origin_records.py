"""What is known of the originals at origins: by their paths, which picture each is, and in which version it was seen.

Each has a file below `.origins`, named by the SHA-256 of its path. Files are replaced as a whole, so daemons that share
the store share what they know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from imaged.core.errors import NotFoundError
from imaged.core.hashes import ImageHash
from imaged.store import atomic
from imaged.store.disk import keeping
from imaged.store.incoming import Incoming

FOLDER = ".origins"
MAXIMUM_RECORD_BYTES = 16_384
"""A longer file is no record."""


@dataclass(frozen=True)
class OriginRecord:
    """The original at one path of an origin.

    `etag` and `last_modified` are those of its version, "" for none. `checked_s` is when the origin was last asked, in
    seconds since the epoch; `since_ns` is when this picture first was at the path, in nanoseconds since the epoch.
    """

    path: str
    hash: ImageHash
    etag: str
    last_modified: str
    checked_s: float
    since_ns: int


class OriginRecords:
    """The records of all origins. `origin` is the folder of one, a name and a digest. Writes block: worker threads.

    `changing` gives the context in which files are written.
    """

    def __init__(
        self, root: Path, incoming: Incoming, changing: Callable[[Sequence[Path]], AbstractContextManager[None]]
    ) -> None:
        self._root = root / FOLDER
        self._incoming = incoming
        self._changing = changing

    def read(self, origin: str, path: str) -> OriginRecord | None:
        """Return the record of a path, or None when there is no sound one."""
        try:
            with self._file(origin, path).open("rb") as file:
                return _decode(file.read(MAXIMUM_RECORD_BYTES), path)
        except OSError:
            return None

    def save(self, origin: str, record: OriginRecord) -> None:
        """Write a record durably. Raises StoreError."""
        fields = {**asdict(record), "hash": str(record.hash)}
        file = self._file(origin, record.path)
        with keeping(f"a record of origin {origin}"), self._changing([file]):
            temporary = self._incoming.new()
            atomic.write(temporary, json.dumps(fields, ensure_ascii=False).encode() + b"\n")
            atomic.replace(temporary, file)

    def remove(self, origin: str, path: str) -> None:
        """Remove the record of a path, if there is one."""
        file = self._file(origin, path)
        with suppress(OSError), self._changing([file]):  # else a later request asks the origin again
            file.unlink()

    def _file(self, origin: str, path: str) -> Path:
        name = hashlib.sha256(path.encode()).hexdigest()
        return self._root / origin / name[:2] / name[2:4] / f"{name[4:]}.json"


def _decode(body: bytes, path: str) -> OriginRecord | None:
    try:
        fields = json.loads(body)
        record = OriginRecord(
            path=str(fields["path"]),
            hash=ImageHash(fields["hash"]),
            etag=str(fields["etag"]),
            last_modified=str(fields["last_modified"]),
            checked_s=float(fields["checked_s"]),
            since_ns=int(fields["since_ns"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFoundError):
        return None
    return record if record.path == path else None
