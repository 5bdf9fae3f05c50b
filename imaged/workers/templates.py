"""Starts templates, from which worker processes are forked: one for each generation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from threading import Thread
from typing import Any

from imaged.workers.forker import report_to
from imaged.workers.forker_client import ChildProcess

KEPT = frozenset({"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "VIRTUAL_ENV"})
KEPT_PREFIXES = ("LC_", "MAGICK_", "OMP_", "OPENBLAS_", "PYTHON", "WAND_")
"""The variables of the environment that workers get. Others may be secrets that settings refer to."""


@dataclass(frozen=True)
class _Started:
    """A template: a new interpreter, without the memory, the descriptors and the secrets of the daemon.

    `report` is the pipe on which a thread reports its pid and its end, as a Forker does for its children.
    """

    process: subprocess.Popen[bytes]
    connection: socket.socket
    report: int


class Templates:
    """Starts a template for each generation. One thread only: the main thread, and then the reactor's, the same."""

    def __init__(self) -> None:
        self._spare: _Started | None = None

    def start(self) -> None:
        """Start the first one, and return at once: it loads while the daemon does. Raises OSError."""
        if self._spare is None:
            self._spare = _start()

    def take(self, reactor: Any) -> ChildProcess:
        """Return a template, which waits for the spec of a generation. Raises OSError."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.process.poll() is not None:  # it has died
            _end(spare)
            spare = None
        started = spare or _start()
        return ChildProcess(reactor, 0, started.connection, started.report)

    def stop(self) -> None:
        """End one that no generation has taken. Others end with their generation."""
        if self._spare is not None:
            _end(self._spare)
            self._spare = None


def _start() -> _Started:
    ours, theirs = socket.socketpair()
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # this interpreter, with our own module
                [sys.executable, "-P", "-m", "imaged.workers.template_program", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
                process_group=0,
            )
    except OSError:
        ours.close()
        os.close(read)
        os.close(write)
        raise
    Thread(target=_report, args=(process, write), daemon=True).start()
    return _Started(process, ours, read)


def _report(process: subprocess.Popen[bytes], report: int) -> None:
    """Report the pid of a process and, when it has ended, its wait status."""
    report_to(report, process.pid)
    code = process.wait()
    report_to(report, -code if code < 0 else code << 8)
    os.close(report)


def _end(started: _Started) -> None:
    started.connection.close()
    os.close(started.report)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
