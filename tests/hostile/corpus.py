"""All hostile files: those made by hand, and good pictures that lost bytes, have too many, or have wrong ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import further_files
import gif_files
import jpeg_files
import other_files
import png_files
import webp_files
from damage import Files, cuts, extensions, flips
from good_pictures import good_pictures

SEED = 20_260_101
"""The same files in every run, unless a run has a seed of its own."""

_LARGE = re.compile(r"giga|mega|\d bits and kind|too many rows")
_SMALL_BYTES = 100_000


def made() -> Files:
    """Return the files that are made by hand, of all formats."""
    modules = (jpeg_files, png_files, gif_files, webp_files, further_files, other_files)
    return {name: make for module in modules for name, make in module.files().items()}


def small_made() -> Iterator[tuple[str, bytes]]:
    """Yield those that take little time to make and to read: nine in ten."""
    for name, make in made().items():
        if not _LARGE.search(name) and len(body := make()) <= _SMALL_BYTES:
            yield name, body


def damaged() -> Files:
    """Return every good picture with each kind of damage but wrong bits."""
    pictures = good_pictures().items()
    return {name: make for good, body in pictures for damage in (cuts, extensions) for name, make in damage(good, body)}


def corpus(size: int, seed: int = SEED) -> Files:
    """Return `size` files: made ones first, then damaged ones, then pictures with wrong bits until there are enough."""
    found = made() | damaged()
    pictures = good_pictures()
    each = max(0, -(-(size - len(found)) // len(pictures)))
    for good, body in pictures.items():
        found |= flips(good, body, seed, range(each))
    return dict(list(found.items())[:size])
