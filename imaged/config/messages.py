"""Explains errors of validation in plain words, and suggests similar keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from imaged.config.faults import KeyPath, quote

_EXPECTED = {
    "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number": ("float_type", "float_parsing", "decimal_type", "decimal_parsing"),
    "a finite number": ("finite_number",),
    "text": ("string_type", "bytes_type", "string_unicode"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list": ("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"),
    "a mapping": ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
}
_BY_TYPE = {kind: f"expected {noun}" for noun, kinds in _EXPECTED.items() for kind in kinds}
_LISTS = _EXPECTED["a list"]
_NUMBERS = (*_EXPECTED["a whole number"], *_EXPECTED["a number"])
_UNITS = {"_bytes": "bytes", "_s": "seconds", "_days": "days"}
_BY_BOUND = {
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "less_than": "expected less than {lt}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "too_short": "expected a list of {min_length} or more entries",
    "too_long": "expected a list of {max_length} entries at most",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected text that matches {pattern}",
}
_COUNTED = {"too_short", "too_long"}
_KEYS_LISTED = 20
_LARGEST_SHOWN = 10**18


class UnfitError(ValueError):
    """A value is invalid. The text quotes no part of the value, so it may be shown even for a secret.

    `hint` may quote the value, and is shown only when the value is not from a reference. Text that begins with
    "expected" is completed by the value found. The text of any other ValueError is hidden for a value from a reference.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def explain(error: ErrorDetails, known: Iterable[str], tell: Callable[[Any], str], *, hidden: bool = False) -> str:
    """Return the message of an error.

    `known` are the keys that may stand beside an unknown one. `tell` describes the value: `found`, or `kind_of` where
    it may be a secret. With `hidden`, the message has no hint, which could quote the value.
    """
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return "is required: give it a value"
    if kind == "extra_forbidden":
        return unknown_key(str(error["loc"][-1]), known)
    hint = "" if hidden else _hint(error)
    if kind in {"value_error", "assertion_error"}:
        message = str(context.get("error", error["msg"]))
    else:
        bound = _BY_BOUND.get(kind)
        message = bound.format_map(context) if bound else _BY_TYPE.get(kind, error["msg"])
    described = tell(value)
    if not message.startswith("expected") or kind in _COUNTED or (kind in _BY_BOUND and described == kind_of(value)):
        return message + hint  # the kind of a value says nothing about its bound
    return f"{message}, got {described}{hint}"


def is_ours(error: ErrorDetails) -> bool:
    """Return whether the message of `explain` quotes no part of the value.

    A validator may quote it, unless it raises UnfitError.
    """
    kind, raised = error["type"], error.get("ctx", {}).get("error")
    if kind in {"value_error", "assertion_error"}:
        return isinstance(raised, UnfitError)
    return kind in {"missing", "extra_forbidden", *_BY_TYPE, *_BY_BOUND}


def _hint(error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if isinstance(raised := context.get("error"), UnfitError):
        return raised.hint
    if kind == "string_type" and isinstance(value, int | float):
        return ": put it in double quotes"
    if kind in _NUMBERS and isinstance(value, str) and value[:1].isdigit():
        key = str(error["loc"][-1])
        return next((f": write the number of {unit}" for end, unit in _UNITS.items() if key.endswith(end)), "")
    if kind in _LISTS and isinstance(value, str | int | float):
        return ": put it in [ ]"
    if kind in {"literal_error", "enum"} and isinstance(value, str):
        return did_you_mean(value, re.findall(r"'([^']+)'", context["expected"]))
    return ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the word of `known` that is most similar to `word`, or an empty text."""
    near = difflib.get_close_matches(word.casefold(), list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for an unknown `key`, with a similar key of `known` or the list of them."""
    keys = list(known)
    if near := did_you_mean(key.replace("-", "_"), keys):
        return f"unknown key{near}"
    if not keys:
        return "unknown key"
    more = ", …" if len(keys) > _KEYS_LISTED else ""
    return f"unknown key; the keys here are {', '.join(keys[:_KEYS_LISTED])}{more}"


def found(value: Any) -> str:
    """Return a value as YAML writes it, shortened."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGEST_SHOWN):
        return str(value)
    return kind_of(value)


def kind_of(value: Any) -> str:
    """Return the kind of a value, and no part of the value."""
    if isinstance(value, str):
        return "text"
    kinds = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "a mapping" if isinstance(value, Mapping) else "a list")


def keys_at(annotation: Any, path: KeyPath) -> list[str]:
    """Return the keys that a model or type has at `path`, or none where it takes any key."""
    for part in path:
        annotation = _inside(annotation, part)
    return [key for model in _models(annotation) for key in _fields(model)]


def _inside(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        if part in _fields(model):
            return _fields(model)[str(part)]
    for alternative in _alternatives(annotation):
        arguments = get_args(alternative)
        if arguments:  # the values of a mapping or the items of a sequence
            return arguments[0] if isinstance(part, int) else arguments[-1]
    return None


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [kind for kind in _alternatives(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that `annotation` allows, without Annotated and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return [kind for argument in get_args(annotation) for kind in _alternatives(argument)]
    return [annotation]
