"""Real servers of other projects, as processes on loopback ports."""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ports import free_port, listens, url

LONGEST_S = 60.0
"""How long a server may take to start, on a busy machine."""


class ServerProcess(ABC):
    """A server process on a loopback port; its output goes to `log` in its folder."""

    hidden: ClassVar[tuple[str, ...]] = ()
    """How the environment variables begin that it must not see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = url(self.port)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the server's files; return the command that starts it."""

    @property
    def listening(self) -> bool:
        """Whether it accepts connections."""
        return listens(self.port)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which must have been started."""
        assert self._process is not None, "it has not been started"
        return self._process

    def start(self) -> None:
        """Start it, on the same port each time; return when it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(self.hidden)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environ,
                start_new_session=True,
            )
        end_s = time.monotonic() + LONGEST_S
        while not self.listening:
            assert self._process.poll() is None, self.tail
            assert time.monotonic() < end_s, f"no answer: {self.tail}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def tail(self) -> str:
        """The end of its output."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]
