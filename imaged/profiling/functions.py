"""Finds the function of a line of code: tracemalloc reports only files and lines."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator, Mapping
from types import CodeType, FunctionType
from typing import NamedTuple

from imaged.profiling.calls import function_name


class Function(NamedTuple):
    """A function's qualified name and its first line; 0 stands for an unknown line."""

    name: str
    first_line: int


Lines = Mapping[str, Collection[int]]
"""The lines to look up, by file."""


def find_functions(wanted: Lines) -> dict[tuple[str, int], Function]:
    """Return the living function of each line, by file and line number.

    The garbage collector lists the functions, so no source file is read; no other thread runs for some ten
    milliseconds. Code that runs once, such as the top of a module, has no living function: see `outside`.
    """
    codes: dict[int, tuple[CodeType, str]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType:  # isinstance would run code of foreign objects
            for code in _nested(each.__code__):
                if code.co_filename in wanted:
                    codes.setdefault(id(code), (code, str(each.__module__)))
    found: dict[tuple[str, int], Function] = {}
    # A line of several functions belongs to the outermost, of which lambdas and comprehensions are parts.
    for code, module in sorted(codes.values(), key=lambda each: each[0].co_qualname.count(".")):
        function = Function(function_name(module, code), code.co_firstlineno)
        for line in {line for _, _, line in code.co_lines()}.intersection(wanted[code.co_filename]):
            found.setdefault((code.co_filename, line or 0), function)
    return found


def module_names() -> dict[str, str]:
    """Return the name of each imported module, by file."""
    named: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        filename = getattr(module, "__file__", None)
        if isinstance(filename, str):
            named.setdefault(filename, name)
    return named


def outside(filename: str, modules: Mapping[str, str]) -> Function:
    """Return a function that stands for code of a file without a living function."""
    return Function(f"{modules.get(filename, filename.rpartition('/')[2])}.<module>", 0)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _nested(each)
