"""The bytes of all originals that are coming in, uploaded or fetched: bounded together, whatever each may have.

Each is bounded by `sources.maximum_bytes`, but clients that send slowly and never end could hold any number of them.
"""

from __future__ import annotations

from collections.abc import Callable

from imaged.core.errors import BusyError, ImagedError, StoreError

FULL_ORIGINALS = 20
"""How many originals of the largest size may come in at once; of smaller ones, more."""

GRACE_S = 10.0
"""How long a body may take to come before it has to make room for others."""

RETRY_AFTER_S = 10

GiveUp = Callable[[BusyError], None]


class Budget:
    """Counts what is coming in. `seconds` is a clock that never goes back. Reactor thread only."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self.used_bytes = 0
        self._open: dict[Reservation, None] = {}

    def reserve(
        self, maximum_bytes: int, free_bytes: int, announced_bytes: int = 0, give_up: GiveUp | None = None
    ) -> Reservation:
        """Begin to count one of at most `maximum_bytes`, for a disk that has `free_bytes` left.

        One that can be given up makes room for others when it takes long: `give_up` is called then. Raises BusyError
        or StoreError when there is no room for what is announced, which is not counted before it comes.
        """
        made = Reservation(self, maximum_bytes, free_bytes, give_up)
        self.make_room(announced_bytes, made)
        self._open[made] = None
        return made

    def make_room(self, size_bytes: int, wanted: Reservation) -> None:
        """Give up others, the oldest first, until there is room for so much more of `wanted`, or raise its error."""
        while self.used_bytes + size_bytes > wanted.most_bytes:
            oldest = next((each for each in self._open if each is not wanted and each.may_be_given_up), None)
            if oldest is None:
                raise wanted.refusal()
            oldest.end_early()

    def forget(self, reservation: Reservation) -> None:
        """Count one no more."""
        if reservation in self._open:
            del self._open[reservation]
            self.used_bytes -= reservation.size_bytes


class Reservation:
    """One original that is coming in.

    Of what the disk has left all take half at most: an upload lies there twice for a moment, as it came and as it is
    kept.
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
        """Whether it has been coming for so long that others need the room more."""
        return self._give_up is not None and self._budget.seconds() - self._began_s >= GRACE_S

    def take(self, size_bytes: int) -> None:
        """Count bytes that have come. Raises BusyError or StoreError when there is no room, or it has been given up."""
        if self._given_up is not None:
            raise self._given_up
        self._budget.make_room(size_bytes, self)
        self.size_bytes += size_bytes
        self._budget.used_bytes += size_bytes

    def refusal(self) -> ImagedError:
        """Return the error for who finds no room."""
        if self._is_scarce:
            return StoreError("the disk of the store has too little room left for what comes in: free some space")
        return BusyError("too many originals are coming in: try again later", RETRY_AFTER_S)

    def complete(self) -> None:
        """Note that all has come: it is worked on now, and not given up."""
        self._give_up = None

    def end_early(self) -> None:
        """Give it up."""
        give_up, self._give_up = self._give_up, None
        self.close()
        self._given_up = BusyError("this body came too slowly while others waited: send it again", RETRY_AFTER_S)
        if give_up is not None:
            give_up(self._given_up)

    def close(self) -> None:
        """Count it no more."""
        self._budget.forget(self)
