"""What the status says about an origin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OriginStatus:
    """An origin of the settings: how often it sent a picture, said that one is unchanged, had none, or failed.

    `stale` counts the answers with pictures whose time was over. `fault` is the error of the origin while it fails.
    """

    name: str
    fetched: int
    unchanged: int
    missing: int
    failed: int
    stale: int
    fault: str | None
