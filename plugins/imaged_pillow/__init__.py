"""A processor that renders stills in JPEG, PNG, WebP and GIF with Pillow, faster than ImageMagick does.

It declines whatever it does not render as well, so that the next processor does: name `magick` after it. `processor`
has the steps, `original` and the readers strip files down to pixels, and `decoding`, `resizing`, `colours` and
`encoding` call Pillow.
"""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import BaseModel, ConfigDict

from imaged.api import Host, Processor, hookimpl, how_to_install

if find_spec("PIL") is None:
    raise ImportError(f"Pillow is missing: {how_to_install('fast', 'python3-pil')}")

from .processor import PillowProcessor


class Options(BaseModel):
    """The section `plugins.pillow` of the YAML file, which has no options."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Return the processor. It has no state."""
    host.options(Options)
    return PillowProcessor()
