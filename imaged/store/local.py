"""The local store: the parts that a pipeline uses, on one root folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.store import records, trial
from imaged.store.atomic import discard
from imaged.store.disk import Disk, keeping
from imaged.store.incoming import INCOMING, Incoming
from imaged.store.layout import Layout
from imaged.store.origin_records import OriginRecords
from imaged.store.originals import OriginalFiles
from imaged.store.size import StoreSize
from imaged.store.trial import Trial
from imaged.store.variants import VariantFiles


class LocalStore(Disk):
    """Originals, variants, and the files that are still being written, below `root`; the rest is as in Layout.

    Everything blocks but `has`, `path`, `key`, `describe` and opening a file.
    """

    def __init__(
        self,
        root: Path,
        partitions: Sequence[int],
        *,
        flat: bool = False,
        size: StoreSize | None = None,
        erased: Path | None = None,
    ) -> None:
        super().__init__(Layout(root, tuple(partitions), flat), Incoming(root / INCOMING), size, erased)
        self.root = root
        self.originals = OriginalFiles(self)
        self.variants = VariantFiles(self)
        self.origin_records = OriginRecords(root, self.incoming, self.changing)

    def describe(self, info: ImageInfo) -> dict[str, object]:
        """Return a record as it stands in info.json and in answers."""
        return records.describe(info, self.layout.partitions)

    def files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that exist."""
        kept: list[ImageFile] = [file for file in (ORIGINAL, RECORD) if self.has(image, file)]
        return [*kept, *self.variants.outputs(image)]

    def walk(self) -> Iterator[tuple[ImageId, list[ImageFile]]]:
        """Yield each image of the store and its files, by namespace and hash. Other folders are ignored."""
        for path, names, _ in os.walk(self.root, followlinks=True):  # a namespace may be on another file system
            names[:] = sorted(name for name in names if not name.startswith("."))
            segments = Path(path).relative_to(self.root).parts
            if len(segments) < self.layout.depth:
                continue
            for name in names:
                image = self.layout.image_at([*segments, name])
                if image is not None and (files := self.files(image)):
                    yield image, files
            names.clear()

    def new_temporary(self) -> Path:
        """Return the path of a new file to write to. Raises StoreError when the store takes none."""
        with keeping("a new file"):
            return self.incoming.new()

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yield the path of a new file to write to, which is removed at the end if it still exists."""
        path = self.new_temporary()
        try:
            yield path
        finally:
            discard(path)

    def try_places(self) -> dict[str, Trial]:
        """Try everything that the store needs of its file systems; return the trial of each, as `trial.try_out`."""
        return trial.try_out(self.root, self.incoming)

    def try_out(self) -> None:
        """Do what `try_places` does. Raises StoreError."""
        for each in self.try_places().values():
            if each.error is not None:
                raise each.error

    def close(self) -> None:
        """Remove the variants that are kept apart, and give up the ownership of unfinished files."""
        self.variants.reinstate()
        self.incoming.close()
