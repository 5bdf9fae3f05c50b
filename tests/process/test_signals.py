"""Signals are kept until the daemon can act on them, and a second one to leave ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from imaged.process.signals import LEAVE, RELOAD, UPGRADE, Signals


class Reactor(Clock):
    """One whose other threads are this one."""

    def callFromThread(self, call: object, *args: object) -> None:  # noqa: N802  # Twisted's name
        """Call at once."""
        assert callable(call)
        call(*args)


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Return the signals of this process, which has its own again afterwards."""
    before = {number: signal.getsignal(number) for number in (*LEAVE, RELOAD, UPGRADE)}
    yield Signals()
    for number, action in before.items():
        signal.signal(number, action)


def test_what_comes_early_is_kept(signals: Signals) -> None:
    """By default either of these would end a process that is about to serve. Several of a kind are one."""
    acted: list[str] = []
    for number in (RELOAD, UPGRADE, RELOAD):
        os.kill(os.getpid(), number)
    assert acted == []
    signals.connect(Reactor(), {RELOAD: lambda: acted.append("reload"), UPGRADE: lambda: acted.append("upgrade")})
    assert acted == ["reload", "upgrade"]
    os.kill(os.getpid(), RELOAD)
    assert acted == ["reload", "upgrade", "reload"]


@pytest.mark.parametrize("second", LEAVE)
def test_a_second_signal_to_leave_ends_the_process(second: int) -> None:
    """Whatever it does: here it does nothing but wait."""
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
