"""Processes that are no children of the test: found by their working directory, awaited and measured."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imaged.daemon.start import WORK_THREADS

WORKER_FILES = 4
"""The files that a daemon has open for a worker: a socket, a pipe, the copy of an original, its memory in /proc."""

FORK_SERVER = "fork_server.py"
"""The program of `forked_daemon.py`, whose forks have its command line."""

PR_SET_CHILD_SUBREAPER = 36
"""See prctl(2)."""

LONGEST_S = 60.0


def adopt_orphans() -> None:
    """Adopt orphaned descendants, so that the test gets their exit status."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living_in(folder: Path) -> set[int]:
    """Return the ids of the daemons whose working directory is `folder`, without the workers that they started."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has exited, or belongs to another user
                if (entry / "cwd").readlink() == folder and _is_daemon((entry / "cmdline").read_bytes()):
                    found.add(int(entry.name))
    return found


def _is_daemon(command: bytes) -> bool:
    return b"\0run\0" in command or FORK_SERVER.encode() in command


def children(pid: int) -> set[int]:
    """Return the ids of the processes that a process has started, without zombies."""
    return _children().get(pid, set())


def descendants(pid: int) -> set[int]:
    """Return the ids of the processes that a process has started, and of those that these have started."""
    family = _children()
    found: set[int] = set()
    ahead = {pid}
    while ahead:
        ahead = {child for each in ahead for child in family.get(each, ())}
        found |= ahead
    return found


def _children() -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has exited
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]  # see proc(5)
                if state != "Z":
                    found.setdefault(int(parent), set()).add(int(entry.name))
    return found


class Process:
    """One process, held by a pidfd, so that its id is not reused."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has exited."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def wait(self, within_s: float = LONGEST_S) -> int | None:
        """Wait for the exit and return its status, negative for a signal, or None for a child of another process."""
        ready = select.poll()
        ready.register(self._handle, select.POLLIN)
        assert ready.poll(1000 * within_s), f"process {self.pid} did not end"
        try:
            # WNOWAIT: its parent may wait for it, too
            result = os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return None
        assert result is not None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def close(self) -> None:
        """Close the pidfd."""
        os.close(self._handle)


class Adopted:
    """A child of this process that another one has forked: the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._process = Process(pid)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                self._process.close()
        return self.returncode

    def wait(self, timeout: float = LONGEST_S) -> int:
        """Wait for the exit, and return its status."""
        if self.returncode is None:
            self._process.wait(timeout)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has exited."""
        if self.poll() is None:
            self._process.send(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


def hold(folder: Path) -> list[Process]:
    """Return the processes whose working directory is `folder`."""
    held = []
    for pid in living_in(folder):
        with suppress(ProcessLookupError):
            held.append(Process(pid))
    return held


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process in seconds: the cost of its work, also on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, see proc(5)


@dataclass(frozen=True)
class Weight:
    """The resources of a process."""

    threads: int
    files: int
    memory_kib: int
    workers: int

    def within(self, factor: float, other: Weight) -> bool:
        """Say whether each resource is at most `factor` times that of the other.

        Worker threads and processes start when several jobs run at once, which depends on the machine, and stay.
        """
        return (
            self.threads <= factor * other.threads + WORK_THREADS
            and self.files <= factor * other.files + WORKER_FILES * max(self.workers - other.workers, 0)
            and self.memory_kib <= factor * other.memory_kib
        )


def weigh(pid: int) -> Weight:
    """Return the threads, the open files and the resident memory of a daemon, and how many workers it has."""
    status = Path(f"/proc/{pid}/status").read_text()
    figures = dict(line.split(":", 1) for line in status.splitlines())
    memory = figures["VmRSS"].split()[0]
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Weight(int(figures["Threads"]), files, int(memory), len(descendants(pid) - set(children(pid))))
