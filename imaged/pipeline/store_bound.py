"""How much the store may hold, how much it holds, and what it has forgotten: across generations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imaged.config.model import StoreSettings
from imaged.core.errors import StoreError
from imaged.store.size import StoreSize
from imaged.store.usage import free

STEP = 100
"""The store forgets from 1/STEP below a bound on, until it is 2/STEP below: so it is seldom at the bound itself."""

LARGEST = 4
"""A refused file of at most 1/LARGEST of a bound has the store forget for it: the next request may store it."""

BLOCK_BYTES = 4096
"""What a file system gives a file at once, in most cases."""

PLENTY = 2**63


class StoreBound:
    """The bounds of the store, and what imaged does to keep them. Reactor thread only, except `size`.

    `fault` says why the store cannot be kept below its bounds, or is None. `wake` looks at once whether something has
    to be forgotten. `incoming_bytes` returns the bytes of originals that arrive, `wanted_free_bytes` how much of a full
    disk has to be free before it takes files again, `free_bytes` the free bytes of the file system of a folder.
    """

    def __init__(
        self,
        incoming_bytes: Callable[[], int] = lambda: 0,
        wanted_free_bytes: Callable[[], int] = lambda: 0,
        free_bytes: Callable[[Path], int] = free,
    ) -> None:
        self._incoming_bytes = incoming_bytes
        self._wanted_by_disk = wanted_free_bytes
        self._free_bytes = free_bytes
        self._root = Path()
        self._reserved_bytes = self._wanted_bytes = 0
        self.size = StoreSize()
        self.maximum_bytes = 0
        self.keep_free_bytes = 0
        self.forgotten_files = 0
        self.forgotten_bytes = 0
        self.refused_saves = 0
        self.fault: str | None = None
        self.wake: Callable[[], None] = lambda: None

    @property
    def exists(self) -> bool:
        """Whether the settings bound the store."""
        return bool(self.maximum_bytes or self.keep_free_bytes)

    @property
    def free_bytes(self) -> int:
        """The free bytes of the disk; PLENTY where the settings do not bound them, or the disk does not tell."""
        if not self._wanted_free_bytes:
            return PLENTY
        try:
            return self._free_bytes(self._root)
        except StoreError:
            return PLENTY

    @property
    def _wanted_free_bytes(self) -> int:
        """How much of the disk stays free: on a full one, where outputs may be forgotten, enough for it to heal."""
        return max(self.keep_free_bytes, self._wanted_by_disk() if self.exists else 0)

    def room_bytes(self, root: Path) -> int:
        """Return how much of the disk of the store at `root` originals may take. Raises StoreError.

        They may take what the settings want free, as long as outputs can be forgotten for them.
        """
        kept_free_bytes = 0 if self.fault is None else self.keep_free_bytes
        return max(0, self._free_bytes(root) - kept_free_bytes)

    def follow(self, settings: StoreSettings, root: Path) -> None:
        """Use the bounds of these settings from now on, for the store at `root`."""
        self.maximum_bytes, self.keep_free_bytes, self._root = settings.maximum_bytes, settings.keep_free_bytes, root

    def reserve(self, size_bytes: int) -> int | None:
        """Return what a new file of that many bytes takes, which counts until `release`; None: there is no room."""
        taken_bytes = -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
        if not self.has_room(taken_bytes):
            self.refused_saves += 1
            if taken_bytes <= max(self.maximum_bytes, self.keep_free_bytes) // LARGEST:
                self._wanted_bytes = max(self._wanted_bytes, taken_bytes)
            return None
        self._reserved_bytes += taken_bytes
        return taken_bytes

    def release(self, taken_bytes: int) -> None:
        """Stop counting what `reserve` has returned: the file is written, and counts itself, or it is not."""
        self._reserved_bytes -= taken_bytes

    def has_room(self, size_bytes: int = 0) -> bool:
        """Say whether the store may take that many bytes more."""
        size_bytes += self._reserved_bytes + self._incoming_bytes()
        if self.maximum_bytes and self._held_bytes + size_bytes > self.maximum_bytes:
            return False
        return not self.keep_free_bytes or self.free_bytes - size_bytes >= self.keep_free_bytes

    @property
    def _held_bytes(self) -> int:
        """What the store holds. Before the first count, that is taken for where it begins to forget."""
        if self.size.total_bytes is not None:
            return self.size.total_bytes
        return self.maximum_bytes - self.maximum_bytes // STEP + self.size.changed.occupied_bytes

    def is_near(self) -> bool:
        """Say whether the store has to forget now."""
        return self._excess(1, self.free_bytes) > 0

    def excess(self, expected_free_bytes: int = 0) -> int:
        """Return how many bytes the store has to forget once it has begun; 0 or less: none.

        Some file systems free the space of removed files seconds later: so much is expected to be free then.
        """
        return self._excess(2, max(expected_free_bytes, self.free_bytes))

    @property
    def is_behind(self) -> bool:
        """Whether the store is beyond a bound, or has refused a file since the search for room began."""
        return bool(self._wanted_bytes) or not self.has_room()

    def has_searched(self) -> None:
        """Give up the room that refused files wanted: what could be forgotten for them is."""
        self._wanted_bytes = 0

    def _excess(self, steps: int, free_bytes: int) -> int:
        maximum, keep_free = self.maximum_bytes, self._wanted_free_bytes
        excess = keep_free + max(keep_free * steps // STEP, self._wanted_bytes) - free_bytes if keep_free else 0
        if maximum and self.size.total_bytes is not None:
            excess = max(excess, self.size.total_bytes - maximum + max(maximum * steps // STEP, self._wanted_bytes))
        return excess
