"""A metrics sink that appends a line of JSON to a file for each event."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imaged.api import Event, Host, MetricsSink, hookimpl


class Options(BaseModel):
    """The section `plugins.lines` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    path: str


class Lines:
    """Writes each event at once: a short line to a local file takes no time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def record(self, event: Event) -> None:
        """Append the event."""
        self._file.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Open the file that the options name."""
    return Lines(Path(host.options(Options).path))
