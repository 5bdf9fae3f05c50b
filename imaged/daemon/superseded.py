"""What a generation's store does while a newer generation or process writes to the same folder."""

from __future__ import annotations

from pathlib import Path

from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.store.atomic import discard
from imaged.store.disk import Disk, OpenFile
from imaged.store.local import LocalStore
from imaged.store.variants import VariantFiles


class SupersededVariants(VariantFiles):
    """Variants that never replace an existing one, which may have been rendered with newer settings.

    A variant that cannot take its name is kept apart, for the requests of the old generation alone, until `close`.
    """

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self._apart: dict[tuple[ImageId, Output], Path] = {}

    def open(self, image: ImageId, output: Output) -> OpenFile | None:
        """Open the variant that this generation has rendered, else the existing one."""
        path = self._apart.get((image, output))
        return super().open(image, output) if path is None else self.disk.open_path(image, output, path)

    def save(self, image: ImageId, output: Output, body: bytes) -> None:
        """Write a variant durably, or apart when it exists. Raises StoreError."""
        if not self.disk.keep_first(image, output, body):
            self._apart[image, output] = self.disk.write_temporary(image, output, body)

    def close(self) -> None:
        """Remove the variants that are kept apart. Blocking."""
        while self._apart:
            discard(self._apart.popitem()[1])


def supersede(store: LocalStore) -> None:
    """Let a store replace no variant from now on."""
    if not isinstance(store.variants, SupersededVariants):
        store.variants = SupersededVariants(store.disk)


def reinstate(store: LocalStore) -> None:
    """Let a store replace variants again, and remove those that it keeps apart."""
    variants, store.variants = store.variants, VariantFiles(store.disk)
    if isinstance(variants, SupersededVariants):
        variants.close()
