"""Files that are no picture, or two at once: scripts that ImageMagick would run, documents, archives, polyglots."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from damage import Files, Make
from gif_files import gif, image
from jpeg_files import jpeg, segment
from png_files import SIGNATURE, chunk, small

NAMES = ("a.jpg", "a.png", "a.gif", "a.webp", "a.svg", "a.msl", "mvg:a.png", "a.php.jpg", "-", "a.jpg[0]", "%d.png")
"""Names under which hostile files arrive."""

OWNED = Path("/tmp/imaged-owned")
"""The file that each script would make, if it ran."""

CONTENT_TYPES = ("image/jpeg", "image/png", "image/svg+xml", "text/html", "application/postscript", "image/x-mvg")
"""Content types under which they arrive."""

_MSL = b'<?xml version="1.0"?><image><read filename="/etc/passwd"/><write filename="/tmp/imaged-owned"/></image>'
_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">%s</svg>'
)
_MVG = b"push graphic-context\nviewbox 0 0 64 64\n%s\npop graphic-context\n"
_PS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
_HTML = b"<html><script>alert(document.domain)</script></html>"
_PHP = b"<?php system($_GET['c']); ?>"


def archive() -> bytes:
    """Return a ZIP, as an applet is one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("Applet.class"), b"\xca\xfe\xba\xbe" + bytes(60))
    return file.getvalue()


@cache
def scripts() -> dict[str, bytes]:
    """Return files of formats that run, read or fetch something when ImageMagick opens them."""
    entities = "".join(f'<!ENTITY e{n} "{10 * f"&e{n - 1};"}">' for n in range(1, 10))
    return {
        "MSL": _MSL,
        "MSL without a declaration": _MSL.partition(b"?>")[2],
        "MVG with a URL": _MVG % b"fill 'url(https://127.0.0.1/x.jpg\"|touch \"/tmp/imaged-owned)'",
        "MVG with a file": _MVG % b"image over 0,0 0,0 'text:/etc/passwd'",
        "MVG with an ephemeral file": _MVG % b"image over 0,0 0,0 'ephemeral:/tmp/imaged-owned'",
        "MVG with a label": _MVG % b"image over 0,0 0,0 'label:@/etc/passwd'",
        "MVG with a script": _MVG % b"image over 0,0 0,0 'msl:/tmp/imaged-owned.msl'",
        "MVG that nests": b"push graphic-context\n" * 100_000,
        "SVG": _SVG % b'<rect width="9" height="9"/>',
        "SVG with a file": _SVG % b'<image xlink:href="file:///etc/passwd" width="9" height="9"/>',
        "SVG with a script": _SVG % b'<image xlink:href="msl:/tmp/imaged-owned.msl" width="9" height="9"/>',
        "SVG with text of a file": _SVG % b'<image xlink:href="text:/etc/passwd" width="9" height="9"/>',
        "SVG with a billion laughs": f"<!DOCTYPE svg [<!ENTITY e0 'ha'>{entities}]>".encode() + _SVG % b"&e9;",
        "SVG with JavaScript": _SVG % b"<script>alert(1)</script>",
        "SVG of a billion pixels": _SVG.replace(b'"9"', b'"99999"') % b"",
        "PostScript": _PS + b"(%pipe%touch /tmp/imaged-owned) (w) file\nshowpage\n",
        "PostScript that loops": _PS + b"{} loop\n",
        "PostScript in a TIFF preview": b"\xc5\xd0\xd3\xc6\x20\x00\x00\x00" + bytes(24) + _PS,
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF",
        "XPS": b"\x1b%-12345X@PJL ENTER LANGUAGE=POSTSCRIPT\n" + _PS,
        "a vid pattern": b"vid:/etc/*",
        "an at sign": b"@/etc/passwd",
        "a URL": b"https://127.0.0.1/a.png",
        "a pipe": b"|touch /tmp/imaged-owned",
        "XPM": b'/* XPM */\nstatic char *a[] = {"9999999 9999999 1 1", "a c red"};',
        "XBM": b"#define a_width 99999999\n#define a_height 99999999\nstatic char a_bits[] = {0x00};",
        "PCD": bytes(2048) + b"PCD_IPI" + bytes(3000),
        "MIFF": b"id=ImageMagick  class=DirectClass\ncolumns=99999  rows=99999\ncompression=BZip\n\x0c\n:\x1a"
        + bytes(99),
        "a PPM of a trillion pixels": b"P6 1000000 1000000 255\n" + bytes(99),
        "BMP": b"BM" + bytes(12) + b"\x28\x00\x00\x00" + b"\xff\xff\xff\x7f" * 2 + bytes(40),
        "ICO": b"\x00\x00\x01\x00\xff\xff" + b"\xff" * 99,
        "TIFF whose directory loops": b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00",
        "PSD": b"8BPS\x00\x01" + bytes(6) + b"\x00\x03" + b"\x00\x07\xff\xff" * 2 + b"\x00\x08\x00\x03" + bytes(12),
        "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(99),
        "JPEG XL": b"\xff\x0a" + b"\xff" * 99,
        "AVIF": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + bytes(99),
        "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(99),
        "FLIF": b"FLIF41" + b"\xff" * 99,
        "HTML": _HTML,
        "PHP": _PHP,
        "a program": b"\x7fELF\x02\x01\x01" + bytes(200),
        "ZIP": archive(),
        "gzip of 100 megabytes": gzip.compress(bytes(100_000_000), 9, mtime=0),
        "nothing": b"",
        "one zero": b"\x00",
        "a megabyte of zeros": bytes(2**20),
        "a megabyte of 255": b"\xff" * 2**20,
        "a byte order mark": b"\xef\xbb\xbf" + _SVG % b"",
    }


