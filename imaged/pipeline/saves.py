"""Outputs that are made and not stored yet: clients get them from memory while the disk works."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from imaged.core.errors import ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.store.disk import FileBody

MOST_UNSAVED = 16
MOST_UNSAVED_BYTES = 1 << 26
"""How many outputs, and how many bytes of them, may wait for the disk before clients and jobs wait for it, too."""


@dataclass(eq=False)
class Save:
    """The save of one output, whose render took `elapsed_s`.

    Clients get `body` until the save ends; `error` says why the store does not keep it. `until_end` closes at the end.
    """

    image: ImageId
    output: Output
    body: FileBody
    elapsed_s: float
    has_begun: bool = False
    error: ImagedError | None = None
    until_end: ExitStack = field(default_factory=ExitStack, init=False)
    _is_decided: bool = field(default=False, init=False)
    _waiting: list[Deferred[None]] = field(default_factory=list, init=False)

    async def stored(self) -> ImagedError | None:
        """Wait until the store has the output and its upload is queued; return the error if it does not keep it."""
        if not self._is_decided:
            waiter: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiter)
            await waiter
        return self.error

    def decide(self, error: ImagedError | None) -> None:
        """Say how the save ends. The first call counts: a save that was too slow has failed."""
        if not self._is_decided:
            self._is_decided, self.error = True, error
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)


class Saves:
    """The saves that run, by image and output. Reactor thread only."""

    def __init__(self) -> None:
        self._running: dict[ImageId, dict[Output, Save]] = {}
        self._bytes = 0
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that nothing may go ahead of it."""
        return self._count > MOST_UNSAVED or self._bytes > MOST_UNSAVED_BYTES

    def get(self, image: ImageId, output: Output) -> Save | None:
        """Return the save of an output, or None when none runs."""
        return self._running[image].get(output) if image in self._running else None

    def outputs(self, image: ImageId) -> Collection[Output]:
        """Return the outputs of an image whose saves run."""
        return self._running.get(image, {}).keys()

    def add(self, save: Save) -> None:
        """Begin: clients get the body from now on."""
        self._running.setdefault(save.image, {})[save.output] = save
        self._bytes += save.body.size_bytes
        self._count += 1

    def remove(self, save: Save) -> None:
        """End: the store has the output, or will not have it."""
        save.until_end.close()
        outputs = self._running[save.image]
        del outputs[save.output]
        if not outputs:
            del self._running[save.image]
        self._bytes -= save.body.size_bytes
        self._count -= 1
        save.decide(None)
