"""Daemons to be measured, each a process of its own in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import loading
from process_tree import children_of

_START_S = 30.0
_ON_LOOPBACK = ("listen=tcp:0:interface=127.0.0.1", "status.listen=tcp:0:interface=127.0.0.1")


class Server:
    """`imaged run` with `settings`, each a `key.path=VALUE`; it ends with the block.

    `environ` is added to its environment, `around` is the command that runs it.
    """

    def __init__(
        self,
        folder: Path,
        settings: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
    ) -> None:
        folder.mkdir()
        self.store = folder / "var" / "public"
        (folder / "imaged.yaml").write_text("")
        sets = [argument for each in [*_ON_LOOPBACK, *settings] for argument in ("--set", each)]
        self._log = folder / "stderr"
        with self._log.open("wb") as stream:
            self._process = subprocess.Popen(
                [*around, sys.executable, "-m", "imaged", "run", "-c", "imaged.yaml", *sets],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **(environ or {})},
            )

    @property
    def pid(self) -> int:
        """The id of the daemon's process."""
        return self._process.pid

    @property
    def daemon_pid(self) -> int:
        """The id of the daemon where a command runs it: the first child."""
        return min(children_of(self._process.pid))

    @property
    def parent_lives(self) -> bool:
        """Whether the first process, the daemon or the command that runs it, was not killed by a signal."""
        return (self._process.poll() or 0) >= 0

    @property
    def log_text(self) -> str:
        """What the daemon has logged so far."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        try:
            self.public = self._find(r"serves images on (http://[^\s\"]+)")
            self.private = self._find(r"status page is on (http://[^\s\"]+)")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def put(self, picture: bytes, output: str) -> str:
        """Post a picture, have an output made, and return its path."""
        with urllib.request.urlopen(f"{self.public}/p", picture, timeout=60) as answer:
            path = f"/p/{json.load(answer)['partitionedHash']}/{output}"
        with urllib.request.urlopen(self.public + path, timeout=60) as answer:
            answer.read()
        return path

    def load(self, path: str, connections: int, seconds: float) -> dict[str, float]:
        """Have a process of its own ask for `path`, and return what it saw."""
        return loading.get(self.public, [path], connections, seconds)

    def _find(self, pattern: str) -> str:
        end_s = time.monotonic() + _START_S
        while not (found := re.search(pattern, self._log.read_text())):
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the daemon did not start:\n{self._log.read_text()}")
            time.sleep(0.05)
        return found[1]
