"""The real daemon in its own process, and a plain HTTP client."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from processes import LONGEST_S, Adopted, hold

PORTS = ("listen=tcp:0:interface=127.0.0.1", "status.listen=tcp:0:interface=127.0.0.1")

START_S = 30.0
"""The longest time that a start may take on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def request(
    base: str, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request. `target` goes out unchanged."""
    url = urlsplit(base)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def until(condition: Callable[[], Any], daemon: Daemon, within_s: float = LONGEST_S) -> Any:
    """Wait until `condition()` is true, and return its value."""
    end_s = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < end_s, daemon.tail
        time.sleep(0.02)
    return result


class Daemon:
    """`imaged run` in a folder of its own, on ports that the system chooses unless `ports` says otherwise.

    `environ` is added to its environment, `around` is the command that runs it, `files` are open in it.
    """

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        *,
        ports: Sequence[str] = PORTS,
        environ: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
        files: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self.store = folder / "var" / "public"
        self.configure(settings)
        self._ports = ports
        self._environ = {**os.environ, **(environ or {})}
        self._around = around
        self._files = files
        self._starts = 0
        self.process: subprocess.Popen[bytes] | Adopted

    def start(self, *overrides: str) -> None:
        """Start the daemon, after the previous process has exited, and wait until it logs its addresses."""
        if self._starts:
            self.process.wait(LONGEST_S)
        self._starts += 1
        self.log = log = self.folder / f"log-{self._starts}"
        sets = [argument for override in [*self._ports, *overrides] for argument in ("--set", override)]
        with log.open("wb") as stream:
            self.process = self._run(["run", "-c", "imaged.yaml", *sets], stream)
        self.public = self._find(log, r"serves images on ((?:http|unix):[^\s\"]+)")
        self.private = self._find(log, r"status page is on (http://[^\s\"]+)")

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Send SIGTERM to every process of the daemon. Return the status of the first, or any other that is not 0."""
        left = hold(self.folder)
        try:
            for each in left:
                each.send(signal.SIGTERM)
            statuses = [status for each in left if (status := each.wait())]
        finally:
            for each in left:
                each.send(signal.SIGKILL)
                each.close()
        return self.process.wait(LONGEST_S) or next(iter(statuses), 0)

    def configure(self, settings: str) -> None:
        """Write the settings file. The daemon reads it at the next reload or start."""
        (self.folder / "imaged.yaml").write_text(settings)

    def reload(self) -> Answer:
        """Reload by POST, and return the answer."""
        return request(self.private, "POST", "/reload", b"")

    def hup(self) -> Any:
        """Reload by SIGHUP, and return the outcome from the status."""
        status = self.status()
        os.kill(status["pid"], signal.SIGHUP)
        before = status["generation"]["last_reload"]
        return until(lambda: (outcome := self.status()["generation"]["last_reload"]) != before and outcome, self)

    def get(self, target: str, **headers: str) -> Answer:
        """GET from the public port."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(self.public, "GET", target, headers=named)

    def post(self, target: str, body: bytes = b"") -> Answer:
        """POST to the public port, as curl's --data-binary does."""
        return request(self.public, "POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def status(self) -> Any:
        """Return the value of `/status.json`."""
        return request(self.private, "GET", "/status.json").json()

    @property
    def pid(self) -> int:
        """The id of the process that answers."""
        return int(self.status()["pid"])

    @property
    def tail(self) -> str:
        """The end of the log without successful requests, for the messages of failed tests."""
        lines = self.log.read_text().splitlines()
        return "\n".join(line for line in lines if '"status": 200' not in line)[-5000:]

    def wait_for_files(self, image: Mapping[str, Any], names: Sequence[str], within_s: float = 30.0) -> None:
        """Wait until the store has these files of an image, without requesting them."""
        folder = self.store / "p" / image["partitionedHash"]
        end_s = time.monotonic() + within_s
        while missing := [name for name in names if not (folder / name).is_file()]:
            assert time.monotonic() < end_s, f"{missing} did not appear; {self.tail}"
            time.sleep(0.05)

    def _run(self, arguments: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes] | Adopted:
        """Run the program with these arguments in the folder of the daemon."""
        return subprocess.Popen(
            [*self._around, sys.executable, "-m", "imaged", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stderr=output,
            stdout=output,
            env=self._environ,
            pass_fds=self._files,
        )

    def _find(self, log: Path, pattern: str) -> str:
        end_s = time.monotonic() + START_S
        while not (match := re.search(pattern, log.read_text())):
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.02)
        return match[1].replace("localhost", "127.0.0.1")  # else clients try ::1 first
