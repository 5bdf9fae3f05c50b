"""The end of a process, tried in child processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import atexit, sys, threading, time
from imaged.process import ending
ending.LAST_S = 0.1
atexit.register(print, "unloaded", flush=True)
def stay():
    threading.Event().wait(60)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and check that it takes less than a minute."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=30, check=False
    )


def test_without_running_threads() -> None:
    """The interpreter ends as usual, with the given status."""
    ended = run("print('told'); ending.end(3)")
    assert (ended.returncode, ended.stdout) == (3, "told\nunloaded\n")


def test_with_a_running_thread() -> None:
    """The output is complete, the status is right, and nothing is unloaded."""
    ended = run("""
from imaged.workers.threads import Threads, unfinished
from twisted.internet import reactor
Threads(reactor, "render", 1).run(stay)
while not unfinished():
    pass
print("told")
ending.end(3)
""")
    assert (ended.returncode, ended.stdout) == (3, "told\n")


@pytest.mark.parametrize("left", ["threading.Thread(target=stay).start()", "atexit.register(stay)"])
def test_a_plugin_cannot_keep_the_process(left: str) -> None:
    """Neither by a thread that the interpreter joins nor by an `atexit` function that never returns."""
    assert run(f"{left}; ending.end(3)").returncode == 3


def test_a_blocked_main_thread() -> None:
    """The place is reported, and the process ends."""
    ended = run("ending.end_within(0.1, 1, lambda: print(ending.place(), flush=True)); stay()")
    assert ended.returncode == 1
    assert "Event.wait (" in ended.stdout or "Condition.wait (" in ended.stdout
