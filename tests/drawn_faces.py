"""A drawing of a face, in which OpenCV finds one."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

from imaged.api import Size

SIZE = Size(480, 320)


def draw_face(left_px: int, top_px: int, side_px: int) -> Image.Image:
    """Return a picture with a face in the middle of a square."""
    image = Image.new("RGB", (SIZE.width_px, SIZE.height_px), (90, 110, 130))
    draw, r = ImageDraw.Draw(image), side_px / 2
    x, y = left_px + r, top_px + r
    draw.ellipse((x - r * 0.8, y - r * 1.1, x + r * 0.8, y + r * 1.1), fill=(225, 180, 150))
    for eye in (x - r * 0.35, x + r * 0.35):
        draw.rectangle((eye - r * 0.26, y - r * 0.45, eye + r * 0.26, y - r * 0.33), fill=(70, 45, 30))
        draw.ellipse((eye - r * 0.2, y - r * 0.3, eye + r * 0.2, y - r * 0.1), fill=(60, 40, 35))
    draw.polygon([(x, y - r * 0.2), (x - r * 0.14, y + r * 0.22), (x + r * 0.14, y + r * 0.22)], fill=(245, 205, 180))
    draw.rectangle((x - r * 0.3, y + r * 0.45, x + r * 0.3, y + r * 0.58), fill=(120, 50, 50))
    return image.filter(ImageFilter.GaussianBlur(r / 20))
