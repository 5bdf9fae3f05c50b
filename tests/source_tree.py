"""Our own source, parsed: what each module imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def modules() -> dict[str, Path]:
    """Return the file of every module that we ship, by the module's full name."""
    found: dict[str, Path] = {}
    for folder, start in ((ROOT, ROOT / "imaged"), (ROOT / "plugins", ROOT / "plugins")):
        for path in sorted(start.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> tuple[str, ...]:
    """Return all imports of a module: modules by their full names, and names with their module's."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(_imported(ast.parse(path.read_text(encoding="utf-8")), package))


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str | None:
    """Return our module that an imported name is, or is in; None for others."""
    while name:
        if name in modules():
            return name
        name = name.rpartition(".")[0]
    return None
