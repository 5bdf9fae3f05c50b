"""Describes the options of plugins by their models, for `imaged plugins NAME` and for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from imaged.config.section import allow_references

_NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
)


@dataclass(frozen=True)
class Option:
    """One option, in words: its type, its default, and what it is for."""

    name: str
    type: str
    default: str
    description: str


def options_of(model: type[BaseModel]) -> list[Option]:
    """Return the options of a model, in its order."""
    schema = model.model_json_schema()
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return [
        Option(name, _type(each, schema), _default(fields[name]), each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]


def with_plugins(schema: dict[str, Any], models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of the settings, with the schema of each plugin's section."""
    sections = {}
    for name, model in models.items():
        place = f"#/properties/plugins/properties/{name}/$defs/{{model}}"
        sections[name] = section = model.model_json_schema(ref_template=place)
        for each in (section, *section.get("$defs", {}).values()):
            allow_references(each)
    plugins = {**schema["properties"]["plugins"], "properties": sections}
    return {**schema, "properties": {**schema["properties"], "plugins": plugins}}


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else json.dumps(value, default=str, ensure_ascii=False)


def _type(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    if kinds := schema.get("anyOf"):
        return " or ".join(_type(kind, whole) for kind in kinds if kind.get("type") != "null")
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
    noun = _NOUNS.get(schema.get("type", ""), "any value")
    if noun == "a list" and schema.get("items"):
        noun = f"a list, each {_type(schema['items'], whole)}"
    return ", ".join([noun, *(words.format(schema[key]) for key, words in _BOUNDS if key in schema)])
