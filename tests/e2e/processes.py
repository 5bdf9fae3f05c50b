"""Processes that are nobody's children: found by the folder that they live in, awaited, and weighed."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imaged.daemon.start import WORK_THREADS

PR_SET_CHILD_SUBREAPER = 36
"""See prctl(2)."""

LONGEST_S = 60.0


def adopt_orphans() -> None:
    """Become to this process's descendants what init is, so that their exit status can be had."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living_in(folder: Path) -> set[int]:
    """Return the ids of all processes whose working directory is `folder`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended, or is somebody else's
                if (entry / "cwd").readlink() == folder:
                    found.add(int(entry.name))
    return found


class Process:
    """One process, held so that its id cannot come to mean another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, to nobody if it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def wait(self, within_s: float = LONGEST_S) -> int | None:
        """Return its exit status when it has ended, negative for a signal; None if it was another's child."""
        ready = select.poll()
        ready.register(self._handle, select.POLLIN)
        assert ready.poll(1000 * within_s), f"process {self.pid} did not end"
        try:
            # WNOWAIT: whoever started it may ask, too
            result = os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return None
        assert result is not None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def hold(folder: Path) -> list[Process]:
    """Return the processes whose working directory is `folder`."""
    held = []
    for pid in living_in(folder):
        with suppress(ProcessLookupError):
            held.append(Process(pid))
    return held


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU time that a process has used: those say what work costs, also on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, see proc(5)


@dataclass(frozen=True)
class Weight:
    """What a process holds."""

    threads: int
    files: int
    memory_kib: int

    def within(self, factor: float, other: Weight) -> bool:
        """Say whether it holds no more than so many times what another one does.

        Threads of work start as they are first needed at one time, which a busy machine decides, and stay.
        """
        return (
            self.threads <= factor * other.threads + WORK_THREADS
            and self.files <= factor * other.files
            and self.memory_kib <= factor * other.memory_kib
        )


def weigh(pid: int) -> Weight:
    """Return the threads, the open files and the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    figures = dict(line.split(":", 1) for line in status.splitlines())
    memory = figures["VmRSS"].split()[0]
    return Weight(int(figures["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir())), int(memory))
