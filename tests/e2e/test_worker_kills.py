"""SIGKILL of workers, templates and daemons under load: no acknowledged work is lost, and nothing is left over.

IMAGED_TEST_ROUNDS=10 kills 100 workers and 20 daemons; `pytest -rP` prints the counts.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from daemon import Daemon, until
from handover import complete, upgrade
from load import PROMISED, Load, stock
from ports import endpoint, free_port
from processes import LONGEST_S, Process, adopt_orphans, children, descendants, living_in, weigh

from imaged.testing.pictures import make_png

pytestmark = pytest.mark.whole_start

ROUNDS = int(os.environ.get("IMAGED_TEST_ROUNDS", "1"))
WORKERS_KILLED = 10 * ROUNDS
DAEMONS_KILLED = max(3, 2 * ROUNDS)


class Victim:
    """A daemon on fixed ports, whose temporary files are in a folder of their own."""

    def __init__(self, make_daemon: Callable[..., Daemon], folder: Path) -> None:
        self._others = descendants(os.getpid())
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._settings = {
            "listen": endpoint(free_port()),
            "status": {"listen": endpoint(free_port())},
            "shutdown_timeout_s": 10,
        }
        self.daemon = make_daemon(self._text(70), ports=(), environ={"TMPDIR": str(self.temporary)})

    def _text(self, quality: int) -> str:
        return yaml.safe_dump({**self._settings, "images": {"default_quality": quality}})

    def change(self) -> None:
        """Write other settings, for a reload."""
        self.daemon.configure(self._text(random.randint(50, 90)))

    @property
    def left(self) -> set[int]:
        """The processes that were started since the beginning."""
        return descendants(os.getpid()) - self._others

    def check(self, load: Load) -> None:
        """Check that each posted picture has its original and its outputs, and that nothing temporary is left."""
        for info in load.posted:
            self.daemon.wait_for_files(info, PROMISED, LONGEST_S)
            original = self.daemon.get(f"/p/{info['hash']}/original")
            assert hashlib.md5(original.body).hexdigest() == info["hash"]
        assert self.daemon.stop() in {0, -9}
        until(lambda: not self.left, self.daemon, 5)
        assert not list(self.temporary.iterdir())
        assert not list((self.daemon.store / ".incoming").iterdir())


@pytest.fixture
def victim(make_daemon: Callable[..., Daemon], tmp_path: Path) -> Victim:
    """Return a daemon."""
    return Victim(make_daemon, tmp_path)


def test_workers(victim: Victim) -> None:
    """Workers killed under load cost no request: each job is tried again on a new worker. The daemon stays the same."""
    daemon = victim.daemon
    asks = stock(daemon)
    pid, weight = daemon.pid, weigh(daemon.pid)
    killed = 0
    with Load(daemon.public, asks, pause_s=0.02, seldom=8) as load:
        while killed < WORKERS_KILLED:
            load.wait_for(random.randrange(1, 60))
            killed += kill(random.choice(until(partial(workers, pid), daemon)))
    again = daemon.log.read_text().count(": another one does the job again")
    sys.stdout.write(
        f"killed {killed} workers under {load.tally.done} requests, {again} of them in a job, which was tried again; "
        f"{len(load.posted)} pictures posted\n"
    )
    assert not load.tally.failures, f"{load.tally}\n{daemon.tail}"
    assert set(load.tally.statuses) <= {200, 503}, f"{load.tally}\n{daemon.tail}"
    assert load.tally.statuses[503] <= killed // 10, f"{load.tally}\n{daemon.tail}"
    assert daemon.pid == pid
    until(lambda: weigh(pid).within(1.3, weight), daemon)
    victim.check(load)


def test_templates(victim: Victim) -> None:
    """If the templates are killed, with all workers, new ones render."""
    daemon = victim.daemon
    asks = stock(daemon)
    pid = daemon.pid
    for _ in range(ROUNDS):
        with Load(daemon.public, asks, pause_s=0.02) as load:
            load.wait_for(50)
            for each in descendants(pid):
                kill(each)
            load.wait_for(100)
            until(lambda: workers(pid), daemon)
        assert not load.tally.failures, f"{load.tally}\n{daemon.tail}"
        assert set(load.tally.statuses) <= {200, 503}, f"{load.tally}\n{daemon.tail}"
    assert daemon.pid == pid
    victim.check(load)


def test_daemons(victim: Victim) -> None:
    """A daemon killed under load, in a reload or a handover leaves no process, and the next one does what is queued."""
    daemon = victim.daemon
    load = Load(daemon.public, stock(daemon), kept=4, fresh=4, pause_s=0.05, seldom=8)
    done: Counter[str] = Counter()
    with load:
        for number in range(DAEMONS_KILLED):
            load.wait_for(random.randrange(10, 40))
            kind = ("alone", "reload", "handover")[number % 3]
            done[kind] += 1
            old = Process(daemon.pid)
            if kind != "alone":
                victim.change()
                old.send(signal.SIGHUP if kind == "reload" else signal.SIGUSR2)
                time.sleep(random.uniform(0, 0.1 if kind == "reload" else 1.5))
            family = descendants(old.pid)
            old.send(signal.SIGKILL)
            old.wait()
            if kind == "handover" and complete(daemon) is not None:
                family -= descendants(daemon.pid) | {daemon.pid}
                done["new process serves"] += 1
            wait_for_the_end(family, victim)
            if not living_in(daemon.folder):
                restart(victim)
    sys.stdout.write(f"killed {done}; {len(load.posted)} pictures posted under {load.tally.done} requests\n")
    assert not {"wrong", "garbled", "timeout"} & set(load.tally.failures), f"{load.tally}\n{daemon.tail}"
    assert set(load.tally.statuses) <= {200, 503}, f"{load.tally}\n{daemon.tail}"
    victim.check(load)


def test_reloads_and_handovers(victim: Victim) -> None:
    """The workers of an old generation, and those of an old process, end when their last job has ended."""
    daemon = victim.daemon
    with Load(daemon.public, stock(daemon), kept=4, fresh=4, seldom=8) as load:
        for number in range(2 * ROUNDS + 2):
            pid = daemon.pid
            family = descendants(pid)
            victim.change()
            if number % 2:
                old = upgrade(daemon)
                assert old.wait() == 0
            else:
                assert daemon.hup()["ok"] is True
            load.wait_for(20)
            wait_for_the_end(family, victim)
            until(partial(_settled, daemon), daemon)
    assert load.tally.spotless, f"{load.tally}\n{daemon.tail}"
    victim.check(load)


def _settled(daemon: Daemon) -> bool:
    """Return whether a daemon has one template, and as many workers as it may keep: one for each render, and two."""
    status = daemon.status()
    most = status["processing"]["threads"] + 2
    return len(children(status["pid"])) == 1 and 1 <= len(workers(status["pid"])) <= most


def test_a_batch(tmp_path: Path) -> None:
    """A batch that is killed leaves no process and no temporary file."""
    adopt_orphans()
    others = descendants(os.getpid())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "imaged.yaml").write_text("")
    picture = make_png(400, 300)
    for number in range(100):
        (tmp_path / f"picture-{number}").write_bytes(picture + bytes([number]))
    command = [
        sys.executable,
        "-m",
        "imaged",
        "process",
        "-c",
        "imaged.yaml",
        "--outputs",
        "w500.png,w400.webp",
        "list",
    ]
    (tmp_path / "list").write_text("".join(f"picture-{number}\n" for number in range(50)))
    environ = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as batch:
        wait_until(lambda: workers(batch.pid) or batch.poll() is not None)
        assert batch.poll() is None, batch.communicate()
        time.sleep(random.uniform(0, 0.5))
        batch.kill()
    wait_until(lambda: not descendants(os.getpid()) - others)
    assert not list(temporary.glob("imaged-workers-*"))


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until a condition is true."""
    end_s = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def wait_for_the_end(family: set[int], victim: Victim) -> None:
    """Wait until none of these processes is left."""
    until(lambda: not family & victim.left, victim.daemon, 5)


def restart(victim: Victim) -> None:
    """Start the daemon again. The first process may have been reaped already.

    A process that was forked while the daemon was killed is in no family, and ends as soon as the others.
    """
    until(lambda: not victim.left, victim.daemon, 5)
    victim.daemon.start()


def workers(daemon: int) -> list[int]:
    """Return the ids of the workers of a daemon: the children of its templates."""
    return [worker for template in children(daemon) for worker in children(template)]


def kill(pid: int) -> bool:
    """Kill a process. Return whether it existed."""
    with suppress(ProcessLookupError):
        assert pid > 1
        os.kill(pid, signal.SIGKILL)
        return True
    return False
