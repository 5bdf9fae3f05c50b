"""What is known of a request when it has ended."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.errors import ImagedError
from imaged.core.tracing import Trace


@dataclass(frozen=True)
class RequestRecord:
    """One request that has ended; `target` is fit for a log, `size_bytes` counts what was sent of the body."""

    trace: Trace
    client: str
    method: str
    target: str
    status: int
    size_bytes: int
    elapsed_s: float
    error: ImagedError | None
