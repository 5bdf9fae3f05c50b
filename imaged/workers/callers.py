"""Who waits for a piece of work: clients, queued jobs, or none any more."""

from __future__ import annotations

from collections.abc import Callable


class Callers:
    """Counts the callers that wait for one piece of work. Reactor thread only.

    `when_gone` is called when the last one leaves, if it is set.
    """

    def __init__(self, clients: int = 0) -> None:
        self._clients = clients
        self._jobs = 0
        self.when_gone: Callable[[], None] | None = None

    @property
    def client_waits(self) -> bool:
        """Whether a client is among them."""
        return self._clients > 0

    @property
    def gone(self) -> bool:
        """Whether none waits."""
        return not self._clients + self._jobs

    def join(self, *, client_waits: bool) -> None:
        """Count one more: a client or a queued job."""
        if client_waits:
            self._clients += 1
        else:
            self._jobs += 1

    def leave(self, *, client_waits: bool) -> None:
        """Count one less."""
        if client_waits:
            self._clients -= 1
        else:
            self._jobs -= 1
        if self.gone and self.when_gone is not None:
            self.when_gone()
