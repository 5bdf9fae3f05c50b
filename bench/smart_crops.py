"""Draw the centre crop beside the smart crop of photographs: `smart_crops.py SHEET.webp PHOTO…`.

A row for each photograph: the whole of it, with a dot at each focal point, then square crops, 2:1 and 1:2. Each is from
the centre (grey frame), by attention (blue) and, where the plugin opencv finds faces, by faces (red). It needs Pillow,
and with `--faces` the extra faces.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from imaged.api import Detector, FocalPoint, Sample, Size
from imaged.core.geometry import plan
from imaged.core.outputs import Fill
from imaged.core.perception.attention import find_attention
from imaged.core.perception.regions import find_middle
from imaged.testing.fakes import make_host
from imaged.workers.analysis import SAMPLE_SIDE_PX

RATIOS = (Size(100, 100), Size(144, 72), Size(60, 120))
ROW_PX, WHOLE_PX, GAP_PX, FRAME_PX = 124, 160, 6, 2
COLOURS = ("#999999", "#1f5fd0", "#d02020")


def sample(image: Image.Image, side_px: int) -> Sample:
    """Return what a processor gives of a picture, or nearly."""
    small = ImageOps.contain(image, (side_px, side_px), Image.Resampling.BOX).convert("RGBA")
    return Sample(Size(*small.size), small.tobytes(), transparency=False)


def points(image: Image.Image, detector: Detector | None) -> Iterator[FocalPoint | None]:
    """Yield the centre, the point of attention, and that of faces, None without any."""
    yield FocalPoint(50, 50)
    yield find_attention(sample(image, SAMPLE_SIDE_PX))
    if detector is not None:
        seen = sample(image, detector.side_px)
        yield find_middle([(seen.size, region) for region in detector.detect(seen)])


def crop(image: Image.Image, size: Size, point: FocalPoint) -> Image.Image:
    """Return an output that fills a size around a point."""
    planned = plan(Size(*image.size), Fill(size.width_px, size.height_px, point), enlarge=True)
    scaled = image.resize((planned.scaled.width_px, planned.scaled.height_px), Image.Resampling.LANCZOS)
    left, top = planned.left_px, planned.top_px
    return scaled.crop((left, top, left + size.width_px, top + size.height_px))


def row(image: Image.Image, found: Sequence[FocalPoint | None], columns: int) -> Image.Image:
    """Draw one photograph."""
    cells = sum((size.width_px + GAP_PX) * columns for size in RATIOS)
    strip = Image.new("RGB", (WHOLE_PX + GAP_PX + cells, ROW_PX), "white")
    whole = ImageOps.contain(image, (WHOLE_PX, ROW_PX - 4))
    draw = ImageDraw.Draw(whole)
    for colour, point in zip(COLOURS, found, strict=False):
        if point is not None:
            x, y = point.x_percent * whole.width / 100, point.y_percent * whole.height / 100
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour, outline="white")
    strip.paste(whole, (0, 0))
    left = WHOLE_PX + GAP_PX
    for size in RATIOS:
        for colour, point in zip(COLOURS, found, strict=False):
            if point is not None:
                cropped = crop(image, size, point)
                corner = (cropped.width - 1, cropped.height - 1)
                ImageDraw.Draw(cropped).rectangle(((0, 0), corner), outline=colour, width=FRAME_PX)
                strip.paste(cropped, (left, 0))
            left += size.width_px + GAP_PX
    return strip


def main() -> None:
    """Draw the sheet, and print each point with the CPU time of attention."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("photographs", type=Path, nargs="+")
    parser.add_argument("--faces", action="store_true")
    given = parser.parse_args()
    detector: Detector | None = None
    if given.faces:
        import imaged_opencv  # noqa: PLC0415 -- imports OpenCV

        detector = imaged_opencv.imaged_detector(make_host("opencv"))
    rows = []
    for path in given.photographs:
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        found = list(points(image, detector))
        small, began_s = sample(image, SAMPLE_SIDE_PX), time.process_time()
        find_attention(small)
        cpu_ms = 1000 * (time.process_time() - began_s)
        print(f"{path.name}: {', '.join(map(str, found))}; {cpu_ms:.1f} ms")
        rows.append(row(image, found, 3 if given.faces else 2))
    sheet = Image.new("RGB", (rows[0].width, len(rows) * ROW_PX), "white")
    for number, strip in enumerate(rows):
        sheet.paste(strip, (0, number * ROW_PX))
    sheet.save(given.sheet, quality=80)


if __name__ == "__main__":
    main()
