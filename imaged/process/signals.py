"""Signals, from the first moment on: one that comes before the daemon can act on it is kept until it can."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

LEAVE = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
UPGRADE = signal.SIGUSR2

_SIGNALLED = 128  # an exit status above this is that of a shell for a process that a signal has ended


class Signals:
    """Takes the signals of this process. A second one that asks it to leave ends it at once, whatever it does."""

    def __init__(self) -> None:
        self._act: Callable[[int], None] | None = None
        self._kept: list[int] = []
        self._leaving = False
        self.install()

    def install(self) -> None:
        """Take the signals, once more where somebody else has since: the reactor does when it starts."""
        for number in (*LEAVE, RELOAD, UPGRADE):
            signal.signal(number, self._take)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*LEAVE, RELOAD, UPGRADE})  # who started us may have blocked them

    def end(self) -> None:
        """Take no more: the process is about to end by itself, with the exit status that it has."""
        for number in (*LEAVE, RELOAD, UPGRADE):
            signal.signal(number, signal.SIG_IGN)

    def connect(self, reactor: Any, actions: Mapping[signal.Signals, Callable[[], object]]) -> None:
        """Call the action of each signal on the reactor thread, those that were kept included."""
        self._act = lambda number: reactor.callFromThread(actions[signal.Signals(number)])
        kept, self._kept = self._kept, []
        for number in dict.fromkeys(kept):
            self._act(number)

    def _take(self, number: int, _: object) -> None:
        if number in LEAVE:
            if self._leaving:
                os._exit(_SIGNALLED + number)
            self._leaving = True
        if self._act is None:
            self._kept.append(number)
        else:
            self._act(number)
