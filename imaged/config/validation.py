"""Plain values into a model, again and again without their faulty branches, until one comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from imaged.config.faults import Fault, KeyPath
from imaged.config.messages import explain, found, is_ours, keys_at, kind_of
from imaged.config.model import Settings
from imaged.config.origins import Origins
from imaged.config.references import Secret
from imaged.config.strict_yaml import read_scalar

_NUMBER_WANTED = {"int_type", "float_type", "bool_type"}


def validate(data: dict[str, Any], origins: Origins) -> tuple[Settings, list[Fault]]:
    """Return settings and the faults of `data`, which loses every branch that is faulty.

    Text that a reference stands for becomes a number or a truth value where the model wants one.
    """
    faults: list[Fault] = []
    while True:
        try:
            return Settings.model_validate(data), faults
        except ValidationError as error:
            errors = [(existing_path(data, details), details) for details in error.errors(include_url=False)]
        faulty: list[KeyPath] = []
        for path, details in errors:
            if wants_number(details) and retype(data, path):
                continue
            faults.append(fault_of(origins, path, details, keys_at(Settings, path[:-1]), _told(path, origins)))
            faulty.append(path)
        for path in faulty:
            _cut(data, path)


def wants_number(error: ErrorDetails) -> bool:
    """Say whether an error is that a number or a truth value is wanted."""
    return error["type"] in _NUMBER_WANTED


def retype(data: Any, path: KeyPath) -> bool:
    """Read the value at `path` as YAML reads a plain one, if it is text that a reference stands for; say whether."""
    value = data
    for part in path:
        value = value[part] if holds(value, part) else None
    if not isinstance(value, Secret):
        return False
    replace_at(data, path, read_scalar(value.strip()))
    return True


def fault_of(
    origins: Origins, path: KeyPath, error: ErrorDetails, known: list[str], tell: Callable[[Any], str]
) -> Fault:
    """Return the fault of an error at `path`; `known` and `tell` as `explain` has them."""
    message = explain(error, known, tell, hidden=origins.reference(path) is not None)
    return origins.fault(path, message) if is_ours(error) else origins.foreign_fault(path, message)


def _told(path: KeyPath, origins: Origins) -> Callable[[Any], str]:
    """Return how a value at `path` may be told: one from a reference by its kind alone."""
    reference = origins.reference(path)
    return found if reference is None else lambda value: f"{kind_of(value)} from {reference}"


def existing_path(data: Any, error: ErrorDetails) -> KeyPath:
    """Return the error's path as far as the data has it: pydantic adds the names of its own validators."""
    path: list[str | int] = []
    for part in error["loc"]:
        if holds(data, part):
            data = data[part]
            path.append(part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            path.append(part)
    return tuple(path)


def holds(data: Any, part: str | int) -> bool:
    """Say whether a mapping has that key, or a list that index."""
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def replace_at(data: Any, path: KeyPath, value: Any) -> None:
    """Put `value` where `data` holds another at `path`."""
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def _cut(data: Any, path: KeyPath) -> None:
    """Take out the branch at `path`; an item takes its whole list along, so that the other indexes go on fitting."""
    *outer, last = path
    for part in outer:
        inner = data.get(part)
        if not isinstance(inner, dict):
            last = part
            break
        data = inner
    data.pop(last, None)
