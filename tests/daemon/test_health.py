"""The health check: it tells of a processor that does not work, and forgets it when one does again."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.core.errors import BusyError
from imaged.daemon.health import Health
from imaged.pipeline.rendering import Renderer
from imaged.store.local import LocalStore
from imaged.testing.fakes import StillProcessor, run_at_once


@pytest.fixture
def processor() -> StillProcessor:
    """Return a processor that does as it is told."""
    return StillProcessor()


@pytest.fixture
def health(processor: StillProcessor, tmp_path: Path) -> Health:
    """Return the health of a daemon with that processor."""
    renderer = Renderer((processor,), LocalStore(tmp_path, [3, 3]), timeout_s=1, maximum_pixels=100)
    return Health(run_at_once, lambda: renderer)


def test_a_processor_that_works_is_ok(health: Health, processor: StillProcessor) -> None:
    """One pixel is rendered for each look."""
    health.probe()
    assert (health.message, len(processor.jobs)) == ("OK", 1)


def test_no_processor_works(health: Health, processor: StillProcessor) -> None:
    """A processor that fails on a good picture is told of, until it works again."""
    processor.failure = ValueError("no paint")
    health.probe()
    assert health.message == "no processor works"
    processor.failure = None
    health.probe()
    assert health.message == "OK"


def test_a_busy_processor_works(health: Health, processor: StillProcessor) -> None:
    """Out of memory for a moment is no reason to be sent no requests."""
    processor.failure = BusyError("not now")
    health.probe()
    assert health.message == "OK"


def test_one_that_leaves_says_so(health: Health) -> None:
    """Draining comes first."""
    health.draining = True
    assert health.message == "draining"
