"""kill -9 in the middle of an upgrade: whoever is left serves, and what was promised is kept."""

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
from handover import settle
from processes import Process, living_in

from imaged.testing.pictures import make_jpeg, make_png

MOMENTS_S = {"at once": (0.0, 0.0), "soon": (0.0, 0.4), "later": (0.4, 1.0)}
"""Between which delays after the signal; a new process is ready after some 0.6 s, or later on a busy machine."""

GATED = {"processors": ["gate"], "plugins": {"gate": {"gate": "open"}}}
NAMES = ["x10.jpg", "full_size.webp", "full_size-q9.jpg"]
"""Of these the gate holds those of full size."""


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> Daemon:
    """Return one whose renders of full size wait until the file `open` exists."""
    return make_daemon(yaml.safe_dump(GATED), environ=plugins)


@pytest.mark.parametrize("moment", ["at once", "soon", "soon", "soon", "later", "later", "later", "ready"])
@pytest.mark.parametrize("victim", ["old", "new"])
def test_killed(daemon: Daemon, victim: str, moment: str) -> None:
    """One process serves afterwards or none is left; outputs that were promised before appear all the same.

    A process that was killed when it was new leaves the old one to go on, and to answer what it had begun to.
    """
    promised = [daemon.post(f"/p?outputs={','.join(NAMES)}", make_png(comment=f"{each}")).json() for each in range(4)]
    target = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}/full_size.gif"
    old = Process(daemon.pid)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(daemon.get, target)
        until(lambda: daemon.status()["processing"]["waiting"] or daemon.status()["processing"]["current"], daemon)
        old.send(signal.SIGUSR2)
        wait(daemon, old, moment)
        if victim == "old":
            old.send(signal.SIGKILL)
        else:
            until(lambda: living_in(daemon.folder) - {old.pid}, daemon)
            for pid in living_in(daemon.folder) - {old.pid}:
                with suppress(ProcessLookupError):
                    Process(pid).send(signal.SIGKILL)
            assert settle(daemon) == old.pid, daemon.tail
        (daemon.folder / "open").touch()
        if victim == "new":
            assert held.result().body == b"gate q75"
        else:
            assert held.exception() is not None or held.result().status == 200
    if settle(daemon) is None:
        daemon.start()
    assert daemon.get(target).body == b"gate q75"
    for info in promised:
        daemon.wait_for_files(info, NAMES)
    assert settle(daemon) is not None


def wait(daemon: Daemon, old: Process, moment: str) -> None:
    """Return at a moment of the handover."""
    if moment == "ready":
        until(lambda: daemon.pid != old.pid, daemon)
        return
    delay_s = random.uniform(*MOMENTS_S[moment])
    sys.stdout.write(f"{moment}: after {delay_s:.3f} s\n")
    time.sleep(delay_s)
