"""Whether the file systems of the store take files, as saves and trials show, across generations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted.logger import Logger

from imaged.core.errors import DiskFullError, NoPermissionError, ReadOnlyError, StoreError
from imaged.store.trial import STORE, Trial

HEALED_BYTES = 1 << 26
"""How many bytes a disk that was full has to have free before it counts as healed: one output must not fill it again.
On a small disk a hundredth of it is enough, unless a larger file was refused."""

SMALL_PART = 100


@dataclass
class _Fault:
    """Why a place takes no files, since when, and the largest file that it has refused for want of room."""

    error: StoreError
    since_s: float
    refused_bytes: int = 0


class StoreHealth:
    """What the store does not keep, and the places that take no files. Reactor thread only.

    A place is the store itself, or a namespace that is on a file system of its own. While one is full or read-only, its
    fault stays: a save that fails for want of room sets it, as a trial does, and only a trial ends it. `seconds` is a
    monotonic clock.

    `has_failed` says that the store has not kept a file, until the next trial begins. `fault` is the error of the last
    output that was not stored, or None when a later one was; `failures` counts them.
    """

    _log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._faults: dict[str, _Fault] = {}
        self._own_places: frozenset[str] | None = None
        self._wanted_bytes = 0
        self.has_failed = False
        self.failures = 0
        self.fault: str | None = None

    @property
    def error(self) -> StoreError | None:
        """Why a place takes no files now, or None; the first reason where there are several."""
        return next((each.error for each in self._faults.values()), None)

    @property
    def takes_nothing(self) -> bool:
        """Whether the store itself takes no files, and so no namespace does."""
        return STORE in self._faults

    @property
    def wanted_free_bytes(self) -> int:
        """How many bytes of its disk have to be free before the store is no longer full; 0 while it is not."""
        return self._wanted_bytes if self.takes_nothing and not self.is_read_only else 0

    @property
    def is_full(self) -> bool:
        """Whether a place is full."""
        return any(isinstance(each.error, DiskFullError) for each in self._faults.values())

    @property
    def is_read_only(self) -> bool:
        """Whether a place does not let itself be written to."""
        return any(isinstance(each.error, ReadOnlyError) for each in self._faults.values())

    def check(self, namespace: str) -> None:
        """Raise DiskFullError or ReadOnlyError while the store takes no files of a namespace."""
        found = self._faults.get(STORE) or self._faults.get(namespace)
        if found is not None:
            raise type(found.error)(f"the store takes no files: {found.error}")

    def is_elsewhere(self, namespace: str) -> bool:
        """Whether a namespace is on a file system of its own."""
        return namespace in (self._own_places or ())

    def succeeded(self) -> None:
        """Note that the store has kept an output."""
        self.fault = None

    def failed(self, namespace: str, error: Exception, size_bytes: int) -> bool:
        """Note that the store has not kept an output, as `note` does."""
        self.failures += 1
        self.fault = str(error)
        return self.note(namespace, error, size_bytes)

    def note(self, namespace: str, error: Exception, size_bytes: int = 0) -> bool:
        """Note that a file of that size was not kept. Return whether the log has the reason already.

        Without trials, as in a batch, no fault begins: none would end it.
        """
        if isinstance(error, DiskFullError) and self._own_places is not None:
            place = namespace if self.is_elsewhere(namespace) else STORE
            fault = self._begin(place, error)
            fault.refused_bytes = max(fault.refused_bytes, size_bytes)
        if isinstance(error, StoreError):
            self.has_failed = True
        return STORE in self._faults or namespace in self._faults

    def tried(self, trials: Mapping[str, Trial]) -> StoreError | None:
        """Note how the places took files. Return the error of one that is neither full nor read-only, if any."""
        self._own_places = frozenset(trials) - {STORE}
        other = None
        for place, trial in trials.items():
            if isinstance(trial.error, DiskFullError | ReadOnlyError):
                self._begin(place, trial.error)
            elif trial.error is not None:
                other = other or trial.error
            elif place in self._faults and trial.free_bytes >= self._healed_bytes(place, trial):
                self._end(place)
        self._want(trials[STORE])
        if trials[STORE].error is None:
            for place in self._faults.keys() - trials.keys():
                self._end(place)  # its namespace has moved, or was removed
        return other

    def _want(self, trial: Trial) -> None:
        """Note how much has to be free: where the free bytes do not show what is missing, as with a quota, more."""
        if STORE in self._faults:
            enough = self._healed_bytes(STORE, trial)
            is_hidden = trial.error is not None and trial.free_bytes >= enough
            self._wanted_bytes = enough + trial.free_bytes if is_hidden else enough

    def _healed_bytes(self, place: str, trial: Trial) -> int:
        enough = max(trial.total_bytes // SMALL_PART, 2 * self._faults[place].refused_bytes)
        return min(enough, HEALED_BYTES) if isinstance(self._faults[place].error, DiskFullError) else 0

    def _begin(self, place: str, error: StoreError) -> _Fault:
        known = self._faults.get(place)
        if known is not None and isinstance(error, DiskFullError) == isinstance(known.error, DiskFullError):
            return known
        self._faults[place] = fault = _Fault(error, self._seconds())
        if isinstance(error, DiskFullError):
            self._log.error(
                "the store is full: {error}; posts get 507, and outputs are served without being stored, until there "
                "is room",
                error=str(error),
            )
        else:
            self._log.error(
                "the store is read-only: {error}; posts get 503, and outputs are served without being stored, until "
                "it takes files",
                error=str(error),
            )
        return fault

    def _end(self, place: str) -> None:
        lasted_s = self._seconds() - self._faults.pop(place).since_s
        self.fault = None
        self._log.info("the store takes files again after {lasted_s:.0f} s", lasted_s=lasted_s)


def prevents_service(error: StoreError | None) -> bool:
    """Say whether a daemon cannot begin to use a store with this error: a full or read-only one has files to serve."""
    can_be_served = isinstance(error, DiskFullError | ReadOnlyError) and not isinstance(error, NoPermissionError)
    return error is not None and not can_be_served
