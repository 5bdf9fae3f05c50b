"""Signals, caught from the first moment on; one that arrives before the daemon is ready is kept until then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
UPGRADE = signal.SIGUSR2

_SIGNALLED = 128  # a shell reports a process that a signal ended with this plus the signal's number


class Signals:
    """Catches the signals of this process. The second SIGTERM or SIGINT ends the process at once."""

    def __init__(self) -> None:
        self._dispatch: Callable[[int], None] | None = None
        self._kept: list[int] = []
        self._stopping = False
        self.install()

    def install(self) -> None:
        """Install the handlers; again after the reactor has started, which installs its own."""
        for number in (*STOP, RELOAD, UPGRADE):
            signal.signal(number, self._handle)
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {*STOP, RELOAD, UPGRADE}
        )  # the old process blocks them during a handover

    def end(self) -> None:
        """Ignore signals from now on: the process is about to end with the exit status that it has."""
        for number in (*STOP, RELOAD, UPGRADE):
            signal.signal(number, signal.SIG_IGN)

    def connect(self, reactor: Any, actions: Mapping[signal.Signals, Callable[[], object]]) -> None:
        """Call the action of each signal on the reactor thread, from the kept signals on."""
        self._dispatch = lambda number: reactor.callFromThread(actions[signal.Signals(number)])
        kept, self._kept = self._kept, []
        for number in dict.fromkeys(kept):
            self._dispatch(number)

    def _handle(self, number: int, _: object) -> None:
        if number in STOP:
            if self._stopping:
                os._exit(_SIGNALLED + number)
            self._stopping = True
        if self._dispatch is None:
            self._kept.append(number)
        else:
            self._dispatch(number)
