"""Where the files of an image lie: a pure mapping between images, keys and paths.

Keys and paths consist of checked values only (a namespace, a hash, a file's own name), so none can leave the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import NotFoundError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageHash, ImageId


@dataclass(frozen=True)
class Layout:
    """Files below `root`; `partitions` says how a hash is cut into folders.

    A `flat` layout keeps all files of an image in one folder below its namespace. Its keys are cut as usual.
    """

    root: Path
    partitions: tuple[int, ...]
    flat: bool = False

    def key(self, image: ImageId, file: ImageFile) -> str:
        """Return the path of a file's URL, without its first slash; it is also the file's key in the remote store."""
        return f"{self.prefix(image)}{file}"

    def prefix(self, image: ImageId) -> str:
        """Return what the keys of all files of an image begin with; it ends with a slash."""
        return f"{image.namespace}/{image.hash.partition(self.partitions)}/"

    def path(self, image: ImageId, file: ImageFile) -> Path:
        """Return the path of a file, whether it exists or not."""
        if self.flat:
            return self.folder(image) / str(file)
        return self.root / self.key(image, file)

    def folder(self, image: ImageId) -> Path:
        """Return the folder that holds the files of an image."""
        return self.root / image.namespace / (str(image.hash) if self.flat else image.hash.partition(self.partitions))

    def folders(self, image: ImageId) -> list[Path]:
        """Return the folder of an image and its parents, up to that of its namespace, which is not among them."""
        folder = self.folder(image)
        return [folder, *folder.parents][: self.depth]

    @property
    def depth(self) -> int:
        """How many folders lead from the root to that of an image, which is not counted."""
        return 1 if self.flat else len(self.partitions) + 1

    def image_at(self, segments: Sequence[str]) -> ImageId | None:
        """Return the image whose folder is reached by these segments, or None when they name no image."""
        namespace, *segments = segments
        try:
            return ImageId(namespace, ImageHash("".join(segments)))
        except NotFoundError:
            return None
