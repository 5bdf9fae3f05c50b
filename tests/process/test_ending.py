"""The end of a process, each tried in a process of its own."""

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
    """Run a program to its end, which comes long before a minute has passed."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=30, check=False
    )


def test_with_nothing_left() -> None:
    """The interpreter ends as ever, with the status given."""
    ended = run("print('told'); ending.end(3)")
    assert (ended.returncode, ended.stdout) == (3, "told\nunloaded\n")


def test_with_a_thread_at_work() -> None:
    """What was written is there, the status is right, and nothing is unloaded."""
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
def test_with_what_a_plugin_leaves(left: str) -> None:
    """A thread that the interpreter would wait for, or a call at its end, keeps the process for a moment only."""
    assert run(f"{left}; ending.end(3)").returncode == 3


def test_a_main_thread_that_is_held_up() -> None:
    """It is told where, and the process ends all the same."""
    ended = run("ending.end_within(0.1, 1, lambda: print(ending.place(), flush=True)); stay()")
    assert ended.returncode == 1
    assert "Event.wait (" in ended.stdout or "Condition.wait (" in ended.stdout
