"""A file tells one idea."""

from __future__ import annotations

import pytest
from source_tree import ROOT, modules

LONGEST = 350


@pytest.mark.parametrize("name", modules())
def test_no_file_is_long(name: str) -> None:
    """What needs more lines is two ideas."""
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_files_are_found() -> None:
    """These tests look at something."""
    assert ROOT / "imaged" / "cli.py" in modules().values()
    assert ROOT / "plugins" / "imaged_noop.py" in modules().values()
