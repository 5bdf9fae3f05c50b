"""`docs/security.md` names a test for each defence, and each of them exists."""

from __future__ import annotations

import re
from functools import cache

import pytest
from source_tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@cache
def names_in(path: str) -> set[str]:
    """Return the names of the tests in a file."""
    file = ROOT / path
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return set(re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_named_test_exists(path: str, test: str) -> None:
    """The file has a test of that name."""
    assert test in names_in(path)


def test_each_defence_has_a_test() -> None:
    """In a table of attacks, each row names at least one test."""
    tables = re.findall(r"\| attack \| defence \| test \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", PAGE + "\n")
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"::test_\w+` \|$", row)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "SECURITY.md"])
def test_readers_find_the_page(page: str) -> None:
    """The pages that a reader begins with link to it."""
    assert re.search(r"\]\((?:docs/)?security\.md\)", (ROOT / page).read_text(encoding="utf-8"))
