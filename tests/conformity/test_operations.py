"""`docs/operations.md` explains each line of the log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import ROOT, modules

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
LEVELS = {"info", "warn", "error", "failure", "critical"}
SHORTEST = 6
"""Shorter pieces of text between two fields identify no line."""


def templates(path: Path) -> Iterator[str]:
    """Yield the text of every line that a module logs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="_log" | "log") | ast.Name(id="_log" | "log"), attr=level),
                args=[ast.Constant(value=str(template)), *_],
            ) if level in LEVELS:
                yield template


LINES = sorted(
    {(name, each) for name in modules() if name.startswith("imaged.") for each in templates(modules()[name])}
)


@pytest.mark.parametrize(("module", "template"), LINES)
def test_every_line_is_explained(module: str, template: str) -> None:
    """The page has the text between the fields of each line; lines of fields alone are described above the table."""
    pieces = [piece.strip(" :;\n") for piece in re.split(r"\{[^}]*\}", template)]
    telling = [piece for piece in pieces if len(piece) >= SHORTEST]
    missing = [piece for piece in telling if piece.partition("; ")[0] not in PAGE]
    assert not missing, f"{module} logs {template!r}"


def test_the_lines_are_found() -> None:
    """The search finds lines, so the other tests check something."""
    assert len(LINES) > 20


def test_every_signal_is_explained() -> None:
    """The page's table has each signal."""
    for name in ("SIGHUP", "SIGUSR2", "SIGTERM", "SIGINT"):
        assert f"| {name}" in PAGE or f", {name} |" in PAGE
