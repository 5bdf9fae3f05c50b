"""The store that tests write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path / "store", [3, 3])
