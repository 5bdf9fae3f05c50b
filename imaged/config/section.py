"""The base of all sections: strict, frozen, with a schema, and hiding its values."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_SCALARS = {"string", "integer", "number", "boolean"}
_REFERENCE = {
    "description": "A reference, resolved when the settings are loaded.",
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The environment variable that holds the value."},
        "file": {"type": "string", "description": "The file that holds the value, relative to the settings' folder."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_BESIDE = ("title", "description", "default")


def allow_references(schema: dict[str, Any]) -> None:
    """Allow a reference wherever the schema of a section has a scalar."""
    for key, value in schema.get("properties", {}).items():
        for inner in ("items", "additionalProperties"):
            if isinstance(value.get(inner), dict):
                value[inner] = _scalar_or_reference(value[inner])
        schema["properties"][key] = _scalar_or_reference(value)


def _scalar_or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") not in _SCALARS:
        return schema
    beside = {key: schema[key] for key in _BESIDE if key in schema}
    scalar = {key: value for key, value in schema.items() if key not in _BESIDE}
    return {**beside, "anyOf": [scalar, _REFERENCE]}


class Section(BaseModel):
    """A part of the settings.

    A section whose keys are all commented out is null in YAML and has the defaults. Any value may be a secret from a
    reference, so the repr of a section and pydantic's errors hide all values.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        json_schema_extra=allow_references,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_empty(cls, data: Any) -> Any:
        return {} if data is None else data

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Return nothing, so that repr and str show only the section's name."""
        return []
