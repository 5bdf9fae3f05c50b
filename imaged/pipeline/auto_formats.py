"""The formats that an output with the extension `auto` may have, and the AVIFs that are given up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from imaged.config.model import Settings
from imaged.core.formats import Formats
from imaged.core.geometry import Size
from imaged.core.hashes import ImageId
from imaged.core.negotiation import Candidates, Traits, candidates, in_format, traits
from imaged.core.outputs import AUTO, Output
from imaged.core.pictures import ImageInfo
from imaged.workers.render_jobs import ImageOutput

MOST_GIVEN_UP = 4096
"""How many outputs are remembered; then the oldest is forgotten."""


class GivenUp:
    """The AVIFs that missed their deadline or failed for good: `auto` does not try them again under this generation."""

    def __init__(self) -> None:
        self._outputs: OrderedDict[ImageOutput, None] = OrderedDict()

    def __contains__(self, output: ImageOutput) -> bool:
        """Return whether an AVIF was given up."""
        return output in self._outputs

    def add(self, output: ImageOutput) -> None:
        """Give up an AVIF."""
        self._outputs[output] = None
        if len(self._outputs) > MOST_GIVEN_UP:
            self._outputs.popitem(last=False)


@dataclass(frozen=True)
class AutoFormats:
    """Finds the formats of `auto` outputs by the policies of a generation and the formats that its processors write."""

    settings: Settings
    formats: Formats
    given_up: GivenUp = field(default_factory=GivenUp)

    def check(self, namespace: str) -> None:
        """Raise PolicyError when a namespace has no format for any picture."""
        policy = self.settings.policy(namespace)
        candidates(policy.auto_formats, policy.extensions, self.formats.writes, Traits(moves=False, transparent=False))

    def candidates(self, image: ImageId, output: Output, info: ImageInfo) -> Candidates:
        """Return the formats that an output of a picture may have. Raises PolicyError when there is none."""
        policy = self.settings.policy(image.namespace)
        found = candidates(policy.auto_formats, policy.extensions, self.formats.writes, traits(info))
        original = Size(info.width_px, info.height_px)
        for format in found.better:
            variant = policy.resolve(in_format(output, format), self.formats, info.details)
            if policy.is_too_large(variant, variant.plan(original).size):
                found = found.without(format)
        return found

    def expand(self, image: ImageId, info: ImageInfo, outputs: Sequence[Output]) -> list[Output]:
        """Return outputs, each once, with all those in place of an `auto` one that it may become for this picture."""
        found: dict[Output, None] = {}
        for output in outputs:
            if output.extension == AUTO:
                formats = self.candidates(image, output, info).all
                found.update(dict.fromkeys(in_format(output, format) for format in formats))
            else:
                found[output] = None
        return list(found)
