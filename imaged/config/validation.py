"""Validates plain values against a model, and drops faulty branches until the rest is valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from imaged.config.faults import Fault, KeyPath, begins
from imaged.config.messages import explain, is_ours, keys_at
from imaged.config.model import Settings
from imaged.config.places import Places
from imaged.config.references import Secret
from imaged.config.strict_yaml import read_scalar

ABSENT = object()
_NUMBER_WANTED = {"int_type", "float_type", "bool_type"}


Entries = Mapping[KeyPath, Mapping[int, Any]]
"""The sound entries of lists that are removed for the faults of others, by the path of the list and by their index."""


def validate(data: dict[str, Any], places: Places) -> tuple[Settings, list[Fault], Entries]:
    """Return settings, the faults of `data`, and sound entries; remove every faulty branch from `data`.

    Text from a reference becomes a number or a truth value where the model needs one.
    """
    faults: list[Fault] = []
    sound: dict[KeyPath, dict[int, Any]] = {}
    while True:
        try:
            return Settings.model_validate(data), faults, sound
        except ValidationError as error:
            errors = [(existing_path(data, details), details) for details in error.errors(include_url=False)]
        faulty: list[KeyPath] = []
        known = [fault.path for fault in faults]
        for path, details in errors:
            if wants_number(details) and retype(data, path):
                continue
            tell = partial(places.describe, path)
            faulty.append(path)
            if any(begins(inner, path) for inner in known):  # a section that lacks its faulty key
                continue
            if details["type"] == "extra_forbidden" and (own := _own_section(str(path[-1]))):
                faults.append(places.fault(path, f'unknown key; did you mean "{own}"?'))
                continue
            faults.append(fault_of(places, path, details, keys_at(Settings, path[:-1]), tell))
        for place in {path[:-1] for path in faulty if path}:
            if isinstance(entries := value_at(data, place), list):
                sound[place] = {index: each for index, each in enumerate(entries) if (*place, index) not in faulty}
        for path in faulty:
            _cut(data, path)


def _own_section(key: str) -> str | None:
    """Return the path of a key that exactly one section has, for a key in the wrong place."""
    sections = [name for name in Settings.model_fields if key in keys_at(Settings, (name,))]
    return f"{sections[0]}.{key}" if len(sections) == 1 else None


def wants_number(error: ErrorDetails) -> bool:
    """Return whether the error is that the model needs a number or a truth value."""
    return error["type"] in _NUMBER_WANTED


def retype(data: Any, path: KeyPath) -> bool:
    """Read the value at `path` as a plain YAML scalar, if it is text from a reference; return whether it is."""
    value = value_at(data, path)
    if not isinstance(value, Secret):
        return False
    replace_at(data, path, read_scalar(value.strip()))
    return True


def fault_of(places: Places, path: KeyPath, error: ErrorDetails, known: list[str], tell: Callable[[Any], str]) -> Fault:
    """Return the fault of an error at `path`; `known` and `tell` as `explain` has them."""
    message = explain(error, known, tell, hidden=path in places.references)
    return places.fault(path, message) if is_ours(error) else places.quoting_fault(path, message)


def existing_path(data: Any, error: ErrorDetails) -> KeyPath:
    """Return the part of an error's path that exists in the data: pydantic appends names of its validators."""
    path: list[str | int] = []
    for part in error["loc"]:
        if holds(data, part):
            data = data[part]
            path.append(part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            path.append(part)
    return tuple(path)


def holds(data: Any, part: str | int) -> bool:
    """Return whether a mapping has this key, or a list this index."""
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def value_at(data: Any, path: KeyPath) -> Any:
    """Return the value at `path` in `data`, or ABSENT."""
    for part in path:
        if not holds(data, part):
            return ABSENT
        data = data[part]
    return data


def replace_at(data: Any, path: KeyPath, value: Any) -> None:
    """Replace the value at `path` in `data`."""
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def _cut(data: Any, path: KeyPath) -> None:
    """Remove the branch at `path`; for an item, its whole list, so that no other index changes.

    Where a key is missing that a mapping needs, remove the mapping.
    """
    if len(path) > 1 and value_at(data, path[:-1]) is not ABSENT and value_at(data, path) is ABSENT:
        path = path[:-1]
    *outer, last = path
    for part in outer:
        inner = data.get(part)
        if not isinstance(inner, dict):
            last = part
            break
        data = inner
    data.pop(last, None)
