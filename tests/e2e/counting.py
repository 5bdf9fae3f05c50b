"""Real servers that count: carbon, which keeps values in whisper files, and StatsD, which sends to it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ports import free_port, listens
from server_process import LONGEST_S, ServerProcess
from source_tree import ROOT

CARBON = ROOT / "build" / "carbon" / "bin"
STATSD = ROOT / "build" / "node" / "node_modules" / "statsd"

CARBON_CONF = """
[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query_port}
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
CARBON_METRIC_INTERVAL = 0
ENABLE_TAGS = False
"""


def keep_each(interval_s: int) -> str:
    """Return the storage schemas that keep a value for each so many seconds, for an hour."""
    return f"[all]\npattern = .*\nretentions = {interval_s}s:1h\n"


READ = """
import json, pathlib, struct, sys, time, whisper
values = {}
for path in pathlib.Path(sys.argv[1]).rglob("*.wsp"):
    try:
        (first, _, step), found = whisper.fetch(str(path), time.time() - 3000)
    except (whisper.WhisperException, struct.error):  # carbon is creating the file
        continue
    name = ".".join(path.relative_to(sys.argv[1]).with_suffix("").parts)
    values[name] = {first + step * place: value for place, value in enumerate(found) if value is not None}
print(json.dumps(values))
"""

DESCRIBE = """
import json, pathlib, sys, whisper
shown = {}
for path in pathlib.Path(sys.argv[1]).rglob("*.wsp"):
    info = whisper.info(str(path))
    archives = [[each["secondsPerPoint"], each["retention"]] for each in info["archives"]]
    name = ".".join(path.relative_to(sys.argv[1]).with_suffix("").parts)
    shown[name] = [info["aggregationMethod"], info["xFilesFactor"], archives]
print(json.dumps(shown))
"""


class Counting(ServerProcess):
    """A server that stops as under its service manager, and that a test can stall."""

    hidden = ("PYTHON", "GRAPHITE")

    def stop(self) -> None:
        """Send SIGTERM, if it runs, and wait for its exit."""
        if self._process is not None:
            self._process.terminate()
            self.resume()
            try:
                self._process.wait(LONGEST_S)
            finally:
                super().stop()

    def stall(self) -> None:
        """Suspend the process. The kernel keeps what clients send."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue a suspended process."""
        self.process.send_signal(signal.SIGCONT)


class Carbon(Counting):
    """Carbon with the given settings files. Skip the test where carbon is missing."""

    def __init__(self, folder: Path, schemas: str, aggregation: str = "") -> None:
        if not (CARBON / "carbon-cache.py").is_file():
            pytest.skip("no carbon: python3 -m venv build/carbon && build/carbon/bin/pip install carbon whisper")
        super().__init__(folder)
        self._schemas = schemas
        self._aggregation = aggregation
        self._query_port = free_port()

    def command(self) -> list[str]:
        """Write its settings, and start it in the foreground."""
        conf = self.folder / "carbon.conf"
        conf.write_text(CARBON_CONF.format(folder=self.folder, port=self.port, query_port=self._query_port))
        (self.folder / "storage-schemas.conf").write_text(self._schemas)
        (self.folder / "storage-aggregation.conf").write_text(self._aggregation)
        python = [str(CARBON / "python"), "-W", "ignore", str(CARBON / "carbon-cache.py")]
        return [*python, "--nodaemon", f"--config={conf}", f"--logdir={self.folder}", "start"]

    @property
    def listening(self) -> bool:
        """Whether both ports are open. Carbon opens the other last, and stops cleanly only after that."""
        return listens(self.port) and listens(self._query_port)

    def values(self) -> dict[str, dict[int, float]]:
        """Return the stored values: by metric, then by start of the interval."""
        shown: dict[str, dict[str, float]] = self._ask(READ)
        return {name: {int(at_s): value for at_s, value in each.items()} for name, each in shown.items()}

    def described(self) -> dict[str, list[Any]]:
        """Return the storage of each metric: aggregation, xFilesFactor and archives."""
        shown: dict[str, list[Any]] = self._ask(DESCRIBE)
        return shown

    def sums(self, prefix: str) -> dict[str, float]:
        """Return the sum of all intervals of each metric whose name begins with the prefix, by the rest of its name."""
        values = self.values()
        return {
            name.removeprefix(prefix): round(sum(each.values()), 3)
            for name, each in values.items()
            if name.startswith(prefix)
        }

    def _ask(self, program: str) -> Any:
        command = [str(CARBON / "python"), "-c", program, str(self.folder / "whisper")]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=LONGEST_S).stdout)


class Statsd(Counting):
    """StatsD, which flushes to carbon each second. `port` takes datagrams. Skip the test where StatsD is missing."""

    def __init__(self, folder: Path, carbon: Carbon) -> None:
        if shutil.which("node") is None:
            pytest.skip("no node: install nodejs")
        if not STATSD.is_dir():
            pytest.skip("no StatsD: npm install --prefix build/node statsd")
        super().__init__(folder)
        self._carbon = carbon
        self._control_port = free_port()

    def command(self) -> list[str]:
        """Write its settings, and start it."""
        conf = self.folder / "statsd.js"
        settings = {
            "address": "127.0.0.1",
            "port": self.port,
            "mgmt_address": "127.0.0.1",
            "mgmt_port": self._control_port,
            "graphiteHost": "127.0.0.1",
            "graphitePort": self._carbon.port,
            "flushInterval": 1000,
            "deleteIdleStats": True,
        }
        conf.write_text(json.dumps(settings))
        return ["node", "--no-deprecation", str(STATSD / "stats.js"), str(conf)]

    @property
    def listening(self) -> bool:
        """Whether the control port is open. StatsD opens it last."""
        return listens(self._control_port)
