"""How much the store may hold, how much it holds, and what it has forgotten: across generations."""

from __future__ import annotations

from imaged.config.model import StoreSettings
from imaged.store.size import StoreSize

STEP = 100
"""The store forgets from 1/STEP below a bound on, until it is 2/STEP below: so it is seldom at the bound itself."""


class StoreBound:
    """The bounds of the store, and what imaged does to keep them. Reactor thread only, except `size`.

    `free_bytes` in its methods is what the disk of the store has left. `fault` says why the store cannot be kept below
    its bounds, or is None.
    """

    def __init__(self) -> None:
        self.size = StoreSize()
        self.maximum_bytes = 0
        self.keep_free_bytes = 0
        self.forgotten_files = 0
        self.forgotten_bytes = 0
        self.refused_saves = 0
        self.fault: str | None = None

    @property
    def exists(self) -> bool:
        """Whether the settings bound the store."""
        return bool(self.maximum_bytes or self.keep_free_bytes)

    def follow(self, settings: StoreSettings) -> None:
        """Use the bounds of these settings from now on."""
        self.maximum_bytes, self.keep_free_bytes = settings.maximum_bytes, settings.keep_free_bytes

    def has_room(self, size_bytes: int, free_bytes: int) -> bool:
        """Say whether the store may take that many bytes more."""
        held_bytes = self.size.total_bytes or 0
        if self.maximum_bytes and held_bytes + size_bytes > self.maximum_bytes:
            return False
        return not self.keep_free_bytes or free_bytes - size_bytes >= self.keep_free_bytes

    def is_near(self, free_bytes: int) -> bool:
        """Say whether the store has to forget now."""
        return self._excess(1, free_bytes) > 0

    def excess(self, free_bytes: int) -> int:
        """Return how many bytes the store has to forget once it has begun; 0 or less: none."""
        return self._excess(2, free_bytes)

    def _excess(self, steps: int, free_bytes: int) -> int:
        maximum, keep_free = self.maximum_bytes, self.keep_free_bytes
        excess = keep_free + keep_free * steps // STEP - free_bytes if keep_free else 0
        if maximum and self.size.total_bytes is not None:
            excess = max(excess, self.size.total_bytes - maximum + maximum * steps // STEP)
        return excess
