"""The policy of a namespace: which outputs clients may ask for, and how they are rendered."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from imaged.config.allowed_outputs import AllowedOutputs
from imaged.config.presets import PresetName, PresetSettings
from imaged.config.section import Section
from imaged.config.values import (
    AutoFormats,
    AvifSpeed,
    Color,
    Extensions,
    OutputCount,
    OutputNames,
    Pixels,
    ProgressiveJpegs,
    Quality,
    Side,
    WebOrigins,
    WebpEffort,
)
from imaged.core.details import ImageDetails
from imaged.core.errors import NotFoundError, PolicyError, TooLargeError
from imaged.core.files import ImageFile, Original
from imaged.core.formats import AVIF, CORE, FURTHER, HEIC, WEBP, Format, Formats
from imaged.core.geometry import Size
from imaged.core.gravities import Smart
from imaged.core.outputs import AUTO, Fill, Fit, Output, Pad, Preset
from imaged.core.qualities import AVIF_QUALITY, AVIF_SPEED, WEBP_EFFORT, encoder_quality
from imaged.core.variants import LongAnimation, Variant

_READ_FORMATS = "The formats, by extension, in which clients may send originals."
_EXTENSIONS = "The extensions of the formats that clients may ask for."
_MAXIMUM_WIDTH = "The largest width of an output, in pixels; full_size and presets are exempt."
_MAXIMUM_HEIGHT = "The largest height of an output, in pixels; heights that follow from the width are exempt."
_MAXIMUM_OUTPUTS = "The most outputs of one image, stored and queued together."
_DEFAULT_QUALITY = "The quality, 1 to 100, of outputs whose name has none."
_OUTPUTS = "The outputs that every new image gets, besides those in its request."
_BACKGROUND = "The colour, #rrggbb, behind transparent pictures where the format has no transparency."
_PROGRESSIVE = "Progressive JPEGs: true, false, or auto, which makes those of more than 100,000 pixels progressive."
_ENLARGE = "Whether names that fill enlarge smaller originals; otherwise they fill a smaller box of the same aspect."
_ANIMATION = "Animated outputs of more pixels than render.maximum_pixels: cut, which leaves out frames, or refuse."
_AUTO_FORMATS = "The formats that .auto prefers, the best first, for clients that name them in Accept."
_AVIF_MAXIMUM_PIXELS = "The most pixels of an AVIF; a larger one gets 413, and .auto chooses another format."
_AVIF_QUALITY = "What an AVIF encoder gets for quality 75; the rest of its scale moves with it."
_AVIF_SPEED = "The speed of AVIF encoders, 0 to 9: slower ones write fewer bytes."
_WEBP_EFFORT = "The effort of the WebP encoder, 0 to 6: more writes fewer bytes, and takes longer."
_PRESETS = "Outputs with names of their own, by name. A namespace has those of images, and its own."
_ALLOW_ORIGINS = "The origins of web pages whose scripts may read pictures; * for any."
_ALLOWED_OUTPUTS = (
    "The outputs that need no signature, as names or patterns such as w{320,640}.{auto,jpg}; []: any, [none]: none."
)
_PUBLIC_ORIGINAL = "Whether clients may read originals without a signature."
_PLAIN = PresetSettings.model_validate({"size": "full_size"})
"""What an output that is no preset has in its place."""


def _extensions(*formats: Format) -> tuple[str, ...]:
    return tuple(format.extension for format in formats)


class ImagePolicy(Section):
    """The section `images`: the policy of namespaces that set nothing else."""

    read_formats: Extensions = Field(_extensions(*CORE, AVIF, HEIC), description=_READ_FORMATS)
    extensions: Extensions = Field(_extensions(*CORE, AVIF), description=_EXTENSIONS)
    maximum_width: Side = Field(4096, description=_MAXIMUM_WIDTH)
    maximum_height: Side = Field(10_000, description=_MAXIMUM_HEIGHT)
    maximum_outputs: OutputCount = Field(1000, description=_MAXIMUM_OUTPUTS)
    default_quality: Quality = Field(75, description=_DEFAULT_QUALITY)
    outputs: OutputNames = Field((), description=_OUTPUTS)
    background: Color = Field("#ffffff", description=_BACKGROUND)
    progressive: ProgressiveJpegs = Field("auto", description=_PROGRESSIVE)
    enlarge: bool = Field(True, description=_ENLARGE)
    animation: LongAnimation = Field("cut", description=_ANIMATION)
    auto_formats: AutoFormats = Field((AVIF.extension, WEBP.extension), description=_AUTO_FORMATS)
    avif_maximum_pixels: Pixels = Field(4_000_000, description=_AVIF_MAXIMUM_PIXELS)
    avif_quality: Quality = Field(AVIF_QUALITY, description=_AVIF_QUALITY)
    avif_speed: AvifSpeed = Field(AVIF_SPEED, description=_AVIF_SPEED)
    webp_effort: WebpEffort = Field(WEBP_EFFORT, description=_WEBP_EFFORT)
    presets: dict[PresetName, PresetSettings] = Field({}, description=_PRESETS)
    allow_origins: WebOrigins = Field((), description=_ALLOW_ORIGINS)
    allowed_outputs: AllowedOutputs = Field(
        default_factory=AllowedOutputs, description=_ALLOWED_OUTPUTS, json_schema_extra={"default": []}
    )
    public_original: bool = Field(True, description=_PUBLIC_ORIGINAL)

    def check(self, output: Output) -> None:
        """Raise PolicyError when a client may not ask for `output`, NotFoundError when there is no such preset."""
        if output.extension not in (AUTO, *self.extensions):
            allowed = ", ".join(self.extensions)
            raise PolicyError(f"{output}: {output.extension} is not allowed here: use one of {allowed}")
        match output.sizing:
            case Fit(width_px, height_px) | Pad(width_px, height_px) | Fill(width_px, height_px):
                if (width_px or 0) > self.maximum_width:
                    raise PolicyError(f"{output} is wider than {self.maximum_width} pixels, the most allowed here")
                if (height_px or 0) > self.maximum_height:
                    raise PolicyError(f"{output} is higher than {self.maximum_height} pixels, the most allowed here")
            case Preset():
                self._preset(output)

    def is_public(self, file: ImageFile | None) -> bool:
        """Return whether clients may read a file without a signature; None stands for the `<img>` of srcset.

        What describes a picture is public where one of its outputs is, or its original.
        """
        match file:
            case Output():
                return file.public in self.allowed_outputs
            case Original():
                return self.public_original
        return self.public_original or not self.allowed_outputs.allows_none

    def is_too_large(self, variant: Variant, size: Size) -> bool:
        """Return whether a variant of this size has more pixels than its format may have here, or can have at all."""
        longest_px = max(size.width_px, size.height_px)
        budget = self.avif_maximum_pixels if variant.format == AVIF else None
        return longest_px > variant.format.maximum_side_px or (budget is not None and size.pixels > budget)

    def check_pixels(self, variant: Variant, original: Size) -> None:
        """Raise TooLargeError when an AVIF of an original would have more pixels than are allowed."""
        if variant.format == AVIF and (pixels := variant.plan(original).size.pixels) > self.avif_maximum_pixels:
            raise TooLargeError(
                f"{variant.output} would have {pixels} pixels, and {self.avif_maximum_pixels} are the most of an AVIF: "
                "ask for a smaller one, or for .auto"
            )

    @property
    def _efforts(self) -> dict[Format, int]:
        return {AVIF: self.avif_speed, WEBP: self.webp_effort}

    def check_count(self, outputs: int) -> None:
        """Raise PolicyError when one image may not have that many outputs."""
        if outputs > self.maximum_outputs:
            raise PolicyError(
                f"this image would have more than {self.maximum_outputs} outputs, the most allowed here: "
                "use those that it has"
            )

    def takes(self, format: Format) -> bool:
        """Say whether a client may send an original of this format.

        `read_formats` lists it. For a format that is not imaged's own, it is enough that `extensions` lists it.
        """
        own = format in CORE or format in FURTHER
        return format.extension in self.read_formats or (not own and format.extension in self.extensions)

    def is_smart(self, output: Output) -> bool:
        """Return whether an output has a smart crop, so that `resolve` needs the details of its original."""
        sizing = self._preset(output).sizing if isinstance(output.sizing, Preset) else output.sizing
        return isinstance(sizing, Fill) and isinstance(sizing.gravity, Smart)

    def current(self, output: Output) -> Output:
        """Return an output with the version that its preset has in these settings, or the output itself.

        Raises NotFoundError when there is no such preset.
        """
        if not isinstance(output.sizing, Preset):
            return output
        version = self._preset(output).version(
            quality=self.default_quality,
            background=self.background,
            enlarge=self.enlarge,
            progressive=self.progressive,
            animation=self.animation,
            avif_quality=self.avif_quality,
            avif_speed=self.avif_speed,
            webp_effort=self.webp_effort,
        )
        return replace(output, sizing=replace(output.sizing, version=version))

    def _preset(self, output: Output) -> PresetSettings:
        name = output.sizing.name if isinstance(output.sizing, Preset) else ""
        if name not in self.presets:
            raise NotFoundError(f"{output.public} is not an output: {name} is no preset of this namespace")
        return self.presets[name]

    def resolve(self, output: Output, formats: Formats, details: ImageDetails | None = None) -> Variant:
        """Return `output` of an original with everything that this policy decides.

        `details` has the focal point of the original; without it, a smart crop is one from the centre.

        It resolves outputs that `check` refuses too: a queued output is rendered although its policy became stricter.
        Raises PolicyError when no processor writes the format, NotFoundError when there is no such preset.
        """
        format, sizing = formats.of(output), output.sizing
        preset = _PLAIN
        if isinstance(sizing, Preset):
            preset = self._preset(output)
            sizing = preset.sizing
        quality = output.quality or preset.quality or self.default_quality
        background = preset.background or self.background
        if isinstance(sizing, Fill) and isinstance(sizing.gravity, Smart):
            sizing = replace(sizing, gravity=details.focal_point if details else None)
        padding = preset.background or (None if format.alpha else background)
        return Variant(
            output=output,
            sizing=sizing,
            format=format,
            quality=encoder_quality(format, quality, self.avif_quality),
            background=background,
            progressive=self.progressive,
            padding=padding,
            enlarge=self.enlarge if preset.enlarge is None else preset.enlarge,
            effects=preset.effects,
            animation=self.animation,
            effort=self._efforts.get(format),
        )


class NamespacePolicy(Section):
    """One entry of `namespaces`. A key that is null or absent is inherited from `images`."""

    read_formats: Extensions | None = Field(None, description=_READ_FORMATS)
    extensions: Extensions | None = Field(None, description=_EXTENSIONS)
    maximum_width: Side | None = Field(None, description=_MAXIMUM_WIDTH)
    maximum_height: Side | None = Field(None, description=_MAXIMUM_HEIGHT)
    maximum_outputs: OutputCount | None = Field(None, description=_MAXIMUM_OUTPUTS)
    default_quality: Quality | None = Field(None, description=_DEFAULT_QUALITY)
    outputs: OutputNames | None = Field(None, description=_OUTPUTS)
    background: Color | None = Field(None, description=_BACKGROUND)
    progressive: ProgressiveJpegs | None = Field(None, description=_PROGRESSIVE)
    enlarge: bool | None = Field(None, description=_ENLARGE)
    animation: LongAnimation | None = Field(None, description=_ANIMATION)
    auto_formats: AutoFormats | None = Field(None, description=_AUTO_FORMATS)
    avif_maximum_pixels: Pixels | None = Field(None, description=_AVIF_MAXIMUM_PIXELS)
    avif_quality: Quality | None = Field(None, description=_AVIF_QUALITY)
    avif_speed: AvifSpeed | None = Field(None, description=_AVIF_SPEED)
    webp_effort: WebpEffort | None = Field(None, description=_WEBP_EFFORT)
    presets: dict[PresetName, PresetSettings] | None = Field(None, description=_PRESETS)
    allow_origins: WebOrigins | None = Field(None, description=_ALLOW_ORIGINS)
    allowed_outputs: AllowedOutputs | None = Field(None, description=_ALLOWED_OUTPUTS)
    public_original: bool | None = Field(None, description=_PUBLIC_ORIGINAL)

    def over(self, images: ImagePolicy) -> ImagePolicy:
        """Return `images` with the keys that this namespace sets."""
        own = {key: value for key, value in self if value is not None}
        return images.model_copy(update=own | {"presets": {**images.presets, **(self.presets or {})}})
