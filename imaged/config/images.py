"""The policy of a namespace: what may be made of its images, and how."""

from __future__ import annotations

from pydantic import Field

from imaged.config.section import Section
from imaged.config.values import Color, Extensions, OutputCount, OutputNames, Quality, Side
from imaged.core.errors import PolicyError
from imaged.core.formats import CORE, Format, Formats
from imaged.core.outputs import Fill, FullSize, Output
from imaged.core.variants import Variant

_EXTENSIONS = "The formats that may be asked for, by extension."
_MAXIMUM_WIDTH = "The widest output that may be asked for, in pixels; full_size is not subject to it."
_MAXIMUM_HEIGHT = "The highest output that may be asked for, in pixels; a height that follows from the width is free."
_MAXIMUM_OUTPUTS = "The most outputs of one image, kept and queued together."
_DEFAULT_QUALITY = "The quality, 1 to 100, of outputs whose name gives none."
_OUTPUTS = "The outputs made for every new image, besides those that its request asks for."
_BACKGROUND = "The colour, #rrggbb, that transparent pictures are laid on where the format has no transparency."


class ImagePolicy(Section):
    """The section `images`: what holds for every namespace that does not say otherwise."""

    extensions: Extensions = Field(tuple(format.extension for format in CORE), description=_EXTENSIONS)
    maximum_width: Side = Field(1000, description=_MAXIMUM_WIDTH)
    maximum_height: Side = Field(10_000, description=_MAXIMUM_HEIGHT)
    maximum_outputs: OutputCount = Field(1000, description=_MAXIMUM_OUTPUTS)
    default_quality: Quality = Field(75, description=_DEFAULT_QUALITY)
    outputs: OutputNames = Field((), description=_OUTPUTS)
    background: Color = Field("#ffffff", description=_BACKGROUND)

    def check(self, output: Output) -> None:
        """Raise PolicyError when a client may not ask for `output`."""
        if output.extension not in self.extensions:
            allowed = ", ".join(self.extensions)
            raise PolicyError(f"{output}: {output.extension} is not allowed here: use one of {allowed}")
        if not isinstance(output.sizing, FullSize) and output.sizing.width_px > self.maximum_width:
            raise PolicyError(f"{output} is wider than {self.maximum_width} pixels, the most allowed here")
        if isinstance(output.sizing, Fill) and output.sizing.height_px > self.maximum_height:
            raise PolicyError(f"{output} is higher than {self.maximum_height} pixels, the most allowed here")

    def check_count(self, outputs: int) -> None:
        """Raise PolicyError when one image may not have so many outputs."""
        if outputs > self.maximum_outputs:
            raise PolicyError(
                f"this image would have more than {self.maximum_outputs} outputs, the most allowed here: "
                "use those that it has"
            )

    def takes(self, format: Format) -> bool:
        """Say whether a client may send an original of this format.

        The core formats are always taken. A format that a plugin brings is taken only where `extensions` lists it.
        """
        return format in CORE or format.extension in self.extensions

    def resolve(self, output: Output, formats: Formats) -> Variant:
        """Return `output` with everything that this policy decides.

        It resolves outputs that `check` refuses too: a queued output is rendered although its policy became stricter.
        Raises PolicyError when no processor writes the format.
        """
        quality = self.default_quality if output.quality is None else output.quality
        return Variant(output, formats.of(output), quality, self.background)


class NamespacePolicy(Section):
    """One entry of `namespaces`: what it sets replaces that key of `images`, what is null or absent is inherited."""

    extensions: Extensions | None = Field(None, description=_EXTENSIONS)
    maximum_width: Side | None = Field(None, description=_MAXIMUM_WIDTH)
    maximum_height: Side | None = Field(None, description=_MAXIMUM_HEIGHT)
    maximum_outputs: OutputCount | None = Field(None, description=_MAXIMUM_OUTPUTS)
    default_quality: Quality | None = Field(None, description=_DEFAULT_QUALITY)
    outputs: OutputNames | None = Field(None, description=_OUTPUTS)
    background: Color | None = Field(None, description=_BACKGROUND)

    def over(self, images: ImagePolicy) -> ImagePolicy:
        """Return `images` with what this namespace sets in its place."""
        own = {key: value for key, value in self if value is not None}
        return images.model_copy(update=own)
