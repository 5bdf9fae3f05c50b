"""A plugin that fakes processor, uploader and metrics sink; imaged finds it by its entry point."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from imaged.api import Host, MetricsSink, Processor, Purger, Uploader, hookimpl
from imaged.testing.fakes import MemoryPurger, MemoryUploader, RecordingSink, StillProcessor

NAME = "harness"


class Options(BaseModel):
    """The section `plugins.harness`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    word: str = ""


class ServiceHarness:
    """Keeps the fakes of each generation, the newest last. All uploaders share `files`; there is one `purger`."""

    def __init__(self) -> None:
        self.make_processor: Callable[[], StillProcessor] = lambda: StillProcessor()  # noqa: PLW0108  # tests replace it
        self.processors: list[StillProcessor] = []
        self.uploaders: list[MemoryUploader] = []
        self.sinks: list[RecordingSink] = []
        self.files: dict[str, bytes] = {}
        self.purger = MemoryPurger()

    def __getattr__(self, name: str) -> Any:
        """Return the newest `processor`, `uploader` or `sink`. No properties: pluggy 1.5 reads those of a plugin."""
        given: list[Any] = vars(self).get(f"{name}s", [])
        if not given:
            raise AttributeError(name)
        return given[-1]

    @hookimpl
    def imaged_processor(self, host: Host) -> Processor | None:
        """Give a new processor."""
        host.options(Options)
        self.processors.append(self.make_processor())
        return self.processors[-1]

    @hookimpl
    def imaged_uploader(self, host: Host) -> Uploader | None:
        """Give a new uploader to the same files."""
        host.options(Options)
        self.uploaders.append(MemoryUploader())
        self.uploaders[-1].files = self.files
        return self.uploaders[-1]

    @hookimpl
    def imaged_purger(self, host: Host) -> Purger | None:
        """Give the purger, which all generations share."""
        host.options(Options)
        return self.purger

    @hookimpl
    def imaged_metrics(self, host: Host) -> MetricsSink | None:
        """Give a new sink."""
        host.options(Options)
        self.sinks.append(RecordingSink())
        return self.sinks[-1]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceHarness:
    """Install a harness, as the plugin `harness`, for one test."""
    service_harness = ServiceHarness()
    info = folder / "harness-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: harness\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[imaged]\n{NAME} = imaged_harness\n")
    monkeypatch.setitem(sys.modules, "imaged_harness", service_harness)
    monkeypatch.syspath_prepend(str(folder))
    return service_harness
