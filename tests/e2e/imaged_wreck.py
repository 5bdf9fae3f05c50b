"""A test plugin: a metrics sink that raises, hangs or works."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imaged.api import Event, Host, MetricsSink, RequestAnswered, hookimpl


class Options(BaseModel):
    """The section `plugins.wreck`: how it fails (`raise`, `hang`, or not), and the file that it writes events to."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    how: str = ""
    journal: str = "statuses"


class Wreck:
    """Fail at each event, or write the status of each request."""

    def __init__(self, options: Options) -> None:
        self.detail = options.how or "works"
        self._options = options

    def record(self, event: Event) -> None:
        """Fail, or write the status."""
        if self._options.how == "raise":
            raise OSError("no route to the host that counts")
        while self._options.how == "hang":
            time.sleep(1)
        if isinstance(event, RequestAnswered):
            with Path(self._options.journal).open("a", encoding="utf-8") as journal:
                journal.write(f"{event.status}\n")


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Offer one."""
    return Wreck(host.options(Options))
