"""The list of outputs that clients may read without a signature: names, presets, and patterns that stand for names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function, plain_serializer_function_ser_schema

from imaged.config.messages import UnfitError
from imaged.config.values import distinct
from imaged.core.errors import ImagedError
from imaged.core.files import ORIGINAL
from imaged.core.outputs import AUTO, PRESET, Output, Preset, parse

MAXIMUM_NAMES = 5000
"""How many names the patterns of one list may stand for, together."""

NONE = "none"
"""The entry of a list that allows no output. No output has this name, since it has no extension."""

_MAXIMUM_CHARACTERS = 50_000
_FORM = "expected the name of an output, or a pattern such as w{320,640}.{auto,jpg}, whose braces do not nest"
_PATTERN = re.compile(r"(?:[^{},]|\{[^{}]*\})+")
_BARE = re.compile(r"[a-z0-9_-]+")
_PARTS = re.compile(r"\{([^{}]*)\}|([^{}]+)")


@dataclass(frozen=True)
class OutputPattern:
    """One entry of the list, with the outputs that it stands for. `str` gives its text.

    A `preset` alone stands for all its formats. Its `outputs` name one of them.
    """

    text: str
    outputs: tuple[Output, ...]
    preset: str | None = None

    def __str__(self) -> str:
        return self.text


def expand(text: str) -> list[str]:
    """Return the names that a pattern stands for: each `{a,b}` is replaced by each of its alternatives.

    Raises UnfitError for braces that do not match, and for too many names.
    """
    if len(text) > _MAXIMUM_CHARACTERS or not _PATTERN.fullmatch(text):
        raise UnfitError(_FORM)
    parts = [[plain] if plain else inner.split(",") for inner, plain in _PARTS.findall(text)]
    if prod(map(len, parts)) > MAXIMUM_NAMES:
        raise UnfitError(f"the pattern stands for more than {MAXIMUM_NAMES} names: list fewer")
    return list(dict.fromkeys(map("".join, product(*parts))))


def read_pattern(value: Any) -> OutputPattern:
    """Read an entry. The error of a name that no output has quotes it."""
    if not isinstance(value, str):
        raise UnfitError(_FORM)
    if value == NONE:
        return OutputPattern(value, ())
    if value == str(ORIGINAL):
        raise UnfitError("originals are not listed here: set public_original")
    if value == "srcset":
        raise UnfitError("srcset is not listed here: it is public where an output is")
    if re.fullmatch(PRESET, value):
        return OutputPattern(value, (parse(f"{value}.{AUTO}"),), value)
    if _BARE.fullmatch(value):
        raise UnfitError("this name has no format", f": list {value}.auto, or {value}.{{auto,jpg}}")
    try:
        return OutputPattern(value, tuple(map(parse, expand(value))))
    except ImagedError as error:
        raise ValueError(str(error)) from error


_Pattern = Annotated[
    OutputPattern, PlainValidator(read_pattern), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
_Patterns = Annotated[tuple[_Pattern, ...], AfterValidator(distinct), Field(strict=False)]


@dataclass(frozen=True)
class AllowedOutputs:
    """The list of a policy. An empty one allows any output; that of the entry `none` alone allows no output."""

    patterns: tuple[OutputPattern, ...] = ()
    outputs: frozenset[Output] = field(init=False, repr=False, compare=False)
    presets: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        outputs = frozenset(output for pattern in self.patterns for output in pattern.outputs)
        if len(outputs) > MAXIMUM_NAMES:
            raise UnfitError(f"the list stands for more than {MAXIMUM_NAMES} names: list fewer")
        if outputs and any(pattern.text == NONE for pattern in self.patterns):
            raise UnfitError(f"{NONE} allows no output: remove it, or the other entries")
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "presets", frozenset(each.preset for each in self.patterns if each.preset))

    def __contains__(self, output: Output) -> bool:
        """Return whether an output, a preset without its version, needs no signature."""
        if not self.patterns or output in self.outputs:
            return True
        return isinstance(output.sizing, Preset) and output.quality is None and output.sizing.name in self.presets

    @property
    def allows_none(self) -> bool:
        """Whether each output needs a signature."""
        return bool(self.patterns) and not self.outputs

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the list from a list of texts, and write it as one."""
        written = plain_serializer_function_ser_schema(lambda allowed: [str(each) for each in allowed.patterns])
        return no_info_after_validator_function(cls, handler.generate_schema(_Patterns), serialization=written)
