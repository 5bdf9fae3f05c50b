"""The local store: the parts that a pipeline uses, on one root folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.store import records, trial
from imaged.store.disk import Disk, cannot_keep
from imaged.store.folders import images_in
from imaged.store.incoming import Incoming
from imaged.store.layout import Layout
from imaged.store.originals import OriginalFiles
from imaged.store.variants import VariantFiles

INCOMING = ".incoming"


class LocalStore:
    """Originals, variants, and the files that are still being written, below `root`; the rest is as in Layout.

    Everything blocks but `has`, `path`, `key`, `describe` and opening a file.
    """

    def __init__(self, root: Path, partitions: Sequence[int], *, flat: bool = False) -> None:
        self.layout = Layout(root, tuple(partitions), flat)
        self.incoming = Incoming(root / INCOMING)
        self.disk = Disk(self.layout, self.incoming)
        self.originals = OriginalFiles(self.disk)
        self.variants = VariantFiles(self.disk)

    @property
    def root(self) -> Path:
        """The folder that holds all files."""
        return self.layout.root

    def has(self, image: ImageId, file: ImageFile) -> bool:
        """Say whether a file exists."""
        return self.disk.has(image, file)

    def path(self, image: ImageId, file: ImageFile) -> Path:
        """Return the path of a file, whether it exists or not."""
        return self.layout.path(image, file)

    def key(self, image: ImageId, file: ImageFile) -> str:
        """Return the path of a file's URL, without its first slash."""
        return self.layout.key(image, file)

    def describe(self, info: ImageInfo) -> dict[str, object]:
        """Return a record as it stands in info.json and in answers."""
        return records.describe(info, self.layout.partitions)

    def files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that exist."""
        kept: list[ImageFile] = [file for file in (ORIGINAL, RECORD) if self.has(image, file)]
        return [*kept, *self.variants.outputs(image)]

    def walk(self) -> Iterator[tuple[ImageId, list[ImageFile]]]:
        """Yield each image of the store and its files."""
        for image in images_in(self.layout):
            if files := self.files(image):
                yield image, files

    def new_temporary(self) -> Path:
        """Return the path of a new file to write to. Raises StoreError when the store takes none."""
        try:
            return self.incoming.new()
        except OSError as error:
            raise cannot_keep("a new file", error) from error

    def try_out(self) -> None:
        """Try everything that the store needs of its file systems. Raises StoreError."""
        trial.try_out(self.root, self.incoming)

    def sweep(self) -> int:
        """Remove the unfinished files of processes that have ended; return how many."""
        return self.incoming.sweep()

    def close(self) -> None:
        """Remove the variants that are kept apart, and give up the ownership of unfinished files."""
        self.variants.reinstate()
        self.incoming.close()
