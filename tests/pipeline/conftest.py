"""Harnesses, closed after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_harness import PipelineHarness


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[Callable[..., PipelineHarness]]:
    """Return a function that makes a harness of settings."""
    made: list[PipelineHarness] = []

    def make(yaml: str = "", **options: Any) -> PipelineHarness:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(PipelineHarness(folder, yaml, **options))
        return made[-1]

    yield make
    for harness in made:
        harness.queue.close()


@pytest.fixture
def harness(make_harness: Callable[..., PipelineHarness]) -> PipelineHarness:
    """Return a harness with the default settings."""
    return make_harness()
