"""A short soak in `make test`, and the measuring that all soaks rely on."""

from __future__ import annotations

import os
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
    nothing = measure(os.getpid(), tmp_path)
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        found = measure(os.getpid(), tmp_path)
        assert found.processes - nothing.processes == 3
        assert found.threads - nothing.threads == 4
        assert found.descriptors - nothing.descriptors >= 7
        assert found.memory_kib - nothing.memory_kib > 2_000
        assert found.temporary_files == 1
        parent.kill()
    assert parent.pid not in descendants(os.getpid())


def test_what_grew_is_named() -> None:
    """A figure that is larger by more than the tolerance is named, and of two figures the larger one is the peak."""
    before, after = Footprint(100, 10, 5, 2, 0), Footprint(110, 12, 5, 1, 1)
    assert after.exceeding(before, 0.1) == ["descriptors", "temporary_files"]
    assert before.peak(after) == Footprint(110, 12, 5, 2, 1)
