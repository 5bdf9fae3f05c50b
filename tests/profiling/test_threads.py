"""The list of threads has their code, and no value of a variable."""

from __future__ import annotations

import subprocess
import sys
import threading
from threading import Event, Thread

import pytest

from imaged.profiling.calls import cpu_time_ns
from imaged.profiling.threads import describe


def wait_with_secret(secret: str, ready: Event, end: Event) -> str:
    """Hold a secret until the event is set."""
    ready.set()
    end.wait()
    return secret


def test_every_other_thread_is_there_with_its_stack() -> None:
    """A stack has the innermost call first, with file and line, and no values."""
    ready, end = Event(), Event()
    thread = Thread(target=wait_with_secret, args=("hunter2", ready, end), name="keeper", daemon=True)
    thread.start()
    try:
        assert ready.wait(30)
        text = describe(thread.ident or 0, cpu_time_ns)
    finally:
        end.set()
        thread.join()
    head, *lines = text.split("\n\n")[1].splitlines()
    assert head.startswith(f'"keeper" (the reactor), native id {thread.native_id}, daemon, CPU time 0.')
    place = wait_with_secret.__code__.co_firstlineno + 3
    assert f"    {__name__}.wait_with_secret ({__file__}:{place})" in lines
    assert lines[-1].startswith("    threading.Thread._bootstrap (")
    assert "hunter2" not in text
    assert f'"{threading.current_thread().name}"' not in text


def test_cpu_time_that_cannot_be_known_is_said() -> None:
    """A system without thread clocks has `unknown` there."""
    end = Event()
    thread = Thread(target=end.wait, name="sleeper")
    thread.start()
    try:
        assert "no daemon, CPU time unknown" in describe(0, lambda _: None)
    finally:
        end.set()
        thread.join()


FORKED = """
import os, threading, time
from threading import Event, Thread
from imaged.profiling.calls import cpu_time_ns
from imaged.profiling.sampler import sample
from imaged.profiling.threads import describe
if os.fork() > 0:
    raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))

def look():
    print(os.getpid(), describe(threading.main_thread().ident, cpu_time_ns).splitlines()[2])
    profile = sample(200_000_000, Event(), time.monotonic_ns, time.time_ns, cpu_time_ns)
    print(sum(each.values[1] for each in profile.samples if each.thread == "MainThread"))

looking = Thread(target=look)
looking.start()
while looking.is_alive():
    sum(range(1000))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no clocks of threads but on Linux")
def test_the_main_thread_is_itself_after_a_fork() -> None:
    """Its id and its CPU time are those of the child; Python's own id for it is still the parent's."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True)
    head, cpu_ns = done.stdout.splitlines()
    pid, _, told = head.partition(" ")
    assert told.startswith(f'"MainThread" (the reactor), native id {pid}, no daemon, CPU time 0.')
    assert int(cpu_ns) > 0
