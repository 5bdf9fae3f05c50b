"""A common bound on the bytes of all originals that are coming in, uploaded or downloaded.

`sources.maximum_bytes` bounds each one, but clients that send slowly and never end could hold any number of them.
"""

from __future__ import annotations

from collections.abc import Callable

from imaged.core.errors import BusyError, DiskFullError, ImagedError

FULL_ORIGINALS = 20
"""How many originals of the largest size may come in at once, or more of smaller ones."""

SLOW_AFTER_S = 10.0
"""How old a body may get before the budget may cancel it to make room for others."""

RETRY_AFTER_S = 10

GiveUp = Callable[[BusyError], None]


class Budget:
    """Counts the bytes that are coming in. `seconds` is a monotonic clock. Reactor thread only."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self.used_bytes = 0
        self._open: dict[Reservation, None] = {}

    def reserve(
        self, maximum_bytes: int, free_bytes: int, announced_bytes: int = 0, give_up: GiveUp | None = None
    ) -> Reservation:
        """Begin to count an original of at most `maximum_bytes`, for a disk that has `free_bytes` left.

        The budget calls `give_up` when the original is slow and others need its room; without it, it keeps its room.
        Raises BusyError or DiskFullError if the announced bytes have no room; only bytes that have come are counted.
        """
        made = Reservation(self, maximum_bytes, free_bytes, give_up)
        self.make_room(announced_bytes, made)
        self._open[made] = None
        return made

    def make_room(self, size_bytes: int, wanted: Reservation) -> None:
        """Cancel other bodies, the oldest first, until `wanted` has room for `size_bytes` more, or raise its error."""
        while self.used_bytes + size_bytes > wanted.most_bytes:
            oldest = next((each for each in self._open if each is not wanted and each.may_be_given_up), None)
            if oldest is None:
                raise wanted.refusal()
            oldest.end_early()

    def forget(self, reservation: Reservation) -> None:
        """Stop counting a reservation."""
        if reservation in self._open:
            del self._open[reservation]
            self.used_bytes -= reservation.size_bytes


class Reservation:
    """One original that is coming in.

    All together may take half of the free disk: for a moment an upload is there twice, as it came and as it is stored.
    """

    def __init__(self, budget: Budget, maximum_bytes: int, free_bytes: int, give_up: GiveUp | None) -> None:
        self._budget = budget
        self._give_up = give_up
        self._given_up: BusyError | None = None
        self._began_s = budget.seconds()
        by_disk_bytes, by_count_bytes = budget.used_bytes + free_bytes // 2, FULL_ORIGINALS * maximum_bytes
        self.most_bytes = min(by_disk_bytes, by_count_bytes)
        self._is_scarce = by_disk_bytes < by_count_bytes
        self.size_bytes = 0

    @property
    def may_be_given_up(self) -> bool:
        """Whether the budget may cancel it for others."""
        return self._give_up is not None and self._budget.seconds() - self._began_s >= SLOW_AFTER_S

    def take(self, size_bytes: int) -> None:
        """Count bytes that have come. Raises BusyError or DiskFullError if there is no room, or if it was cancelled."""
        if self._given_up is not None:
            raise self._given_up
        self._budget.make_room(size_bytes, self)
        self.size_bytes += size_bytes
        self._budget.used_bytes += size_bytes

    def refusal(self) -> ImagedError:
        """Return the error of an original without room."""
        if self._is_scarce:
            return DiskFullError("the disk of the store has too little room left for what comes in: free some space")
        return BusyError("too many originals are coming in: try again later", RETRY_AFTER_S)

    def complete(self) -> None:
        """Note that every byte has come: it keeps its room."""
        self._give_up = None

    def end_early(self) -> None:
        """Cancel it."""
        give_up, self._give_up = self._give_up, None
        self.close()
        self._given_up = BusyError("this body came too slowly while others waited: send it again", RETRY_AFTER_S)
        if give_up is not None:
            give_up(self._given_up)

    def close(self) -> None:
        """Stop counting it."""
        self._budget.forget(self)
