"""Checks that the object that a hook returned fits its contract, once, when the daemon loads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from twisted.python.reflect import safe_str

from imaged.core.formats import CORE, FORMATS, Format, Formats
from imaged.hooks.boundary import kind_of
from imaged.hooks.contracts import FlushingSink
from imaged.hooks.plugin_formats import find_wrong

KEY_CHARACTERS = 500
"""How long an identity may be: it is a key of a table."""

DETAIL_CHARACTERS = 500
"""How much of a detail the status page shows."""

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 16, 1024
"""The bounds of a detector's samples: larger ones cost a POST too much."""

_NEEDED = {
    "processor": ("Processor", ("identify", "accepts", "render", "detail")),
    "detector": ("Detector", ("detect", "detail", "side_px")),
    "uploader": ("Uploader", ("upload", "download", "list", "delete", "identity")),
    "purger": ("Purger", ("purge",)),
    "metrics": ("MetricsSink", ("record",)),
}
"""The contract of each kind of plugin, and what an object of it has."""

_ON_THREADS = ("identify", "accepts", "verify", "sample", "detect", "self_check", "render", "record", "flush", "expose")
"""The methods of processors, detectors and sinks, which no code awaits."""

_ON_REACTOR = ("uploader", "purger")
"""The kinds whose methods are async."""

_IDENTITY = "a text that says which store this is: its address, and the bucket or account there"


@dataclass(frozen=True)
class Metadata:
    """What an object says about itself: `detail` for the status page, and an uploader about its store.

    `noted_as` is the text under which versions without `identity` recorded uploads, "" for none. `formats` are those
    that a processor reads and writes, `side_px` is the side of a detector's samples.
    """

    detail: str
    identity: str = ""
    noted_as: str = ""
    formats: Formats = FORMATS
    side_px: int = 0


class ContractError(Exception):
    """An object does not fit its contract; the text says why."""


def read_metadata(kind: str, thing: Any) -> Metadata:
    """Return what a plugin's object says about itself. Raises ContractError, or what its properties raise."""
    contract, needed = _NEEDED[kind]
    if isinstance(thing, type):
        raise ContractError(f"is {kind_of(thing)}, not an object of it")
    if isawaitable(thing):
        raise ContractError(f"is a {kind_of(thing)}: declare the hook with def, not async def")
    if missing := [name for name in needed if getattr(thing, name, None) is None]:
        raise ContractError(f"is no {contract}: it has no {' and no '.join(missing)}")
    if kind not in _ON_REACTOR and (wrong := [n for n in _ON_THREADS if iscoroutinefunction(getattr(thing, n, None))]):
        raise ContractError(f"is no {contract}: declare its {' and its '.join(wrong)} with def, not async def")
    if kind == "metrics" and isinstance(thing, FlushingSink) and not 0 < thing.flush_every_s < math.inf:
        raise ContractError("has a flush_every_s that is no number of seconds above 0")
    detail = getattr(thing, "detail", None)
    shown = "" if detail is None else safe_str(detail)[:DETAIL_CHARACTERS]
    if kind == "processor":
        return Metadata(shown, formats=Formats(_checked_formats(thing, "reads"), _checked_formats(thing, "writes")))
    if kind == "detector":
        return Metadata(shown, side_px=_checked_side_px(thing.side_px))
    if kind != "uploader":
        return Metadata(shown)
    return Metadata(shown, _checked_identity(thing.identity), getattr(thing, "noted_as", ""))


def _checked_formats(processor: Any, name: str) -> tuple[Format, ...]:
    formats: tuple[Format, ...] = getattr(processor, name, CORE)
    if (wrong := find_wrong(formats)) is not None:
        raise ContractError(f"is no Processor: its {name} {wrong}")
    return formats


def _checked_side_px(side_px: Any) -> int:
    if type(side_px) is not int or not SMALLEST_SIDE_PX <= side_px <= LARGEST_SIDE_PX:
        raise ContractError(f"is no Detector: its side_px is no whole number {SMALLEST_SIDE_PX} to {LARGEST_SIDE_PX}")
    return side_px


def _checked_identity(identity: Any) -> str:
    if not isinstance(identity, str) or not identity.strip() or not identity.isprintable():
        raise ContractError(f"has an identity that is not {_IDENTITY}")
    if len(identity) > KEY_CHARACTERS:
        raise ContractError(f"has an identity of more than {KEY_CHARACTERS} characters; it is {_IDENTITY}")
    return identity
