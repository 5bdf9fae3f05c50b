"""A kitchen for each test, closed after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kitchen import Kitchen


@pytest.fixture
def make_kitchen(tmp_path: Path) -> Iterator[Callable[..., Kitchen]]:
    """Return what makes a kitchen of these settings."""
    made: list[Kitchen] = []

    def make(yaml: str = "", **options: Any) -> Kitchen:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Kitchen(folder, yaml, **options))
        return made[-1]

    yield make
    for kitchen in made:
        kitchen.queue.close()


@pytest.fixture
def kitchen(make_kitchen: Callable[..., Kitchen]) -> Kitchen:
    """Return one with the default settings."""
    return make_kitchen()
