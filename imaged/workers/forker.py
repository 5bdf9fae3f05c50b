"""Forks children on request, kills them on request, and reports how each ended. Runs in a template process.

The daemon cannot fork by itself: it has threads, sockets and secrets. A template has one thread, so its children get a
whole interpreter in a few milliseconds, with all modules imported.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from imaged.workers.confinement import die_with_parent
from imaged.workers.folder_removal import remove_folder
from imaged.workers.syscalls import name_process

REQUEST = struct.Struct(">cI")
"""FORK or KILL, and the number that the daemon gave the child. FORK comes with two descriptors."""

REPORT = struct.Struct(">i")
"""What the pipe of a child carries: its pid, then its wait status."""

FORK, KILL = b"f", b"k"

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that a terminal or a service manager sends to all processes: the daemon alone decides what they mean."""


@dataclass(frozen=True)
class Child:
    """A child process, and the pipe that reports its end."""

    pid: int
    report: int


class Forker:
    """Serves the requests that come on `control` until its end closes; then kills all children.

    `child` runs in each new process, with its socket and a folder of its own below `folder`. The folder is removed
    when the process has ended. The only thread.
    """

    def __init__(self, control: socket.socket, folder: Path, child: Callable[[socket.socket, Path], None]) -> None:
        self._control = control
        self._folder = folder
        self._child = child
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve until the daemon closes the control socket, or has died. All children have ended then."""
        ignore_signals()
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler, nothing is written to the pipe
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._control:
                        if not self._serve():
                            return
                    else:
                        os.read(self._woken, 4096)
                self._reap()
        finally:
            for child in self._children.values():
                _kill(child.pid)
            for child in self._children.values():
                with suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)

    def _serve(self) -> bool:
        """Serve one request; return False at the end of the control socket."""
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, 2)
            if len(request) < REQUEST.size:
                return False
        except ConnectionError:
            return False
        action, number = REQUEST.unpack(request)
        if action == FORK:
            connection, report = descriptors
            self._fork(number, socket.socket(fileno=connection), report)
        elif (child := self._children.get(number)) is not None:
            _kill(child.pid)
        return True

    def _fork(self, number: int, connection: socket.socket, report: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # the daemon sees that the pipe closes, and tries again later
            connection.close()
            os.close(report)
            return
        if not pid:
            self._become(number, connection, report, parent)
        with suppress(OSError):
            os.setpgid(pid, pid)  # here too: a kill may come before the child has done it
        connection.close()
        self._children[number] = Child(pid, report)
        report_to(report, pid)

    def _become(self, number: int, connection: socket.socket, report: int, parent: int) -> NoReturn:
        status = 1
        try:
            die_with_parent(parent)
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._close()
            os.close(report)
            folder = self._folder / str(number)
            folder.mkdir()
            self._child(connection, folder)
            status = 0
        except BaseException:  # the end of this process
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)

    def _close(self) -> None:
        """Close what only the template uses: a child forges no report, and keeps none open."""
        self._selector.close()
        self._control.close()
        for descriptor in (self._woken, self._wake, *(each.report for each in self._children.values())):
            os.close(descriptor)
        self._children.clear()

    def _remove(self, folder: Path) -> None:
        """Remove the folder of a child; if it has files, in a process of its own: others wait for this one."""
        with suppress(OSError):
            folder.rmdir()
            return
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            remove_folder(folder)
            return
        if not pid:
            try:
                die_with_parent(parent)
                name_process("imaged-remover")
                self._close()
                remove_folder(folder)
            finally:
                os._exit(0)

    def _reap(self) -> None:
        numbers = {child.pid: number for number, child in self._children.items()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            number = numbers.get(pid)
            if number is None:
                continue
            _kill_group(pid)  # what the child has forked, where nothing forbids that
            child = self._children.pop(number)
            report_to(child.report, status)
            os.close(child.report)
            self._remove(self._folder / str(number))


def ignore_signals() -> None:
    """Ignore the signals that the daemon handles."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


def report_to(report: int, value: int) -> None:
    """Write a pid or a wait status to the pipe of a child."""
    with suppress(BrokenPipeError):  # the daemon does not want to know any more
        os.write(report, REPORT.pack(value))


def _kill(pid: int) -> None:
    """Kill a child that is not reaped yet, and its group, which it may have left."""
    _kill_group(pid)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
