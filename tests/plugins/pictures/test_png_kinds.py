"""Every kind of PNG shows the pixels that it has: all types, depths, interlacing and transparent colours."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from picture_files import chunk, gradient
from PIL import Image

Render = Callable[..., list[bytes]]
Samples = NDArray[Any]

GREY, COLOUR, INDEXED, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""Left, top, and the steps across and down of each pass of Adam7 (PNG 3rd edition, 8.1)."""


def packed(samples: Samples, depth: int) -> bytes:
    """Return rows without a filter; the last byte of a row is filled with zeros."""
    rows = []
    for row in samples if samples.shape[1] else ():
        if depth == 16:
            rows.append(row.astype(">u2").tobytes())
        else:
            bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
            rows.append(np.packbits(bits).tobytes())
    return b"".join(b"\x00" + row for row in rows)


def png(samples: Samples, kind: int, depth: int, *chunks: tuple[bytes, bytes], interlaced: bool = False) -> bytes:
    """Return a PNG of rows, columns and channels; `chunks` come before the pixels."""
    height_px, width_px = samples.shape[:2]
    parts = [samples[top::down, left::across] for left, top, across, down in PASSES] if interlaced else [samples]
    stream = zlib.compress(b"".join(packed(part, depth) for part in parts))
    header = struct.pack(">IIBBBBB", width_px, height_px, depth, kind, 0, 0, interlaced)
    named = [(b"IHDR", header), *chunks, (b"IDAT", stream), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in named)


def decoded(body: bytes) -> Samples:
    """Return red, green, blue and alpha as libvips decodes them. Pillow does not scale a transparent grey of 4 bits."""
    image = pyvips.Image.new_from_buffer(body, "").colourspace("srgb")
    return np.asarray((image if image.hasalpha() else image.addalpha()).numpy()).astype(np.int64)


def sixteen(values: Iterable[int]) -> bytes:
    """Return the samples of a transparent colour."""
    return b"".join(struct.pack(">H", int(value)) for value in values)


RGB = np.asarray(gradient().resize((37, 29))).astype(np.int64)
ALPHA = np.asarray(Image.radial_gradient("L").resize((37, 29))).astype(np.int64)[:, :, None]
LIGHT = RGB[:, :, :1]
PALETTE = bytes(np.random.default_rng(3).integers(0, 256, 48, np.uint8))
INDEXES = LIGHT >> 4
SPOT = (7, 9)
"""Row and column of the pixel whose colour is transparent in the cases with tRNS."""


def greys(depth: int) -> Samples:
    """Return the greys that samples of so few bits are in eight."""
    return (LIGHT >> (8 - depth)) * 255 // (2**depth - 1)


def rgba(colours: Samples, alpha: Samples | int = 255) -> Samples:
    """Return red, green, blue and alpha."""
    colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
    return np.dstack([colours, np.broadcast_to(alpha, (*colours.shape[:2], 1))]).astype(np.uint8)


def unlike(samples: Samples) -> Samples:
    """Return the alpha of pixels that have another colour than the spot."""
    return np.where((samples == samples[SPOT]).all(axis=2, keepdims=True), 0, 255)


def looked_up(indexes: Samples, alphas: bytes = b"") -> Samples:
    """Return the pixels of indexes into the palette."""
    colours = np.frombuffer(PALETTE, np.uint8).reshape(16, 3)
    alpha = np.frombuffer(alphas.ljust(16, b"\xff"), np.uint8)
    return np.dstack([colours[indexes[:, :, 0]], alpha[indexes[:, :, 0]]])


LOW = RGB * 257 ^ 0x5A
"""Colours of 16 bits whose low bytes differ from the high ones."""

