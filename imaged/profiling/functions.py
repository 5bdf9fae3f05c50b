"""Finds the function of a line of code: tracemalloc reports only files and lines."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FunctionType

from imaged.garbage import LONG_LIVED
from imaged.profiling.calls import function_name
from imaged.profiling.pprof import Frame

Place = tuple[str, int]
"""A file and a line."""


def find_frames(places: set[Place]) -> dict[Place, Frame]:
    """Return each place with its function.

    The garbage collector lists the functions, so no source file is read; no other thread runs for some ten
    milliseconds. Code that runs once, such as the top of a module, has no living function, and gets the module's name.
    """
    lines: dict[str, set[int]] = defaultdict(set)
    for filename, line in places:
        lines[filename].add(line)
    codes: dict[int, tuple[CodeType, str]] = {}
    for each in LONG_LIVED.all_objects():
        if type(each) is FunctionType:  # isinstance would run code of foreign objects
            for code in _nested(each.__code__):
                if code.co_filename in lines:
                    codes.setdefault(id(code), (code, str(each.__module__)))
    found: dict[Place, Frame] = {}
    # A line of several functions belongs to the outermost, of which lambdas and comprehensions are parts.
    for code, module in sorted(codes.values(), key=lambda each: each[0].co_qualname.count(".")):
        name = function_name(module, code)
        for line in {line or 0 for _, _, line in code.co_lines()} & lines[code.co_filename]:
            found.setdefault((code.co_filename, line), Frame(name, code.co_filename, line, code.co_firstlineno))
    modules = {getattr(module, "__file__", None): name for name, module in list(sys.modules.items())}
    for filename, line in places - found.keys():
        module = modules.get(filename, filename.rpartition("/")[2])
        found[filename, line] = Frame(f"{module}.<module>", filename, line)
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _nested(each)
