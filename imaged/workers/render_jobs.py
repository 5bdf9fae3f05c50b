"""What an engine is asked for, and what it gives: plain values, which may cross a process boundary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imaged.core.errors import ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.variants import Variant
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


class GivesWayError(Exception):
    """What `take` raises to end a job for now: the variants that are left have not failed, and come in another job."""


RenderResult = RenderedVariant | FailedVariant
Take = Callable[[RenderResult], Awaitable[None]]
