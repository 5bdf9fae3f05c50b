"""A processor that renders stills of JPEG, PNG, WebP and GIF with Pillow, faster than ImageMagick does.

It declines what it does not render as well, so name `magick` after it. `processor` has the steps. `reading` and the
readers strip files down to pixels; `decoding`, `resizing`, `colours` and `encoding` call Pillow.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Host, Processor, hookimpl, how_to_install

from .unloaded import UnloadedPillow

if find_spec("PIL") is None:
    raise ImportError(f"Pillow is missing: {how_to_install('fast', 'python3-pil')}")


class Options(BaseModel):
    """The section `plugins.pillow` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    filter: Literal["fast", "good", "best"] = Field(
        default="good",
        description="How JPEGs shrink: good looks like best, and costs up to 40 % less; fast is softer.",
    )


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Load Pillow and return its processor."""
    options = host.options(Options)
    if not host.renders:
        return UnloadedPillow()
    from .processor import PillowProcessor  # noqa: PLC0415 -- imports Pillow

    return PillowProcessor(options.filter)
