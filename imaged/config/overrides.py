"""`--set key.path=VALUE`: settings of the command line, which override the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaged.config.document import read_value
from imaged.config.faults import Fault, KeyPath, quote
from imaged.config.strict_yaml import NOT_YAML

OPTION = "--set"


@dataclass(frozen=True, repr=False)
class Override:
    """One `--set`: a path and its value."""

    path: tuple[str, ...]
    value: Any


def read_overrides(arguments: Sequence[str]) -> tuple[list[Override], list[Fault]]:
    """Read the arguments of `--set`; a malformed one is a fault. Faults hide the VALUE, which may be a secret."""
    overrides, faults = [], []
    for argument in arguments:
        key, equals, text = argument.partition("=")
        path = tuple(key.split("."))
        if not equals:
            faults.append(Fault(OPTION, None, (), "expected key.path=VALUE, such as images.maximum_width=2000"))
        elif not all(path) or not key.isprintable():
            faults.append(Fault(OPTION, None, (), f"{quote(key)} is no key path: give keys joined by single dots"))
        else:
            # YAML reads an empty text as null and #ffffff as a comment; on a command line both are text.
            text_itself = not text.strip() or text.lstrip().startswith("#")
            document = read_value("" if text_itself else text, OPTION)
            faults += [_without_value(fault, path) for fault in document.faults]
            if not document.faults:
                overrides.append(Override(path, text.strip() if text_itself else document.data))
    return overrides, faults


def lay_over(data: dict[str, Any], override: Override) -> Fault | None:
    """Put the override's value into `data`, and create missing sections; return a fault if that is impossible."""
    section = data
    for depth, key in enumerate(override.path[:-1], start=1):
        inner = section.get(key)
        if inner is None:
            inner = section[key] = {}
        if not isinstance(inner, dict):
            where: KeyPath = override.path[:depth]
            advice = "set the whole of it, as in key=[a, b]" if isinstance(inner, list) else "it is one value"
            return Fault(OPTION, None, override.path, f"{'.'.join(map(str, where))} has no keys: {advice}")
        section = inner
    section[override.path[-1]] = override.value
    return None


def _without_value(fault: Fault, path: KeyPath) -> Fault:
    """Return the fault of a VALUE at its path, without pieces of the text, which a syntax error quotes."""
    quotes = fault.message.startswith(NOT_YAML)
    message = "the value is not YAML: put it in double quotes, and those in the single ones of the shell"
    return replace(fault, line=None, path=path + fault.path, message=message if quotes else fault.message)
