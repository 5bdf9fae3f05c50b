"""Stands in for the job queue in a batch, which renders and uploads before it reports an item as done."""

from __future__ import annotations

from collections.abc import Sequence

from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output


class NoQueue:
    """Accepts the calls of a pipeline and keeps nothing: the batch uploads what it renders."""

    async def enqueue(self, kind: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Queue nothing."""

    async def mark_stored(self, remote: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Note nothing: a batch asks the remote store what it holds."""

    async def not_stored(
        self,
        remote: str,  # noqa: ARG002  # the queue's signature
        files: Sequence[tuple[ImageId, Sequence[ImageFile]]],  # noqa: ARG002  # as above
    ) -> list[tuple[ImageId, list[ImageFile]]]:
        """Return nothing."""
        return []

    async def states(self, image: ImageId) -> dict[Output, str]:  # noqa: ARG002  # as above
        """Return nothing."""
        return {}
