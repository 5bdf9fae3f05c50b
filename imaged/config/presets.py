"""Presets: outputs with a name of their own, and with effects that other names do not have."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from imaged.config.messages import UnfitError
from imaged.config.section import Section
from imaged.config.values import Color, Quality
from imaged.core.effects import Effects, Watermark
from imaged.core.errors import ImagedError
from imaged.core.gravities import Compass, Gravity, parse_gravity
from imaged.core.outputs import Fill, Preset, Sizing, parse, parse_sizing

_TEXT = {"type": "string"}


@dataclass(frozen=True)
class PictureFile:
    """A picture that the settings name, read when they are loaded. `str` gives its path as the settings have it."""

    path: str
    body: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        return hashlib.sha256(self.body).hexdigest()

    def __str__(self) -> str:
        return self.path


def _size(value: Any) -> Sizing:
    try:
        sizing = parse_sizing(value if isinstance(value, str) else "")
    except ImagedError as error:
        raise UnfitError(
            "expected a size, as in names: 1200x600, x600, w500, h500, f300x400, p300x400 or full_size"
        ) from error
    if isinstance(sizing, Fill) and sizing.gravity is not None:
        raise UnfitError("expected a size alone: give its gravity as the key gravity")
    return sizing


def _gravity(value: Any) -> Gravity:
    try:
        return parse_gravity("sm" if value == "smart" else str(value))
    except ValueError as error:
        raise UnfitError("expected smart, one of c n ne e se s sw w nw, or a focal point such as 25x70") from error


def _compass(value: Any) -> Compass:
    try:
        return Compass(str(value))
    except ValueError as error:
        raise UnfitError("expected one of c n ne e se s sw w nw") from error


def _picture(value: Any) -> PictureFile:
    if not isinstance(value, PictureFile):
        raise UnfitError("expected the path of a picture")
    return value


def _shown(gravity: Gravity) -> str:
    return "smart" if str(gravity) == "sm" else str(gravity)


def _name(value: str) -> str:
    try:
        output = parse(f"{value}.jpg")
    except ImagedError:
        output = None
    if output is None or not isinstance(output.sizing, Preset):
        raise UnfitError(
            "expected the name of a preset: 2 to 32 of a-z, 0-9 and _, beginning with two letters, and no other name"
        )
    return value


SizeValue = Annotated[Sizing, PlainValidator(_size), PlainSerializer(str), WithJsonSchema(_TEXT)]
GravityValue = Annotated[Gravity, PlainValidator(_gravity), PlainSerializer(_shown), WithJsonSchema(_TEXT)]
CompassValue = Annotated[Compass, PlainValidator(_compass), PlainSerializer(str), WithJsonSchema(_TEXT)]
PictureValue = Annotated[PictureFile, PlainValidator(_picture), PlainSerializer(str), WithJsonSchema(_TEXT)]
PresetName = Annotated[str, AfterValidator(_name)]
Share = Annotated[float, Field(ge=0, le=1)]


class WatermarkSettings(Section):
    """A picture that is drawn on the outputs of a preset."""

    file: PictureValue = Field(description="The picture, PNG, JPEG, WebP or GIF; relative to this file.")
    gravity: CompassValue = Field(Compass.SOUTH_EAST, description="The side or corner where it is drawn.")
    scale: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="Its width, as a share of the output's.")
    opacity: Share = Field(1.0, description="How opaque it is, 0 to 1.")
    margin: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.02, description="Its distance from the edge, as a share of the output's shorter side."
    )

    @property
    def mark(self) -> Watermark:
        """The watermark as a variant has it."""
        return Watermark(self.file.body, self.gravity, self.scale, self.opacity, self.margin)


class PresetSettings(Section):
    """One entry of `presets`. A key that is absent is as in the policy of the namespace."""

    size: SizeValue = Field(
        description="The size, as in names: 1200x600, x600, w500, h500, f300x400, p300x400, full_size."
    )
    gravity: GravityValue | None = Field(None, description="What stays when it is cropped: smart, n, 25x70, …")
    quality: Quality | None = Field(None, description="The quality of names without one, 1 to 100.")
    background: Color | None = Field(
        None, description="The colour around padded pictures, and behind transparent ones in JPEG."
    )
    blur: Annotated[float, Field(ge=0, le=100)] = Field(0.0, description="The sigma of a Gaussian blur, in pixels.")
    sharpen: Annotated[float, Field(ge=0, le=5)] = Field(0.0, description="How much edges are sharpened; 1 is strong.")
    grayscale: bool = Field(False, description="Whether the colours are taken out.")
    watermark: WatermarkSettings | None = Field(None, description="A picture that is drawn on it.")
    enlarge: bool | None = Field(None, description="Whether a smaller original is enlarged to fill.")

    @model_validator(mode="after")
    def _only_a_crop_has_a_gravity(self) -> Self:
        if self.gravity is not None and not isinstance(self.size, Fill):
            raise UnfitError("gravity is for sizes that are cropped, such as 1200x600: remove it, or change the size")
        return self

    @property
    def sizing(self) -> Sizing:
        """The size with its gravity."""
        return replace(self.size, gravity=self.gravity) if isinstance(self.size, Fill) else self.size

    @property
    def effects(self) -> Effects:
        """The effects as a variant has them."""
        mark = None if self.watermark is None else self.watermark.mark
        return Effects(self.blur, self.sharpen, self.grayscale, mark)

    def version(self, **inherited: object) -> str:
        """Return 8 hexadecimal digits, other ones where a key differs, or a value that a preset without it inherits."""
        own = self._own
        values = own | {"inherited": {key: value for key, value in inherited.items() if own.get(key) is None}}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]

    @cached_property
    def _own(self) -> dict[str, Any]:
        """Its keys as values of JSON, with the digest of the watermark's file: requests need them often."""
        values = self.model_dump(mode="json")
        if self.watermark is not None:
            values["watermark"]["file"] = self.watermark.file.digest
        return values
