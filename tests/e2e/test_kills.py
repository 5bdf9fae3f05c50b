"""SIGKILL during an upgrade: the other process serves, and no queued job is lost."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import yaml
from daemon import Daemon, until
from handover import complete
from processes import Process, living_in

from imaged.testing.pictures import make_jpeg, make_png

pytestmark = pytest.mark.whole_start

READY = -1.0
MOMENTS_S = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, READY)
"""When the test kills a process: so long after SIGUSR2, or when the new process is ready (some 0.5 s after it)."""

GATED = {"processors": ["gate"], "plugins": {"gate": {"gate": "open"}}, "render": {"isolation": "thread"}}
NAMES = ["x10.jpg", "full_size.webp", "full_size-q9.jpg"]
"""The gate holds the outputs of full size. It is a file, which a worker process cannot see."""


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> Daemon:
    """Return a daemon whose renders of full size wait until the file `open` exists."""
    return make_daemon(yaml.safe_dump(GATED), environ=plugins)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
@pytest.mark.parametrize("victim", ["old", "new"])
def test_killed(daemon: Daemon, victim: str, moment_s: float) -> None:
    """At most one process serves afterwards, and outputs that were queued before appear.

    If the new process is killed, the old one serves again and answers its requests.
    """
    queued = [daemon.post(f"/p?outputs={','.join(NAMES)}", make_png(comment=f"{each}")).json() for each in range(4)]
    target = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}/full_size.gif"
    old = Process(daemon.pid)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(daemon.get, target)
        until(lambda: daemon.status()["processing"]["waiting"] or daemon.status()["processing"]["current"], daemon)
        old.send(signal.SIGUSR2)
        wait(daemon, old, moment_s)
        if victim == "old":
            old.send(signal.SIGKILL)
        else:
            until(lambda: kill_others(daemon, old), daemon)
            until(lambda: not kill_others(daemon, old), daemon)  # it may have started others
            assert complete(daemon) == old.pid, daemon.tail
        (daemon.folder / "open").touch()
        if victim == "new":
            assert held.result().body.endswith(b"gate q75")
        else:
            assert held.exception() is not None or held.result().status == 200
    if complete(daemon) is None:
        daemon.start()
    assert daemon.get(target).body.endswith(b"gate q75")
    for info in queued:
        daemon.wait_for_files(info, NAMES)
    assert complete(daemon) is not None


def kill_others(daemon: Daemon, old: Process) -> set[int]:
    """Kill the daemons of the folder but for the old one; return the ids of those that lived."""
    others = living_in(daemon.folder) - {old.pid}
    for pid in others:
        with suppress(ProcessLookupError):
            Process(pid).send(signal.SIGKILL)
    return others


def wait(daemon: Daemon, old: Process, moment_s: float) -> None:
    """Wait until a moment of the handover, give or take 0.1 s."""
    if moment_s == READY:
        until(lambda: daemon.pid != old.pid, daemon)
        return
    delay_s = moment_s + random.uniform(0, 0.1)
    sys.stdout.write(f"after {delay_s:.3f} s\n")
    time.sleep(delay_s)
