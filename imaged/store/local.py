"""The local store: find, open and save under one root, at the path of the URL.

Paths are made of checked values alone (a namespace, a hash, an output's own name), so none can leave the root.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from imaged.core.errors import HashConflictError, NotFoundError, PolicyError, StoreError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.formats import FORMATS
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse
from imaged.core.pictures import ImageInfo
from imaged.store import atomic
from imaged.store.incoming import Incoming

INCOMING = ".incoming"

TRIAL_BYTES = 65_536
"""How much is written to see whether the store takes anything: on a full disk a few bytes may still find room."""

MAXIMUM_RECORD_BYTES = 65_536
"""More is no record: it may come from a store that others write to."""


@dataclass(frozen=True)
class OpenFile:
    """A file of the store, open for reading; whoever asked for it closes it.

    `size_bytes` and `modified_ns` are those of the open file, whatever takes its name later.
    """

    file: BinaryIO
    size_bytes: int
    modified_ns: int


class LocalStore:
    """Every original, its information and its outputs, under `root`.

    `partitions` says how a hash is cut into folders. What writes is for worker threads; what only looks may run on
    the reactor thread too.
    """

    def __init__(self, root: Path, partitions: Sequence[int]) -> None:
        self.root = root
        self.partitions = tuple(partitions)
        self.incoming = Incoming(root / INCOMING)
        self._own: dict[tuple[ImageId, ImageFile], Path] = {}
        self.superseded = False
        """Whether another store object, with newer settings, writes to the same root: its outputs are not replaced."""

    def folder(self, image: ImageId) -> str:
        """Return the path below the root of the folder that holds an image's files."""
        return f"{image.namespace}/{image.hash.partition(self.partitions)}"

    def key(self, image: ImageId, file: ImageFile) -> str:
        """Return the path of a file below the root, which is also that of its URL and of its remote key."""
        return f"{self.folder(image)}/{file}"

    def path(self, image: ImageId, file: ImageFile) -> Path:
        """Return the absolute or relative path of a file, whether it exists or not."""
        return self.root / self.key(image, file)

    def has(self, image: ImageId, file: ImageFile) -> bool:
        """Say whether the file is there."""
        return self.path(image, file).is_file()

    def open(self, image: ImageId, file: ImageFile) -> OpenFile | None:
        """Open a file for reading, or return None when it is not there."""
        try:
            opened = (self._own.get((image, file)) or self.path(image, file)).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.key(image, file)} cannot be read: {error.strerror}") from error
        status = os.fstat(opened.fileno())
        return OpenFile(opened, status.st_size, status.st_mtime_ns)

    def outputs(self, image: ImageId) -> list[Output]:
        """Return the outputs of an image that are there, by name."""
        found = []
        folder = self.path(image, ORIGINAL).parent
        for name in sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else ():
            try:
                found.append(parse(name))
            except (NotFoundError, PolicyError):
                continue
        return found

    def count_outputs(self, image: ImageId, new: Iterable[Output], at_most: int) -> int:
        """Count an image's files with `new` ones, but not its original and record; look at `at_most` files."""
        names, fixed = set(map(str, new)), {str(ORIGINAL), str(RECORD)}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path(image, ORIGINAL).parent) as entries:
            names.update(islice((each.name for each in entries if each.name not in fixed), at_most))
        return len(names)

    def files(self) -> Iterator[tuple[ImageId, list[ImageFile]]]:
        """Walk the whole store: yield each image and its files."""
        for namespace in _folders(self.root):
            for folder in _below(self.root / namespace, len(self.partitions) + 1):
                try:
                    digits = "".join(folder.relative_to(self.root / namespace).parts)
                    image = ImageId(namespace, ImageHash(digits))
                except NotFoundError:
                    continue  # not ours
                kept = [file for file in (ORIGINAL, RECORD) if self.has(image, file)]
                files = [*kept, *self.outputs(image)]
                if files:
                    yield image, files

    def save_output(self, image: ImageId, output: Output, body: bytes) -> None:
        """Keep the bytes of an output, durably, in place of an older one.

        A superseded store leaves a newer one's output alone, and keeps its own for those who have asked it until it is
        closed.
        """
        if not self.superseded:
            self._save(image, output, body)
        elif not self._save_first(image, output, body):
            self._own[image, output] = self._temporary(image, output, body)

    def keep_original(self, image: ImageId, temporary: Path, sha256: str) -> bool:
        """Keep an original, durably; return False when these very bytes were there before.

        Raises HashConflictError when the store holds other bytes under this hash. `temporary` is gone afterwards.
        """
        final = self.path(image, ORIGINAL)
        try:
            kept = atomic.keep_first(temporary, final)
            same = kept or _sha256(final) == sha256
        except OSError as error:
            raise _cannot_keep(self.key(image, ORIGINAL), error) from error
        if not same:
            raise conflict(image)
        return kept

    def check_conflict(self, image: ImageId, sha256: str) -> None:
        """Raise HashConflictError when the store holds other bytes under this hash."""
        try:
            same = _sha256(self.path(image, ORIGINAL)) == sha256
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self.key(image, ORIGINAL)} cannot be read: {error.strerror}") from error
        if not same:
            raise conflict(image)

    def read_info(self, image: ImageId) -> ImageInfo | None:
        """Return what is kept of an original, or None when there is no complete, readable record of it."""
        return self.read_record(image, self.path(image, RECORD))

    def read_record(self, image: ImageId, path: Path) -> ImageInfo | None:
        """Return what the record at `path` says of an original, or None when it is none of this image's."""
        try:
            with path.open("rb") as file:
                record = json.loads(file.read(MAXIMUM_RECORD_BYTES))
            info = ImageInfo(
                hash=ImageHash(record["hash"]),
                width_px=int(record["width"]),
                height_px=int(record["height"]),
                content_type=str(record["content_type"]),
                size_bytes=int(record["size"]),
                sha256=str(record["sha256"]),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFoundError):
            return None
        known = info.content_type in {format.content_type for format in FORMATS.values()}
        sound = known and min(info.width_px, info.height_px, info.size_bytes) > 0
        return info if sound and info.hash == image.hash else None

    def save_info(self, image: ImageId, info: ImageInfo) -> None:
        """Keep what is known of an original, durably."""
        self._save(image, RECORD, self.written(info))

    def write_record(self, image: ImageId, info: ImageInfo) -> Path:
        """Write info.json to a new temporary file, which the caller removes."""
        return self._temporary(image, RECORD, self.written(info))

    def written(self, info: ImageInfo) -> bytes:
        """Return the bytes of info.json."""
        return json.dumps(self.describe(info), indent=1).encode() + b"\n"

    def describe(self, info: ImageInfo) -> dict[str, object]:
        """Return an original's record as it stands in info.json and in answers."""
        return {
            "hash": str(info.hash),
            "partitionedHash": info.hash.partition(self.partitions),
            "width": info.width_px,
            "height": info.height_px,
            "content_type": info.content_type,
            "size": info.size_bytes,
            "sha256": info.sha256,
        }

    def try_out(self) -> None:
        """Do all that a store needs, also in each namespace on a file system of its own. Raises StoreError."""
        try:
            device = self._try_out(self.incoming.new())
            for namespace in _folders(self.root):
                folder = self.root / namespace
                if folder.stat().st_dev != device:
                    (folder / INCOMING).mkdir(exist_ok=True)
                    self._try_out(folder / INCOMING / self.incoming.new().name)
        except OSError as error:
            raise StoreError(f"no files can be kept in {self.root}: {error.strerror}") from error

    def _try_out(self, final: Path) -> int:
        """Keep the first of two files by this name, then replace it; return the device that it was on."""
        trials = [self.incoming.new() for _ in range(3)]
        try:
            for trial in trials:
                atomic.write(trial, trial.name.encode() if trial is not trials[0] else bytes(TRIAL_BYTES))
            kept = [atomic.keep_first(trial, final) for trial in trials[:2]]
            if kept != [True, False] or final.stat().st_size != TRIAL_BYTES:
                raise StoreError(f"{final.parent} does not keep the first file of a name: use another file system")
            atomic.replace(trials[2], final)
            if final.read_bytes() != trials[2].name.encode():
                raise StoreError(f"{final.parent} does not replace a file by another: use another file system")
            return final.stat().st_dev
        finally:
            for path in (*trials, final):
                atomic.discard(path)

    def sweep(self) -> int:
        """Remove what processes that are gone have left; return how many files."""
        return self.incoming.sweep()

    def close(self) -> None:
        """Remove what was kept for those who asked a superseded store; none of them is left."""
        while self._own:
            atomic.discard(self._own.popitem()[1])
        self.incoming.close()

    def new_temporary(self) -> Path:
        """Return the path of a file that is to come in. Raises StoreError when the store takes none."""
        try:
            return self.incoming.new()
        except OSError as error:
            raise _cannot_keep("a new file", error) from error

    def _save(self, image: ImageId, file: ImageFile, body: bytes) -> None:
        temporary = self._temporary(image, file, body)
        try:
            atomic.replace(temporary, self.path(image, file))
        except OSError as error:
            raise _cannot_keep(self.key(image, file), error) from error

    def _save_first(self, image: ImageId, file: ImageFile, body: bytes) -> bool:
        temporary = self._temporary(image, file, body)
        try:
            return atomic.keep_first(temporary, self.path(image, file))
        except OSError as error:
            raise _cannot_keep(self.key(image, file), error) from error

    def _temporary(self, image: ImageId, file: ImageFile, body: bytes) -> Path:
        try:
            temporary = self.incoming.new()
            atomic.write(temporary, body)
        except OSError as error:
            raise _cannot_keep(self.key(image, file), error) from error
        return temporary


def _folders(parent: Path) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return sorted(each.name for each in entries if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []  # it is gone, or not ours to read


def _below(folder: Path, levels: int) -> Iterator[Path]:
    if not levels:
        yield folder
        return
    for name in _folders(folder):
        yield from _below(folder / name, levels - 1)


def conflict(image: ImageId) -> HashConflictError:
    """Return the error for an original whose name other bytes have already."""
    return HashConflictError(f"{image} holds other bytes with the same MD5: this picture cannot be kept too")


def _cannot_keep(key: str, error: OSError) -> StoreError:
    return StoreError(f"{key} cannot be kept: {error.strerror}; free some space or mend the store's permissions")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
