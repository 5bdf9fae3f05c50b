"""What the status says about calls that have blocked the reactor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stall:
    """The reactor was blocked `by` a call for `held_s` seconds, until `ago_s` seconds ago."""

    by: str
    held_s: float
    ago_s: float


@dataclass(frozen=True)
class Hang:
    """A `call` into a plugin that is overdue, and the line of code that it is `at`."""

    call: str
    at: str
    elapsed_s: float


@dataclass(frozen=True)
class Stalls:
    """How often the reactor was blocked, the last time, and the calls that are overdue now."""

    total: int
    last: Stall | None
    hanging: tuple[Hang, ...]
