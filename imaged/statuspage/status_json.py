"""Writes values of a snapshot as JSON: the fields of `/status.json`, which are a promise to operators.

Each attribute becomes a field of its own name, in the order of its class, except for those below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from imaged.core.snapshot import Charts, Jobs, PendingRenders, Requests, Snapshot, Uploads

PROMISED_NAMES: Mapping[tuple[type, str], str] = {
    (Requests, "coalesced"): "joined",
    (Jobs, "failed"): "parked",
    (Snapshot, "pending_renders"): "promised",
}
"""Fields whose published name is not that of their attribute."""

INLINED = {(Uploads, "jobs"), (PendingRenders, "jobs"), (Charts, "points")}
"""Attributes whose own fields stand in their place."""


def to_json(value: Any) -> Any:
    """Return a value of a snapshot, or a whole one, as dictionaries, lists, text and numbers."""
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    return value


def _fields(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind = type(value)
    for each in fields(value):
        written = to_json(getattr(value, each.name))
        if (kind, each.name) in INLINED:
            found |= written
        else:
            found[PROMISED_NAMES.get((kind, each.name), each.name)] = written
    return found
