"""The log names calls that block the reactor, and overdue calls into plugins, while they last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.logger import capturedLogs

from imaged.core.stall_status import Stalls
from imaged.hooks.boundary import under_way
from imaged.profiling.stalls import HELD_S, LOOK_EVERY_S, StallWatch


class World:
    """A reactor that the test makes answer, and two clocks; the test's own thread is the reactor's."""

    def __init__(self) -> None:
        self.now_s = self.cpu_s = 100.0
        self.asked: list[Callable[[], None]] = []
        self.watch = StallWatch(self, lambda: self.now_s, lambda: self.cpu_s)

    def callFromThread(self, function: Callable[..., None], *args: Any) -> None:  # noqa: N802  # Twisted's name
        """Keep the call until `answer`."""
        self.asked.append(lambda: function(*args))

    def answer(self) -> None:
        """Make the calls, as the reactor would."""
        asked, self.asked = self.asked, []
        for each in asked:
            each()

    def look(self, after_s: float = LOOK_EVERY_S, cpu_s: float = 0.0) -> None:
        """Let time pass, then let the watch look on a thread."""
        self.now_s += after_s
        self.cpu_s += cpu_s
        look = threading.Thread(target=self.watch.look)
        look.start()
        look.join()

    def blocked(self, *, for_s: float) -> list[str]:
        """Answer nothing for so long, and return the lines of the log."""
        with capturedLogs() as logged:
            for _ in range(round(for_s / LOOK_EVERY_S)):
                self.look()
            self.answer()
            self.look()
        return [event["log_format"].format(**event) for event in logged]


@pytest.fixture
def world() -> World:
    """Return a world after the first look."""
    world = World()
    world.look()
    return world


def test_a_reactor_that_answers_is_not_in_the_log(world: World) -> None:
    """A short delay is not in the log either."""
    for _ in range(3):
        assert world.blocked(for_s=HELD_S / 2) == []
    assert world.watch.status == Stalls(0, None, ())


def test_the_log_names_the_blocking_call(world: World) -> None:
    """The log has the stack while the call lasts; afterwards the status has the call and its duration."""
    world.look()
    with capturedLogs() as logged:
        for _ in range(3):
            world.look()
    (event,) = logged
    assert event["by"] == event["stack"].split("\n")[0].strip()
    assert "test_the_log_names_the_blocking_call" in event["stack"]
    world.now_s += 2
    world.answer()
    world.look()
    shown = world.watch.status
    assert shown.last is not None
    assert (shown.total, shown.last.held_s, shown.last.ago_s) == (1, 3.0, LOOK_EVERY_S)
    assert shown.last.by == event["by"]
    assert world.blocked(for_s=0) == []


def test_a_blocking_plugin_has_its_name_in_the_settings(world: World) -> None:
    """The innermost function follows the name."""
    with under_way("uploader slow: upload of p/original", within_s=0):
        world.blocked(for_s=2)
    last = world.watch.status.last
    assert last is not None
    assert last.by.startswith("uploader slow: upload of p/original, ")
    assert world.watch.status.hanging == ()


def test_a_stopped_process_is_no_stall(world: World) -> None:
    """After a suspension or a debugger, the watch is as late as the reactor, and the process used no CPU time."""
    with capturedLogs() as logged:
        world.look(after_s=3600)
        world.answer()
        world.look()
    assert (list(logged), world.watch.status.total) == ([], 0)


def test_code_that_keeps_pythons_lock_is_a_stall(world: World) -> None:
    """No thread can read its stack, so the log names the plugin calls in progress."""
    with under_way("uploader slow: list of p/", within_s=0):
        world.look(after_s=3, cpu_s=2.9)
    last = world.watch.status.last
    assert last is not None
    assert last.held_s == 3.0
    assert "keeps Python's lock" in last.by
    assert last.by.endswith("in progress: uploader slow: list of p/")


@contextmanager
def stuck_in_a_plugin(within_s: float) -> Iterator[None]:
    """Run a thread that hangs in a call that should end `within_s` seconds from now, until the block ends."""
    begun, released = threading.Event(), threading.Event()

    def hang() -> None:
        with under_way("processor slow: render of x300.jpg", within_s):
            begun.set()
            released.wait(30)

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait(30)
    try:
        yield
    finally:
        released.set()
        thread.join()


def test_an_overdue_call_is_logged_once(world: World) -> None:
    """The line has the place where the call hangs; the status has it until the call returns."""
    world.now_s = time.monotonic()
    with stuck_in_a_plugin(within_s=3600), capturedLogs() as logged:
        world.look()
        assert not world.watch.status.hanging
    assert list(logged) == []
    with stuck_in_a_plugin(within_s=-3600), capturedLogs() as logged:
        world.look()
        world.look()
        (hanging,) = world.watch.status.hanging
    assert hanging.call == "processor slow: render of x300.jpg"
    assert "wait" in hanging.at
    (event,) = logged
    assert "stuck_in_a_plugin.<locals>.hang" in event["stack"]
    world.look()
    assert world.watch.status.hanging == ()


def test_it_watches_from_a_thread_of_its_own() -> None:
    """The thread asks the reactor repeatedly, and `stop` ends the thread."""
    asked = threading.Event()

    class Reactor:
        def callFromThread(self, function: Callable[..., None], *args: Any) -> None:  # noqa: N802  # Twisted's name
            function(*args)
            asked.set()

    watch = StallWatch(Reactor(), time.monotonic, time.process_time)
    watch.start()
    assert asked.wait(30)
    watch.stop()
    assert "stall watch" not in {thread.name for thread in threading.enumerate()}
