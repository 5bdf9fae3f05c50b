"""A variant, as a message carries it to a worker process."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imaged.core.effects import NO_EFFECTS, Effects, Watermark
from imaged.core.formats import Formats
from imaged.core.gravities import Compass
from imaged.core.outputs import parse_sizing, parse_stored
from imaged.core.variants import Variant


def encode_variant(variant: Variant) -> dict[str, Any]:
    """Return a variant as values of JSON. Its output's name says its format."""
    fields = {name: getattr(variant, name) for name in _PLAIN}
    fields |= {"output": str(variant.output), "sizing": str(variant.sizing)}
    return fields if variant.effects == NO_EFFECTS else fields | {"effects": _encode_effects(variant.effects)}


def decode_variant(fields: Mapping[str, Any], formats: Formats) -> Variant:
    """Return the variant that `encode_variant` was given."""
    output = parse_stored(fields["output"])
    effects = _decode_effects(fields["effects"]) if "effects" in fields else NO_EFFECTS
    plain = {name: fields[name] for name in _PLAIN}
    sizing = parse_sizing(fields["sizing"])
    return Variant(output=output, sizing=sizing, format=formats.of(output), effects=effects, **plain)


_PLAIN = ("quality", "background", "progressive", "padding", "enlarge", "effort", "animation")


def _encode_effects(effects: Effects) -> dict[str, Any]:
    fields = asdict(effects)
    if effects.watermark is not None:
        fields["watermark"]["body"] = b64encode(effects.watermark.body).decode()
    return fields


def _decode_effects(fields: Mapping[str, Any]) -> Effects:
    mark = fields["watermark"]
    if mark is not None:
        mark = Watermark(**mark | {"body": b64decode(mark["body"]), "gravity": Compass(mark["gravity"])})
    return Effects(**dict(fields) | {"watermark": mark})
