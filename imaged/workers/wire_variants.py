"""Variants, as a message carries them to a worker process."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from imaged.core.effects import NO_EFFECTS, Effects, Watermark
from imaged.core.formats import Formats
from imaged.core.gravities import Compass
from imaged.core.outputs import parse_sizing, parse_stored
from imaged.core.variants import Variant


def encode_variants(variants: Sequence[Variant]) -> dict[str, Any]:
    """Return the fields of a head for variants, as values of JSON. Each watermark's file is in it once."""
    marks: dict[bytes, int] = {}
    encoded = [_encode_variant(each, marks) for each in variants]
    return {"variants": encoded, "marks": [b64encode(each).decode() for each in marks]}


def decode_variants(head: Mapping[str, Any], formats: Formats) -> list[Variant]:
    """Return the variants that `encode_variants` was given."""
    marks = [b64decode(each) for each in head["marks"]]
    return [_decode_variant(each, marks, formats) for each in head["variants"]]


def _encode_variant(variant: Variant, marks: dict[bytes, int]) -> dict[str, Any]:
    """Return a variant, whose output's name says its format. The file of its watermark is added to `marks`."""
    fields = {name: getattr(variant, name) for name in _PLAIN}
    fields |= {"output": str(variant.output), "sizing": str(variant.sizing)}
    return fields if variant.effects == NO_EFFECTS else fields | {"effects": _encode_effects(variant.effects, marks)}


def _decode_variant(fields: Mapping[str, Any], marks: Sequence[bytes], formats: Formats) -> Variant:
    output = parse_stored(fields["output"])
    effects = _decode_effects(fields["effects"], marks) if "effects" in fields else NO_EFFECTS
    plain = {name: fields[name] for name in _PLAIN}
    sizing = parse_sizing(fields["sizing"])
    return Variant(output=output, sizing=sizing, format=formats.of(output), effects=effects, **plain)


_PLAIN = ("quality", "background", "progressive", "padding", "enlarge", "effort", "animation")


def _encode_effects(effects: Effects, marks: dict[bytes, int]) -> dict[str, Any]:
    fields = asdict(effects)
    if effects.watermark is not None:
        fields["watermark"]["body"] = marks.setdefault(effects.watermark.body, len(marks))
    return fields


def _decode_effects(fields: Mapping[str, Any], marks: Sequence[bytes]) -> Effects:
    mark = fields["watermark"]
    if mark is not None:
        mark = Watermark(**mark | {"body": marks[mark["body"]], "gravity": Compass(mark["gravity"])})
    return Effects(**dict(fields) | {"watermark": mark})
