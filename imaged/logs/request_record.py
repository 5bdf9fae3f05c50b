"""The record of a request that has ended."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.errors import ImagedError
from imaged.core.tracing import Trace


@dataclass(frozen=True)
class RequestRecord:
    """A request that has ended. `target` is fit for a log; `size_bytes` counts the sent bytes of the body."""

    trace: Trace
    client: str
    method: str
    target: str
    status: int
    size_bytes: int
    elapsed_s: float
    error: ImagedError | None
