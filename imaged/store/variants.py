"""Rendered outputs. Each can be rendered again from its original, so the store may forget it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from imaged.core.errors import GoneError, ImagedError, NotFoundError, StoreError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output, parse_stored
from imaged.store.atomic import discard, name_first
from imaged.store.disk import Disk, FileBody, NewVariant, OpenFile, open_path, reading, variant_time_ns

_NOT_OUTPUTS = {str(ORIGINAL), str(RECORD)}


class VariantFiles:
    """The variants of one store. Writes block and belong on a worker thread."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._apart: dict[tuple[ImageId, Output], Path] | None = None

    def supersede(self) -> None:
        """Replace no variant from now on: one that exists may have been rendered with newer settings.

        A variant whose name is taken gets a file of its own, which `open` of this store alone returns, until
        `reinstate`.
        """
        self._apart = self._apart or {}

    def reinstate(self) -> None:
        """Replace variants again, and remove those that are kept apart."""
        apart, self._apart = self._apart or {}, None
        for path in apart.values():
            discard(path)

    def drop(self, image: ImageId) -> None:
        """Remove the variants of an image that are kept apart."""
        for key in [key for key in list(self._apart or ()) if key[0] == image]:
            if self._apart and (path := self._apart.pop(key, None)):
                discard(path)

    def open(self, image: ImageId, output: Output) -> OpenFile | FileBody | None:
        """Open a variant for reading; return None when it does not exist. Raises StoreError."""
        apart = self._apart.get((image, output)) if self._apart else None
        if apart is not None and self.disk.tombstones.find(image) is not None:  # another process has erased it
            self.drop(image)
            return None
        return self.disk.open(image, output, apart)

    def reopen(self, path: str) -> OpenFile | FileBody | None:
        """Open a variant by the path of its file, as `open` does.

        Return None also when only `open` can tell what to read: this store is superseded, or the file cannot be read.
        """
        if self._apart is not None:
            return None
        try:
            return open_path(path, self.disk.touch_after_s)
        except OSError:
            return None

    def save(self, image: ImageId, output: Output, body: bytes) -> None:
        """Write a variant durably, as `save_all` does. Raises StoreError."""
        (error,) = self.save_all([NewVariant(image, output, FileBody(body, variant_time_ns()))])
        if error is not None:
            raise error

    def save_all(self, variants: Sequence[NewVariant]) -> list[ImagedError | None]:
        """Write variants durably, in place of older ones unless this store is superseded; return the error of each.

        Their modification times are values of `disk.variant_time_ns`.
        """
        if (apart := self._apart) is None:  # read once: `reinstate` may come meanwhile
            return self.disk.replace_all(variants, self._give)
        errors: list[ImagedError | None] = []
        for each in variants:
            image, output, body = each.image, each.output, each.body
            try:
                if not self.disk.keep_first(image, output, body.body, body.modified_ns):
                    path = self.disk.write_temporary(image, output, body.body, body.modified_ns)
                    apart[image, output] = path
                    self.disk.tombstones.check(image)
                errors.append(None)
            except GoneError as error:
                self.drop(image)
                errors.append(error)
            except StoreError as error:
                errors.append(error)
        return errors

    def _give(self, temporary: Path, final: Path) -> None:
        """Replace a variant, unless this store has been superseded while the file was written: it stays then."""
        (temporary.replace if self._apart is None else partial(name_first, temporary))(final)

    def forget(self, image: ImageId, output: Output) -> bool:
        """Remove a variant; return False when it did not exist. Raises StoreError.

        Open files stay readable, and the next request renders the variant again. A variant whose upload is queued has
        to stay: the job would fail.
        """
        path = self.disk.path(image, output)
        try:
            with self.disk.changing([path]):
                path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            key = self.disk.key(image, output)
            raise StoreError(f"{key} cannot be removed: {error.strerror}; mend the store's permissions") from error
        return True

    def outputs(self, image: ImageId) -> list[Output]:
        """Return the outputs of an image that exist, by name. Other files are ignored. Raises StoreError."""
        names: list[str] = []
        with reading(self.disk.layout.prefix(image)), suppress(FileNotFoundError, NotADirectoryError):
            names = sorted(os.listdir(self.disk.layout.folder(image)))  # noqa: PTH208  # names are what it needs
        found = []
        for name in names:
            with suppress(NotFoundError):
                found.append(parse_stored(name))
        return found

    def count(self, image: ImageId, new: Iterable[Output], at_most: int) -> int:
        """Count the files of an image and `new` outputs together, without original and record.

        At most `at_most` files are looked at, so a full folder costs no more. Raises StoreError.
        """
        names = set(map(str, new))
        with (
            reading(self.disk.layout.prefix(image)),
            suppress(FileNotFoundError, NotADirectoryError),
            os.scandir(self.disk.layout.folder(image)) as entries,
        ):
            names.update(islice((each.name for each in entries if each.name not in _NOT_OUTPUTS), at_most))
        return len(names)
