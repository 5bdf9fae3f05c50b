"""The engine: the only way to a processor. Jobs and results are plain values, which may cross a process boundary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imaged.core.errors import ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts
from imaged.core.variants import Variant
from imaged.workers.admission import Admission
from imaged.workers.callers import Callers


@dataclass(frozen=True)
class ImageOutput:
    """One output of one image."""

    image: ImageId
    output: Output


@dataclass(frozen=True)
class EngineJob:
    """Variants of one original, which lies at `source`.

    Where a client waits, `render.timeout_s` bounds the whole job, the wait for a worker included; else it bounds each
    render, and the wait has no bound. `callers` are those that wait now: the queue asks it, and no worker sees it.
    """

    image: ImageId
    source: Path
    variants: tuple[Variant, ...]
    client_waits: bool
    callers: Callers = field(default_factory=lambda: Callers(clients=1), compare=False)


@dataclass(frozen=True)
class RenderedVariant:
    """The bytes of one variant, `elapsed_s` after its render began; `spans_s` has the seconds of each span."""

    output: Output
    body: bytes
    elapsed_s: float
    spans_s: Mapping[str, float]


@dataclass(frozen=True)
class FailedVariant:
    """The error that one variant ended with."""

    output: Output
    error: ImagedError
    spans_s: Mapping[str, float]


RenderResult = RenderedVariant | FailedVariant
Take = Callable[[RenderResult], Awaitable[None]]


class Engine(Protocol):
    """Renders, identifies and verifies pictures. Reactor thread only."""

    admission: Admission
    """The queue in front of the workers, which holds the places of the renders that run."""

    longest_s: float
    """How long a client waits for one job at most."""

    @property
    def stuck(self) -> bool:
        """Whether every worker is in a render that should have ended long ago."""

    async def render(self, job: EngineJob, take: Take) -> None:
        """Await `take` for a result of each variant, each as soon as it is ready, one at a time.

        A variant that a common render did not give is rendered alone before it fails. When a render does not return
        in time, each variant that is missing fails; a worker that returns later may still yield it as rendered.
        Raises BusyError for the variants that are left when no worker is free in time, or one took all its time. An
        error that `take` raises ends the job: the worker stops at the next variant, and `render` raises the error.
        """

    async def identify(self, source: Path) -> ImageFacts:
        """Return what the header says of a picture.

        Raises NotAPictureError, or TooLargeError when one frame has too many pixels.
        """

    async def verify(self, source: Path) -> None:
        """Decode a new original if a processor wants that, for a client that waits.

        Raises what a render would raise; BusyError when the queue is full, or a processor does not return in time.
        """

    def stop(self) -> None:
        """End the workers; block until their work is done."""

    def let_go(self) -> None:
        """End each worker when its work is done; return at once."""

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render a small picture beside the queue. Raises whatever goes wrong."""
