"""Signals are kept until the daemon is ready, and a second SIGTERM ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from imaged.process.signals import RELOAD, STOP, UPGRADE, Signals


class Reactor(Clock):
    """A reactor whose only thread is this one."""

    def callFromThread(self, call: object, *args: object) -> None:  # noqa: N802  # Twisted's name
        """Call the function."""
        assert callable(call)
        call(*args)


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Return the signals of this process, and restore the handlers after the test."""
    before = {number: signal.getsignal(number) for number in (*STOP, RELOAD, UPGRADE)}
    yield Signals()
    for number, action in before.items():
        signal.signal(number, action)


def test_early_signals_are_kept(signals: Signals) -> None:
    """The default handlers would end a process that starts. Several signals of a kind count as one."""
    acted: list[str] = []
    for number in (RELOAD, UPGRADE, RELOAD):
        os.kill(os.getpid(), number)
    assert acted == []
    signals.connect(Reactor(), {RELOAD: lambda: acted.append("reload"), UPGRADE: lambda: acted.append("upgrade")})
    assert acted == ["reload", "upgrade"]
    os.kill(os.getpid(), RELOAD)
    assert acted == ["reload", "upgrade", "reload"]


@pytest.mark.parametrize("second", STOP)
def test_a_second_stop_signal_ends_the_process(second: int) -> None:
    """Even while its main thread waits."""
    program = (
        "import signal, time; from imaged.process.signals import Signals; signals = Signals(); "
        "print('ready', flush=True); signal.raise_signal(signal.SIGTERM); print('still here', flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert process.stdout.readline() == b"still here\n"
        process.send_signal(second)
        assert process.wait(timeout=30) == 128 + second
