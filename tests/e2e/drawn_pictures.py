"""Pictures that the end-to-end tests draw with Pillow: photograph-like scenes, profiles, rotations and an animation."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image, ImageDraw, ImageOps

from imaged.core.colours.icc_writer import write_profile

_TURNS = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera stores an upright scene so that the EXIF orientation turns it back."""

_PRIMARIES = {
    "p3": [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)],
    "prophoto": [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)],
}
"""XYZ of red, green and blue, adapted to D50."""

_GAMMA = {"p3": 2.2, "prophoto": 1.8}
FRAMES, FRAME_MS = 9, 100


def scene(width_px: int = 800, height_px: int = 600) -> Image.Image:
    """Return a picture with gradients, edges and fine structure, different in each corner."""
    across = Image.linear_gradient("L").rotate(90).resize((width_px, height_px))
    down = Image.linear_gradient("L").resize((width_px, height_px))
    round_ = ImageOps.invert(Image.radial_gradient("L").resize((width_px, height_px)))
    image = Image.merge("RGB", (across, down, round_))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width_px * 0.1, height_px * 0.1, width_px * 0.3, height_px * 0.4), fill=(220, 40, 30))
    draw.rectangle((width_px * 0.6, height_px * 0.2, width_px * 0.9, height_px * 0.3), fill=(20, 60, 200))
    for x in range(0, width_px, 16):
        draw.line((x, height_px * 0.8, x + 8, height_px), fill=(240, 240, 200), width=3)
    return image


def jpeg(image: Image.Image, orientation: int | None = None) -> bytes:
    """Return a JPEG, stored as a camera does that writes this EXIF orientation."""
    stored = image
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        if turn := _TURNS[orientation]:
            stored = image.transpose(turn)
    return _saved(stored, "JPEG", quality=92, exif=exif)


def wide_gamut_png(name: str) -> bytes:
    """Return a PNG in the colour space `p3` or `prophoto`, with its ICC profile."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(_GAMMA[name] * 256)) + bytes(2)
    return _saved(scene(120, 90), "PNG", icc_profile=write_profile(name, _PRIMARIES[name], curve))


def animation() -> bytes:
    """Return a GIF of 80x80 pixels in which a square turns."""
    frames = []
    for number in range(FRAMES):
        frame = Image.new("RGB", (80, 80), (250, 250, 240))
        ImageDraw.Draw(frame).regular_polygon((40, 40, 30), 4, rotation=10 * number, fill=(200, 60, 40))
        frames.append(frame)
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)


def _saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    body = io.BytesIO()
    image.save(body, kind, **how)
    return body.getvalue()
