"""Pictures that have killed a worker: refused for a while, so that many askers cost one worker.

Where only the AVIF of a picture was late, its AVIFs alone are refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from imaged.core.errors import BusyError, ImagedError
from imaged.core.hashes import ImageHash

REFUSED_FOR_S = 600.0
"""How long a picture is refused."""

MOST_PICTURES = 10_000
"""How many are remembered; then the oldest is forgotten."""


@dataclass(frozen=True)
class _Refusal:
    error: ImagedError
    until_s: float


Blamed = ImageHash | tuple[ImageHash, str]
"""A picture, or its outputs with one extension."""


class Quarantine:
    """Remembers pictures by their hashes. `seconds` is a monotonic clock. Reactor thread only."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._refusals: OrderedDict[Blamed, _Refusal] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are refused now."""
        now_s = self._seconds()
        while self._refusals and next(iter(self._refusals.values())).until_s <= now_s:
            self._refusals.popitem(last=False)
        return len(self._refusals)

    def put(self, blamed: Blamed, error: ImagedError) -> None:
        """Refuse a picture from now on, with this error."""
        self._refusals[blamed] = _Refusal(error, self._seconds() + REFUSED_FOR_S)
        self._refusals.move_to_end(blamed)
        while len(self._refusals) > MOST_PICTURES:
            self._refusals.popitem(last=False)

    def refusal(self, blamed: Blamed) -> ImagedError | None:
        """Return the error that a picture is refused with now, or None."""
        refusal = self._refusals.get(blamed)
        if refusal is None:
            return None
        left_s = refusal.until_s - self._seconds()
        if left_s <= 0:
            del self._refusals[blamed]
            return None
        error = refusal.error
        if isinstance(error, BusyError):
            return type(error)(str(error), min(max(round(left_s), 1), 60))
        return type(error)(str(error))
