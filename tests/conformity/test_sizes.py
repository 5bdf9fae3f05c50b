"""A file tells one idea."""

from __future__ import annotations

import pytest
from source_tree import ROOT, modules

LONGEST = 350


@pytest.mark.parametrize("name", modules())
def test_no_file_is_long(name: str) -> None:
    """A longer file has more than one idea."""
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_files_are_found() -> None:
    """The search finds files, so the other test checks something."""
    assert ROOT / "imaged" / "cli.py" in modules().values()
    assert ROOT / "plugins" / "imaged_noop.py" in modules().values()
