"""Writes values of a snapshot as JSON: the fields of `/status.json`, which are a promise to operators.

Each attribute becomes a field of its own name, in the order of its class, except for those below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from imaged.core.charts import Charts
from imaged.core.pending_jobs import Jobs, PendingErasures, PendingRenders, Uploads
from imaged.core.snapshot import Requests, Snapshot

PROMISED_NAMES: Mapping[tuple[type, str], str] = {
    (Requests, "coalesced"): "joined",
    (Jobs, "failed"): "parked",
    (Snapshot, "pending_renders"): "promised",
}
"""Fields whose published name is not that of their attribute."""

INLINED = {(Uploads, "jobs"), (PendingRenders, "jobs"), (PendingErasures, "jobs"), (Charts, "points")}
"""Attributes whose own fields stand in their place."""

_PLAIN = (str, int, float)


def to_json(value: Any) -> Any:
    """Return a value of a snapshot, or a whole one, as dictionaries, lists, text and numbers."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in value.items()}
    written: dict[str, Any] = {}
    for attribute, name, inlined in _layout(value.__class__):
        field = to_json(getattr(value, attribute))
        if inlined:
            written |= field
        else:
            written[name] = field
    return written


@cache
def _layout(kind: type) -> Sequence[tuple[str, str, bool]]:
    """Return each attribute of a class, the name of its field, and whether it is inlined."""
    names = [each.name for each in fields(kind)]
    return [(name, PROMISED_NAMES.get((kind, name), name), (kind, name) in INLINED) for name in names]
