"""A daemon that starts in a fraction of the time, as the fork of a process that has loaded the modules before.

For tests that start daemons again and again, and that do not look at what happens before the settings are read.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from daemon import Daemon
from processes import FORK_SERVER, LONGEST_S, Adopted


class ForkedDaemon(Daemon):
    """A `Daemon` whose processes the program `fork_server.py` forks, with the environment of the first start.

    With `quick` they try again after a tenth of a second what a daemon tries again after seconds.
    """

    def __init__(self, folder: Path, settings: str = "", *, quick: bool = False, **how: Any) -> None:
        super().__init__(folder, settings, **how)
        self._options = ["quick"] if quick else []
        self._server: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def close(self) -> None:
        """End the program."""
        if self._server is not None:
            process, connection = self._server
            connection.close()
            assert process.wait(LONGEST_S) == 0
            self._server = None

    def _run(self, arguments: Sequence[str], output: BinaryIO) -> Adopted:
        if self._server is None:
            self._server = self._serve()
        _, connection = self._server
        message = json.dumps({"folder": str(self.folder), "arguments": list(arguments)}).encode()
        socket.send_fds(connection, [message], [output.fileno()])
        return Adopted(int(connection.recv(100)))

    def _serve(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            program = [sys.executable, str(Path(__file__).with_name(FORK_SERVER)), str(theirs.fileno()), *self._options]
            process = subprocess.Popen(program, stdin=subprocess.DEVNULL, env=self._environ, pass_fds=[theirs.fileno()])
        return process, ours