_HEADS = {
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    "PNG": SIGNATURE,
    "GIF": b"GIF89a",
    "WebP": b"RIFF\xff\xff\x00\x00WEBP",
}


def _disguised() -> Iterator[tuple[str, Make]]:
    """Yield each script behind the first bytes of each format."""
    for name in ("MSL", "MVG with a URL", "SVG with a file", "PostScript", "PDF", "HTML", "PHP", "ZIP"):
        body = scripts()[name]
        for head, signature in _HEADS.items():
            yield f"{name} behind the start of a {head}", lambda s=signature, b=body: s + b
    yield (
        "a PDF and a JPEG",
        lambda: b"%PDF-1.7\n1 0 obj<</Filter/DCTDecode/Length 1>>stream\n" + jpeg() + b"\nendstream",
    )
    yield "JavaScript that begins as a GIF", lambda: b"GIF89a=1;/*" + bytes(9) + b"*/alert(1)//"
    yield "JavaScript in a good GIF", lambda: gif(b"\x21\xfe\x08*/=1;//\x00\x00", image())


def _polyglots() -> Iterator[tuple[str, Make]]:
    """Yield good pictures that are something else as well: they are pictures, and no output has the other file."""
    yield "a GIF and an applet", lambda: gif(image()) + archive()
    yield "a JPEG and PHP in its comment", lambda: jpeg(segment(0xFE, _PHP))
    yield "a JPEG and HTML in its comment", lambda: jpeg(segment(0xFE, b"*/=alert(1);/*" + _HTML))
    yield "a JPEG and PHP in its EXIF", lambda: jpeg(segment(0xE1, b"Exif\x00\x00MM\x00*\x00\x00\x00\x08" + _PHP))
    yield "a JPEG and PHP behind its end", lambda: jpeg() + _PHP
    yield "a PNG and a ZIP behind its end", lambda: small() + archive()
    yield "a PNG and a ZIP in a chunk", lambda: small(chunk(b"teSt", archive()))
    yield "a PNG and HTML in its text", lambda: small(chunk(b"tEXt", b"Comment\x00" + _HTML))
    yield "a PNG and PHP in its palette", lambda: small(chunk(b"PLTE", (_PHP + bytes(3))[:30]))
    yield "a JPEG and a PDF in its comment", lambda: jpeg(segment(0xFE, scripts()["PDF"]))
    yield "a JPEG and MVG in its comment", lambda: jpeg(segment(0xFE, scripts()["MVG with a URL"]))
    yield "a JPEG and a ZIP behind its end", lambda: jpeg() + archive()


POLYGLOT_MARKS = (_PHP, _HTML, b"Applet.class", b"/OpenAction", b"push graphic-context")
"""What no output may have of a polyglot."""


def polyglots() -> Files:
    """Return the good pictures that are something else as well."""
    return {f"polyglot: {name}": make for name, make in _polyglots()}


def files() -> Files:
    """Return all of them by name."""
    plain: Files = {f"other: {name}": (lambda b=body: b) for name, body in scripts().items()}
    return plain | {f"other: {name}": make for name, make in _disguised()} | polyglots()
