"""What stands in the place of the job queue: a batch owes nobody anything, it says that a thing is done when it is."""

from __future__ import annotations

from collections.abc import Sequence

from imaged.core.hashes import ImageId


class NoQueue:
    """Takes what the queue would take and keeps nothing: what a batch renders it uploads itself."""

    async def enqueue(self, kind: str, image: ImageId, outputs: Sequence[str]) -> None:
        """Promise nothing."""

    async def mark_stored(self, remote: str, image: ImageId, names: Sequence[str]) -> None:
        """Note nothing: the remote store itself is asked what it holds."""

    async def not_stored(
        self,
        remote: str,  # noqa: ARG002  # the queue's signature
        files: Sequence[tuple[ImageId, Sequence[str]]],  # noqa: ARG002  # as above
    ) -> list[tuple[ImageId, list[str]]]:
        """Return nothing: none is owed."""
        return []

    async def states(self, image: ImageId) -> dict[str, str]:  # noqa: ARG002  # as above
        """Return nothing."""
        return {}
