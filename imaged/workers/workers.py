"""The protocol of what an engine drives: threads of this process, or processes of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from imaged.core.details import ImageDetails
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageFacts
from imaged.core.snapshot import Isolation, WorkerStatus
from imaged.core.variants import Variant
from imaged.workers.processors import Ended
from imaged.workers.render_jobs import RenderedVariant

NEARLY = 0.9
"""The part of `render.timeout_s` after which the picture is at fault, and not the wait for a worker."""

Emit = Callable[[RenderedVariant], bool]
"""Takes a variant that is ready, on a worker's thread; returns False when no more is wanted."""

Look = Callable[[ImageHash, Path, float], Awaitable[tuple[ImageDetails | None, Ended]]]
"""Looks at the pixels of an original within a time in seconds."""


class Workers(Protocol):
    """Does work for an engine, which bounds how much runs at once. Reactor thread only, but for `Emit`."""

    size: int
    """How many render at once."""

    headers: int
    """How many read a header or do a trial at once, beside the renders."""

    grace_s: float
    """How long after its time a job may still hold its place."""

    @property
    def stuck(self) -> bool:
        """Whether every worker is in a job that should have ended long ago."""

    @property
    def isolation(self) -> Isolation:
        """How the workers are separated from the daemon."""

    @property
    def details(self) -> Mapping[str, str]:
        """What each processor says about itself, by its name; nothing where the workers are threads."""

    @property
    def fault(self) -> str | None:
        """Why worker processes cannot be started, or None."""

    @property
    def refused_pictures(self) -> int:
        """How many pictures are refused now because they have ended a worker process."""

    def statuses(self) -> tuple[WorkerStatus, ...]:
        """Return the worker processes that live; none where the workers are threads."""

    async def start(self) -> None:
        """Start them. Raises WorkersFailedError."""

    async def render(
        self, hash: ImageHash, source: Path, variants: Sequence[Variant], timeout_s: float, emit: Emit
    ) -> Ended:
        """Render variants in one call of a processor; `emit` gets each as it is ready."""

    async def verify(self, hash: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Decode an original; return its details, too, if the same decode gives them."""

    async def describe(self, hash: ImageHash, source: Path, timeout_s: float) -> tuple[ImageDetails | None, Ended]:
        """Look at the pixels of an original; None where no processor can."""

    async def identify(self, hash: ImageHash, source: Path) -> ImageFacts:
        """Read a header, beside the renders. Raises the errors of `Processors.identify`."""

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render beside the renders. Raises whatever goes wrong."""

    async def self_check(self) -> None:
        """Have the processors try their own protections, beside the renders. Raises PluginFailedError if one fails."""

    def drop(self, image: ImageId) -> None:
        """Have no worker keep what it knows of an image: it is erased."""

    def stop(self) -> None:
        """End the workers; block until their work is done."""

    def let_go(self) -> None:
        """End the workers; return at once."""
