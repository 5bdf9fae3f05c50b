"""Validates plain values against a model, drops faulty branches until the rest is valid, and finds conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from imaged.config.faults import Fault, KeyPath, begins
from imaged.config.images import ImagePolicy
from imaged.config.messages import explain, is_ours, keys_at
from imaged.config.model import Settings
from imaged.config.places import Places
from imaged.config.references import Secret
from imaged.config.strict_yaml import read_scalar
from imaged.core.errors import NotFoundError, PolicyError
from imaged.core.outputs import Output

ABSENT = object()
_NUMBER_WANTED = {"int_type", "float_type", "bool_type"}


def validate(data: dict[str, Any], places: Places) -> tuple[Settings, list[Fault]]:
    """Return settings and the faults of `data`, and remove every faulty branch from `data`.

    Text from a reference becomes a number or a truth value where the model needs one.
    """
    faults: list[Fault] = []
    while True:
        try:
            return Settings.model_validate(data), faults
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
            faults.append(fault_of(places, path, details, keys_at(Settings, path[:-1]), tell))
        for path in faulty:
            _cut(data, path)


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


def conflicts(settings: Settings) -> Iterator[tuple[KeyPath, KeyPath, str]]:
    """Yield the path of the fault, the output's own path and the reason for each output that its policy refuses.

    An output that a namespace inherits is reported there only when `images` itself allows it. An inherited entry of
    `allowed_outputs` is no fault: it adds nothing in a namespace that refuses its outputs.
    """
    common = dict(_refused(settings.images))
    for index, reason in common.items():
        yield ("images", "outputs", index), ("images", "outputs", index), reason
    yield from _unusable(settings.images, ("images",))
    for name, own in settings.namespaces.items():
        for index, reason in _refused(settings.policy(name)):
            if own.outputs is not None:
                path = ("namespaces", name, "outputs", index)
                yield path, path, reason
            elif index not in common:
                inherited = f"{reason}; it comes from images.outputs: set outputs here as well"
                yield ("namespaces", name), ("images", "outputs", index), inherited
        if own.allowed_outputs is not None:
            yield from _unusable(settings.policy(name), ("namespaces", name))


def _refused(policy: ImagePolicy) -> Iterator[tuple[int, str]]:
    for index, output in enumerate(policy.outputs):
        if reason := _refusal(policy, output):
            yield index, reason


def _unusable(policy: ImagePolicy, where: KeyPath) -> Iterator[tuple[KeyPath, KeyPath, str]]:
    """Yield, as `conflicts` does, the first refused output of each entry of `allowed_outputs`."""
    for index, pattern in enumerate(policy.allowed_outputs.patterns):
        reasons = (_refusal(policy, output) for output in pattern.outputs)
        if reason := next(filter(None, reasons), None):
            path = (*where, "allowed_outputs", index)
            yield path, path, reason


def _refusal(policy: ImagePolicy, output: Output) -> str | None:
    """Return why a policy refuses an output, or None."""
    try:
        policy.check(output)
    except (NotFoundError, PolicyError) as error:  # NotFoundError: there is no such preset
        return str(error)
    return None
