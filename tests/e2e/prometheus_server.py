"""A real Prometheus server that scrapes one daemon each second, and its HTTP API."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml
from daemon import request
from promtool import find_program
from server_process import LONGEST_S, ServerProcess


class PrometheusServer(ServerProcess):
    """The program `prometheus`, on a port of loopback, with `rules_file` in force.

    The test is skipped where it is not installed.
    """

    def __init__(self, folder: Path, scraped: str, rules_file: Path) -> None:
        super().__init__(folder)
        self._program = find_program("prometheus")
        folder.mkdir(parents=True)
        job = {"job_name": "imaged", "static_configs": [{"targets": [urlsplit(scraped).netloc]}]}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [job],
            "rule_files": [str(rules_file)],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            self._program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    @property
    def listening(self) -> bool:
        """Whether it answers that it is ready."""
        return super().listening and request(self.url, "GET", "/-/ready").status == 200

    def ask(self, path: str) -> Any:
        """Return the data of a successful answer of the API."""
        answer = request(self.url, "GET", f"/api/v1/{path}")
        assert answer.status == 200, answer.body
        return answer.json()["data"]

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of each series of a query."""
        result = self.ask(f"query?query={quote(query, safe='')}")["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def value(self, query: str) -> float:
        """Return the value of a query with one series, or NaN for none."""
        found = self.query(query)
        assert len(found) <= 1, found
        return found[0][1] if found else math.nan

    def wait_for(self, query: str, value: float) -> None:
        """Wait until a query has this value: the last scrape may be older than the last request."""
        try:
            self.until(lambda: self.value(query) == value)
        except AssertionError as error:
            raise AssertionError(f"{query} is {self.query(query)} and not {value}") from error

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition is true."""
        end_s = time.monotonic() + LONGEST_S
        while not condition():
            assert self.process.poll() is None, self.tail
            assert time.monotonic() < end_s, self.tail
            time.sleep(0.1)
