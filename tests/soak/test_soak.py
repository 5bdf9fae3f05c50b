"""A short soak in `make test`, and the measuring that all soaks rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from footprint import Footprint, descendants, measure
from mixed_traffic import KINDS
from soak_run import soak

SHORT_S = 8.0

GROWN = 0.5
"""How much more the daemon may take after a short soak: its caches still fill."""

PARENT = """
import os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
ended = subprocess.Popen(["true"])
os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
threading.Thread(target=sys.stdin.read, daemon=True).start()
print("ready", flush=True)
child.wait()
"""


def test_a_short_soak(tmp_path: Path) -> None:
    """Each answer is right, also during a reload and a handover, and the daemon gives back what it took."""
    result = soak(tmp_path, SHORT_S)
    sys.stdout.write(f"{result}\n")
    assert result.faults(GROWN) == []
    assert result.peak.exceeding(result.after, 0) != []
    assert len(result.traffic.kinds) == KINDS


def test_descendants_are_measured(tmp_path: Path) -> None:
    """A process, its child, its second thread and a child that it does not await count; its parent does not."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    command = ["sh", "-c", '"$@"; exit', "root", sys.executable, "-c", PARENT]  # this process may have others meanwhile
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as root:
        try:
            assert root.stdout is not None
            assert root.stdout.readline() == b"ready\n"
            found = measure(root.pid, tmp_path)
        finally:
            os.killpg(root.pid, signal.SIGKILL)
    assert found.processes == 3
    assert found.threads == 4
    assert found.descriptors >= 7
    assert found.memory_kib > 2_000
    assert found.temporary_files == 1
    assert root.pid not in descendants(os.getpid())


def test_what_grew_is_named() -> None:
    """A figure that is larger by more than the tolerance is named, and of two figures the larger one is the peak."""
    before, after = Footprint(100, 10, 5, 2, 0), Footprint(110, 12, 5, 1, 1)
    assert after.exceeding(before, 0.1) == ["descriptors", "temporary_files"]
    assert before.peak(after) == Footprint(110, 12, 5, 2, 1)
