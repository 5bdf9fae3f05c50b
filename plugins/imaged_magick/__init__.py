"""A processor that reads and writes JPEG, PNG, GIF and WebP with ImageMagick, through Wand."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Host, Processor, hookimpl, memory_bytes

from .environment import POLICY, configure_environment, policy_in_force


class Options(BaseModel):
    """The section `plugins.magick` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    memory_bytes: Annotated[int, Field(ge=2**26, le=2**40)] = Field(
        default=2**31,
        description="The memory for the pixels of all renders together; at most half of the machine's is used.",
    )


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Load ImageMagick under our policy and return its processor."""
    options = host.options(Options)
    configure_environment()
    # These import wand, which loads ImageMagick, which reads the environment.
    from .memory import limit_memory  # noqa: PLC0415
    from .processor import MagickProcessor  # noqa: PLC0415

    limit_memory(min(options.memory_bytes, memory_bytes() // 2))  # the daemon and the encoders need the rest
    if not policy_in_force():
        host.log.warn(  # noqa: G010 -- Twisted's logger calls it so
            "ImageMagick does not follow {policy}: something loaded it before this plugin did, or the system's own "
            "policy.xml allows more. Pictures are still opened as JPEG, PNG, GIF or WebP only.",
            policy=str(POLICY / "policy.xml"),
        )
    return MagickProcessor()
