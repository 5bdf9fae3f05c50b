"""A processor that reads and writes pictures with ImageMagick, through Wand, and with libheif."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import FORMATS, FURTHER, Formats, Host, Processor, hookimpl, memory_bytes

from . import coders
from .environment import allow_coders, start_imagemagick
from .unloaded import UnloadedMagick


class Options(BaseModel):
    """The section `plugins.magick` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    memory_bytes: Annotated[int, Field(ge=2**26, le=2**40)] = Field(
        default=2**31,
        description="The memory for pixels in each process that renders; all use at most half of the machine's.",
    )
    filter: Literal["fast", "good", "best"] = Field(
        default="good",
        description="How pictures shrink: good looks like best, and costs up to two thirds less; fast is softer.",
    )


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Load ImageMagick under our policy and return its processor."""
    options = host.options(Options)
    if not host.renders:
        return UnloadedMagick(_formats(host, coders.ask()) if _named(host) else FORMATS)
    if not start_imagemagick(_named(host)):
        host.log.warn(  # noqa: G010 -- Twisted's logger calls it so
            "something started ImageMagick before plugin {name} did, so limits of the system's policy.xml count too: "
            "run `imaged check --deep` to see what is allowed",
            name=host.name,
        )
    allow_coders(_named(host))
    formats = _formats(host, coders.find()) if _named(host) else FORMATS
    # These import wand, which loads ImageMagick's library.
    from .filters import FILTERS  # noqa: PLC0415
    from .memory import make_limits  # noqa: PLC0415
    from .processor import MagickProcessor  # noqa: PLC0415

    most_bytes = memory_bytes() // 2 // host.worker_count  # the daemon and the encoders need the rest
    return MagickProcessor(
        make_limits(min(options.memory_bytes, most_bytes), host.maximum_pixels, _named(host)),
        FILTERS[options.filter],
        formats,
    )


def _named(host: Host) -> set[str]:
    """Return the extensions of the further formats that the settings list for any namespace."""
    return {format.extension for format in FURTHER} & {*host.read_formats, *host.extensions}


def _formats(host: Host, found: coders.Found) -> Formats:
    """Return the core formats, and the further ones that the settings list and the libraries have."""
    reads = {*found["reads"]} & {*host.read_formats}
    writes = {*found["writes"]} & {*host.extensions}
    return Formats(
        (*FORMATS.reads, *(format for format in FURTHER if format.extension in reads)),
        (*FORMATS.writes, *(format for format in FURTHER if format.extension in writes)),
    )
