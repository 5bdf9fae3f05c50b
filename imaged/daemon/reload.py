"""Reloads, one after the other however many are asked for, and how the last one ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.config.faults import ConfigurationError, Fault
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.core.snapshot import Reload
from imaged.process.notify import Notifier


class Reloads:
    """Has `attempt` reload, which raises ConfigurationError for settings that cannot be used. Reactor thread only.

    Whoever asks while one is under way gets the next, which reads what they have written; it serves all who ask for it.
    """

    _log = Logger()

    def __init__(
        self, clock: Any, attempt: Callable[[], Coroutine[Deferred[Any], Any, None]], notifier: Notifier
    ) -> None:
        self._clock = clock
        self._attempt = attempt
        self._notifier = notifier
        self._asking: list[Deferred[Reload]] = []
        self._under_way: Deferred[None] | None = None
        self._held = False
        self.last: Reload | None = None

    def ask(self) -> Deferred[Reload]:
        """Reload, and tell the outcome; the Deferred never fails."""
        asking: Deferred[Reload] = Deferred()
        self._asking.append(asking)
        self._begin()
        return asking

    async def hold(self) -> None:
        """Return when none is under way; until `let_go` none is begun, and who asks waits."""
        self._held = True
        while self._under_way is not None:
            await deferLater(self._clock, 0)

    def let_go(self) -> None:
        """Begin with what has been asked for meanwhile."""
        self._held = False
        self._begin()

    def _begin(self) -> None:
        if self._under_way is None and self._asking and not self._held:
            self._under_way = Deferred.fromCoroutine(self._work_off())

    async def _work_off(self) -> None:
        try:
            while self._asking and not self._held:
                await deferLater(self._clock, 0)  # signals come in bursts: one reload serves all that came by now
                asking, self._asking = self._asking, []
                self._notifier.reloading()
                errors = await self._try()
                self.last = Reload(datetime.now(UTC), not errors, errors)
                self._notifier.ready()
                for each in asking:
                    each.callback(self.last)
        finally:
            self._under_way = None

    async def _try(self) -> tuple[str, ...]:
        try:
            await self._attempt()
        except ConfigurationError as error:
            self._log.error("reload refused, the settings stay as they were:\n{error}", error=error)
            return tuple(map(str, error.faults))
        except Exception as error:  # whatever goes wrong, the daemon goes on as it was
            self._log.failure("reload broke down, the settings stay as they were")
            return (f"an unexpected failure, which the log tells: {type(error).__name__}",)
        return ()


def restart_faults(running: Settings, loaded: Loaded) -> list[Fault]:
    """Return a fault when the job queue would have to move: it belongs to the process and not to a generation."""
    if running.state_dir == loaded.settings.state_dir:
        return []
    return [loaded.fault(("state_dir",), "takes effect with a restart only; nothing was reloaded")]
