"""Threads are told by what they do, never by what they hold."""

from __future__ import annotations

import threading
from threading import Event, Thread

from imaged.profiling.calls import cpu_time_ns
from imaged.profiling.threads import describe


def wait_with_secret(secret: str, ready: Event, end: Event) -> str:
    """Hold a secret until the end."""
    ready.set()
    end.wait()
    return secret


def test_every_other_thread_is_there_with_its_stack() -> None:
    """The innermost call first, with file and line; the value of no variable."""
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
    """As on systems without clocks of threads."""
    end = Event()
    thread = Thread(target=end.wait, name="sleeper")
    thread.start()
    try:
        assert "no daemon, CPU time unknown" in describe(0, lambda _: None)
    finally:
        end.set()
        thread.join()
