"""Fixtures: each built-in processor, with those behind it, and functions that identify, verify and render bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from installed_processors import CHAINS, build
from processor_chain import Chain

from imaged.api import ImageFacts


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Chain:
    """Return the processors of a setting."""
    return Chain(build(request.param), tmp_path / "original")


@pytest.fixture
def identify(chain: Chain) -> Callable[..., ImageFacts]:
    """Return a function that identifies bytes."""
    return chain.identify


@pytest.fixture
def accept(chain: Chain) -> Callable[..., ImageFacts]:
    """Return a function that identifies and then verifies bytes, as a POST does."""
    return chain.accept


@pytest.fixture
def render(chain: Chain) -> Callable[..., list[bytes]]:
    """Return a function that renders outputs of a picture by their names."""
    return chain.render