Case = tuple[Samples, int, int, list[tuple[bytes, bytes]], Samples]
CASES: dict[str, Case] = {
    **{f"grey of {depth} bits": (LIGHT >> (8 - depth), GREY, depth, [], rgba(greys(depth))) for depth in (1, 2, 4, 8)},
    "grey of 16 bits": (LIGHT * 257, GREY, 16, [], rgba(LIGHT)),
    "grey of 16 bits, any low byte": (LOW[:, :, :1], GREY, 16, [], rgba(LOW[:, :, :1] / 257 + 0.5)),
    "grey and alpha": (np.dstack([LIGHT, ALPHA]), GREY_ALPHA, 8, [], rgba(LIGHT, ALPHA)),
    "grey and alpha of 16 bits": (np.dstack([LIGHT, ALPHA]) * 257, GREY_ALPHA, 16, [], rgba(LIGHT, ALPHA)),
    "colour": (RGB, COLOUR, 8, [], rgba(RGB)),
    "colour of 16 bits": (RGB * 257, COLOUR, 16, [], rgba(RGB)),
    "colour of 16 bits, any low byte": (LOW, COLOUR, 16, [], rgba(LOW / 257 + 0.5)),
    "colour with a suggested palette": (RGB, COLOUR, 8, [(b"PLTE", PALETTE)], rgba(RGB)),
    "colour and alpha": (np.dstack([RGB, ALPHA]), COLOUR_ALPHA, 8, [], rgba(RGB, ALPHA)),
    "colour and alpha of 16 bits": (np.dstack([RGB, ALPHA]) * 257, COLOUR_ALPHA, 16, [], rgba(RGB, ALPHA)),
    "colour and alpha, significant bits": (
        np.dstack([RGB, ALPHA]), COLOUR_ALPHA, 8, [(b"sBIT", bytes([5, 6, 5, 8]))], rgba(RGB, ALPHA),
    ),
    "colour and alpha, a background": (
        np.dstack([RGB, ALPHA]), COLOUR_ALPHA, 8, [(b"bKGD", sixteen((255, 0, 0)))], rgba(RGB, ALPHA),
    ),
    "indexes of 4 bits": (INDEXES, INDEXED, 4, [(b"PLTE", PALETTE)], looked_up(INDEXES)),
    "indexes of 8 bits": (INDEXES, INDEXED, 8, [(b"PLTE", PALETTE)], looked_up(INDEXES)),
    "indexes of 2 bits": (INDEXES >> 2, INDEXED, 2, [(b"PLTE", PALETTE[:12])], looked_up(INDEXES >> 2)),
    "indexes of 1 bit": (INDEXES >> 3, INDEXED, 1, [(b"PLTE", PALETTE[:6])], looked_up(INDEXES >> 3)),
    "indexes with alpha": (
        INDEXES, INDEXED, 4, [(b"PLTE", PALETTE), (b"tRNS", b"\x00\x80\xff\x0a")],
        looked_up(INDEXES, b"\x00\x80\xff\x0a"),
    ),
    "a transparent grey": (LIGHT, GREY, 8, [(b"tRNS", sixteen(LIGHT[SPOT]))], rgba(LIGHT, unlike(LIGHT))),
    "a transparent grey of 4 bits": (
        INDEXES, GREY, 4, [(b"tRNS", sixteen(INDEXES[SPOT]))], rgba(greys(4), unlike(INDEXES)),
    ),
    "a transparent black": (LIGHT >> 7, GREY, 1, [(b"tRNS", sixteen((0,)))], rgba(greys(1), 255 * (LIGHT >> 7))),
    "a transparent grey of 16 bits": (
        LOW[:, :, :1], GREY, 16, [(b"tRNS", sixteen(LOW[SPOT][:1]))],
        rgba(LOW[:, :, :1] / 257 + 0.5, unlike(LOW[:, :, :1])),
    ),
    "a transparent grey, but for its low byte": (
        LOW[:, :, :1], GREY, 16, [(b"tRNS", sixteen(LOW[SPOT][:1] ^ 1))], rgba(LOW[:, :, :1] / 257 + 0.5),
    ),
    "a transparent colour": (RGB, COLOUR, 8, [(b"tRNS", sixteen(RGB[SPOT]))], rgba(RGB, unlike(RGB))),
    "a transparent colour of 16 bits": (
        LOW, COLOUR, 16, [(b"tRNS", sixteen(LOW[SPOT]))], rgba(LOW / 257 + 0.5, unlike(LOW)),
    ),
    "a transparent colour, but for its low byte": (
        LOW, COLOUR, 16, [(b"tRNS", sixteen(LOW[SPOT] ^ 1))], rgba(LOW / 257 + 0.5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("interlaced", [False, True], ids=["rows", "interlaced"])
@pytest.mark.parametrize("case", CASES)
def test_each_pixel_is_shown(render: Render, case: str, *, interlaced: bool) -> None:
    """All pixels and their alpha are in a PNG of full size; 16 bits are rounded to 8."""
    samples, kind, depth, chunks, wanted = CASES[case]
    (body,) = render(png(samples, kind, depth, *chunks, interlaced=interlaced), "full_size.png")
    visible = wanted[:, :, 3:] > 0
    off = np.abs(decoded(body) - wanted) * np.dstack([np.repeat(visible, 3, axis=2), np.ones_like(visible)])
    assert off.max() <= (1 if depth == 16 else 0)


@pytest.mark.parametrize("interlaced", [False, True], ids=["rows", "interlaced"])
@pytest.mark.parametrize("case", CASES)
def test_smaller_pictures_look_alike(render: Render, case: str, *, interlaced: bool) -> None:
    """A reduced picture is the one that Pillow reduces with premultiplied alpha."""
    samples, kind, depth, chunks, pixels = CASES[case]
    (body,) = render(png(samples, kind, depth, *chunks, interlaced=interlaced), "w15.png")
    wanted = Image.fromarray(pixels).convert("RGBa").resize((15, 12), Image.Resampling.LANCZOS)
    seen = Image.fromarray(decoded(body).astype(np.uint8)).convert("RGBa")
    off = np.abs(np.asarray(seen).astype(np.int64) - np.asarray(wanted).astype(np.int64))
    assert off.mean() < 1.5
