"""Put a picture on the box of its plan."""

from __future__ import annotations

from PIL import Image

from imaged.api import Plan, Variant


def padded(picture: Image.Image, wanted: Plan, variant: Variant) -> Image.Image:
    """Return a resized picture in sRGB with the variant's padding around it; without `padding`, it is transparent.

    The picture's own transparency stays where the format holds it; elsewhere the background is behind it.
    """
    if picture.mode == "RGBA" and not variant.format.alpha:
        ground = Image.new("RGB", picture.size, variant.background)
        ground.paste(picture, mask=picture)
        picture = ground
    if not wanted.pads:
        return picture
    mode = "RGBA" if variant.padding is None or picture.mode == "RGBA" else "RGB"
    box = Image.new(mode, (wanted.size.width_px, wanted.size.height_px), variant.padding or (0, 0, 0, 0))
    box.paste(picture.convert(mode), (-wanted.left_px, -wanted.top_px))
    return box
