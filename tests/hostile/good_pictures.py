"""Good pictures, small and of every kind that the formats have: the files that are then damaged."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache

import further_files
from gif_files import control, gif, image
from jpeg_files import jpeg, scans
from metadata_blocks import icc_profiles
from PIL import Image
from png_files import INDEXED, chunk, header, png, rows, small
from webp_files import animation, frame, lossless

from imaged.testing.pictures import make_exif, make_gif, make_jpeg, make_png, make_webp


def _encoded(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def _drawn(side_px: int = 40) -> Image.Image:
    """Return a smooth picture of many colours."""
    bands = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    return Image.merge("RGB", bands).resize((side_px, side_px - 7))


@cache
def good_pictures() -> Mapping[str, bytes]:
    """Return the pictures by name."""
    rgb, clear = _drawn(), _drawn().convert("RGBA")
    clear.putalpha(Image.radial_gradient("L").resize(clear.size))
    frames = [_drawn().rotate(90 * turn) for turn in range(1, 4)]
    profile = dict(icc_profiles())["of equal primaries"]
    moving = {"save_all": True, "append_images": frames, "loop": 0, "duration": [40, 0, 500, 70]}
    return {
        "jpeg of ours": make_jpeg(6),
        "jpeg baseline": _encoded(
            rgb, "JPEG", quality=80, exif=make_exif(5), icc_profile=profile, comment=b"a comment"
        ),
        "jpeg progressive": _encoded(rgb, "JPEG", progressive=True, subsampling=0),
        "jpeg grey": _encoded(rgb.convert("L"), "JPEG", optimize=True),
        "jpeg cmyk": _encoded(rgb.convert("CMYK"), "JPEG"),
        "jpeg with restarts": _encoded(rgb, "JPEG", restart_marker_blocks=2),
        "jpeg made": jpeg(),
        "jpeg of scans": scans(16, 16, 3),
        "png of ours": make_png(opacity=100, orientation=8, comment="a comment"),
        "png rgb": _encoded(rgb, "PNG", icc_profile=profile),
        "png rgba": _encoded(clear, "PNG"),
        "png grey of 16 bits": _encoded(rgb.convert("I;16"), "PNG"),
        "png indexed": _encoded(rgb.quantize(32), "PNG", transparency=3),
        "png of one bit": _encoded(rgb.convert("1"), "PNG"),
        "png interlaced": png(header(16, 16, methods=b"\x00\x00\x01"), chunk(b"IDAT", rows(16, 30))),
        "png with chunks": small(
            chunk(b"gAMA", b"\x00\x00\x80\x00"),
            chunk(b"cICP", b"\x09\x10\x00\x01"),
            chunk(b"PLTE", bytes(9)),
            chunk(b"tRNS", bytes(3)),
            chunk(b"zTXt", b"a\x00\x00x"),
            kind=INDEXED,
        ),
        "apng": _encoded(rgb, "PNG", **moving),
        "gif of ours": make_gif(3),
        "gif still": _encoded(rgb.quantize(64), "GIF"),
        "gif interlaced": _encoded(rgb.quantize(16), "GIF", interlace=1),
        "gif animated": _encoded(rgb.quantize(16), "GIF", disposal=[0, 1, 2, 3], **moving),
        "gif made": gif(image(), control(0, 3, 1), image(2, 2, 1, 1)),
        "webp of ours": make_webp(3),
        "webp lossy": _encoded(rgb, "WEBP", quality=60, exif=make_exif(3), icc_profile=profile),
        "webp lossy with alpha": _encoded(clear, "WEBP", quality=60),
        "webp lossless": _encoded(clear, "WEBP", lossless=True),
        "webp animated": _encoded(clear, "WEBP", **moving),
        "webp animated, mixed": _encoded(clear, "WEBP", allow_mixed=True, **moving),
        "webp made": animation(frame(lossless()), frame(lossless())),
        **further_files.good(),
    }
