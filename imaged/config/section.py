"""What every section of the settings has in common: strict, frozen, silent about its values, and a schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_SCALARS = {"string", "integer", "number", "boolean"}
_REFERENCE = {
    "description": "A reference, resolved when the settings are loaded.",
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The environment variable that holds the value."},
        "file": {"type": "string", "description": "The file that holds the value, seen from the settings' folder."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_BESIDE = ("title", "description", "default")


def allow_references(schema: dict[str, Any]) -> None:
    """Let a reference stand wherever the schema of a section wants a scalar."""
    for key, value in schema.get("properties", {}).items():
        if "items" in value:
            value["items"] = _scalar_or_reference(value["items"])
        schema["properties"][key] = _scalar_or_reference(value)


def _scalar_or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") not in _SCALARS:
        return schema
    beside = {key: schema[key] for key in _BESIDE if key in schema}
    scalar = {key: value for key, value in schema.items() if key not in _BESIDE}
    return {**beside, "anyOf": [scalar, _REFERENCE]}


class Section(BaseModel):
    """A part of the settings.

    A section whose keys are all commented out is null in YAML: it stands for the defaults. Any value may have come
    from a reference and so be a secret: the repr of a section tells none, and neither do pydantic's own errors.
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
        """Return nothing, so that repr and str show the section's name alone."""
        return []
