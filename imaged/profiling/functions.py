"""Finds the functions that lines of code belong to: tracemalloc tells files and lines alone."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator, Mapping
from types import CodeType, FunctionType
from typing import NamedTuple

from imaged.profiling.calls import function_name


class Function(NamedTuple):
    """A function's qualified name and its first line, 0 where that is not known."""

    name: str
    first_line: int


Lines = Mapping[str, Collection[int]]
"""The lines that are asked for, by their files."""


def find_functions(wanted: Lines) -> dict[tuple[str, int], Function]:
    """Return the function of each line, by its file and number, among those that are alive.

    They are found as the garbage collector finds them, without a source file read: for some ten milliseconds nothing
    else runs. What runs once, such as the top of a module, is alive no more: see `outside`.
    """
    codes: dict[int, tuple[CodeType, str]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType:  # not isinstance: that would ask objects of others, and they may answer
            for code in _nested(each.__code__):
                if code.co_filename in wanted:
                    codes.setdefault(id(code), (code, str(each.__module__)))
    found: dict[tuple[str, int], Function] = {}
    # A line may belong to several: to the outermost then, in which a lambda or a comprehension is but a part.
    for code, module in sorted(codes.values(), key=lambda each: each[0].co_qualname.count(".")):
        function = Function(function_name(module, code), code.co_firstlineno)
        for line in {line for _, _, line in code.co_lines()}.intersection(wanted[code.co_filename]):
            found.setdefault((code.co_filename, line or 0), function)
    return found


def module_names() -> dict[str, str]:
    """Return the name of each module that is there, by its file."""
    named: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        filename = getattr(module, "__file__", None)
        if isinstance(filename, str):
            named.setdefault(filename, name)
    return named


def outside(filename: str, modules: Mapping[str, str]) -> Function:
    """Return what stands for code of a file that belongs to no living function."""
    return Function(f"{modules.get(filename, filename.rpartition('/')[2])}.<module>", 0)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _nested(each)
