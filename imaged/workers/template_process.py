"""Starts the template, from which the worker processes of all generations are forked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from threading import Thread
from typing import Any

from imaged.workers.forker_client import ChildProcess, ForkerClient

KEPT = frozenset({"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "VIRTUAL_ENV"})
KEPT_PREFIXES = ("LC_", "MAGICK_", "OMP_", "OPENBLAS_", "PYTHON", "WAND_")
"""The variables of the environment that workers get. Others may be secrets that settings refer to."""


class TemplateProcess:
    """The first template: a new interpreter, without the memory, the descriptors and the secrets of the daemon.

    One thread only: the main thread, and then the reactor's, which is the same.
    """

    def __init__(self) -> None:
        self._forker: ForkerClient | None = None

    def start(self) -> None:
        """Start it, if it does not run, and return at once: it loads while the daemon does. Raises OSError."""
        if self._forker is None:
            self._forker = _start()

    def fork(self, reactor: Any) -> ChildProcess:
        """Fork a template of a generation; start this one first, if it does not run. Raises OSError."""
        if self._forker is not None:
            try:
                return self._forker.fork(reactor)
            except OSError:  # it has died
                self.stop()
        self._forker = _start()
        return self._forker.fork(reactor)

    def stop(self) -> None:
        """End it and all workers."""
        if self._forker is not None:
            self._forker.close()
            self._forker = None


def _start() -> ForkerClient:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # this interpreter, with our own module
            [sys.executable, "-P", "-m", "imaged.workers.template", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=_environment(),
            process_group=0,
        )
    Thread(target=process.wait, daemon=True).start()  # it would stay a zombie
    return ForkerClient(ours)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
