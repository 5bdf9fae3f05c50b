"""A template forks children that have nothing of it but their connection."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imaged.workers.forker import FORK, KILL, REPORT, REQUEST

TEMPLATE = """
import contextlib, os, pathlib, socket, sys, time
from imaged.workers.forker import Forker

def child(connection, folder):
    names = []
    for each in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the listing itself
            names.append(os.readlink(f"/proc/self/fd/{each}") if int(each) > 2 else "")
    connection.send(" ".join(filter(None, names)).encode())
    if connection.recv(1):
        os.setpgid(0, os.getpgid(os.getppid()))
        connection.send(b"left")
        time.sleep(60)

Forker(socket.socket(fileno=int(sys.argv[1])), pathlib.Path(sys.argv[2]), child).run()
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc lists the descriptors here")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[socket.socket]:
    """Start a template; yield the daemon's end of its control socket."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-c", TEMPLATE, str(theirs.fileno()), str(tmp_path)]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        with process:
            yield ours
            ours.close()


def fork(control: socket.socket, number: int) -> tuple[socket.socket, int]:
    """Ask for a child; return its socket, and the pipe that reports its end."""
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    socket.send_fds(control, [REQUEST.pack(FORK, number)], [theirs.fileno(), write])
    theirs.close()
    os.close(write)
    return ours, read


def test_a_child_has_its_connection_alone(control: socket.socket) -> None:
    """It can neither report its own end, nor that of another, nor reach the control socket."""
    with ExitStack() as opened:
        for number in (1, 2):
            connection, report = fork(control, number)
            opened.enter_context(connection)
            opened.callback(os.close, report)
            (name,) = connection.recv(10_000).decode().split()
            assert name.startswith("socket:")
            assert len(os.read(report, REPORT.size)) == REPORT.size  # its pid
        control.send(REQUEST.pack(KILL, 2))
        assert REPORT.unpack(os.read(report, REPORT.size)) == (signal.SIGKILL,)
        assert os.read(report, REPORT.size) == b""


def test_a_child_that_leaves_its_group_is_killed(control: socket.socket) -> None:
    """It may leave where no seccomp forbids that: on request it ends, and with its template."""
    with ExitStack() as opened:
        reports = []
        for number in (1, 2):
            connection, report = fork(control, number)
            opened.enter_context(connection)
            opened.callback(os.close, report)
            reports.append(report)
            connection.recv(10_000)
            connection.send(b"x")
            assert connection.recv(4) == b"left"
            os.read(report, REPORT.size)  # its pid
        control.send(REQUEST.pack(KILL, 1))
        wait(reports[0])
        control.shutdown(socket.SHUT_RDWR)
        wait(reports[1])


def wait(report: int) -> None:
    """Wait until a child has been killed, or has ended with its template."""
    assert select.select([report], [], [], 20)[0], "the child lives on"
