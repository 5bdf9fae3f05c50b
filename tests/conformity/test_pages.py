"""Pages name files that exist, and fragments of news have names that count."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from source_tree import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("imaged", "plugins", "tests", "docs", "bench", "etc")
OURS = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]

FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|sql|html|js|css))`")
"""A file in a code span. Without its first folders it stands for any file whose path ends so."""

OF_OTHERS = {"whisper-resize.py", "whisper-set-aggregation-method.py", "NNNN_what_for.sql"}
"""Files of Graphite, and the pattern of a name."""

FRAGMENT = re.compile(r"(?:\+[a-z0-9-]+|[0-9]+)\.(?:feature|bugfix|doc|removal|misc)\.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Each file in a code span is in the tree."""
    named = set(FILE.findall(page.read_text(encoding="utf-8"))) - OF_OTHERS
    assert [name for name in sorted(named) if not any(f"/{path}".endswith(f"/{name}") for path in OURS)] == []


def test_fragments_of_news_are_found() -> None:
    """Towncrier skips other names, or reads them as issue numbers."""
    names = [path.name for path in (ROOT / "newsfragments").glob("[!.]*")]
    assert [name for name in names if not FRAGMENT.fullmatch(name)] == []
