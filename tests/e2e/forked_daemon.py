"""Daemons that start in half of the time, as forks of a process that has loaded the modules before.

For tests that do not look at what happens before the settings are read, at upgrades, or at the process itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from daemon import Daemon
from processes import FORK_SERVER, LONGEST_S, Adopted


class ForkServer:
    """The program `fork_server.py`, from the first daemon until `close`. `environ` is added to its environment.

    With `quick` its daemons try again after a tenth of a second what a daemon tries again after seconds, and have
    ImageMagick loaded for renders on threads.
    """

    def __init__(self, environ: Mapping[str, str], *, quick: bool = False) -> None:
        self._environ = {**os.environ, **environ}
        self._options = ["quick"] if quick else []
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def fork(self, folder: Path, arguments: Sequence[str], environ: Mapping[str, str], output: BinaryIO) -> Adopted:
        """Run `imaged` with these arguments in a folder. This process becomes its parent."""
        self._running = self._running or self._start()
        _, connection = self._running
        message = {"folder": str(folder), "arguments": list(arguments), "environ": dict(environ)}
        socket.send_fds(connection, [json.dumps(message).encode()], [output.fileno()])
        return Adopted(int(connection.recv(100)))

    def close(self) -> None:
        """End the program. Its daemons may still run."""
        if self._running is not None:
            process, connection = self._running
            connection.close()
            assert process.wait(LONGEST_S) == 0

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = [sys.executable, str(Path(__file__).with_name(FORK_SERVER)), str(theirs.fileno()), *self._options]
            process = subprocess.Popen(program, stdin=subprocess.DEVNULL, env=self._environ, pass_fds=[theirs.fileno()])
        return process, ours


class ForkedDaemon(Daemon):
    """A `Daemon` whose processes a fork server starts."""

    def __init__(self, folder: Path, settings: str = "", *, server: ForkServer, **how: Any) -> None:
        super().__init__(folder, settings, **how)
        self._server = server

    def _run(self, arguments: Sequence[str], output: BinaryIO) -> Adopted:
        return self._server.fork(self.folder, arguments, self._environ, output)
