"""The processor as the daemon has it while worker processes render: without Pillow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from imaged.api import AVIF, FORMATS, HEIC, JPEG, PNG, WEBP, UnloadedProcessor


def _has_avif() -> bool:
    """Return whether Pillow has its module for AVIF: since 11.3, where it was built with libavif. Does not load it."""
    spec = find_spec("PIL")
    folders = spec.submodule_search_locations if spec else None
    return any(any(Path(folder).glob("_avif.*")) for folder in folders or ())


_AVIF = (AVIF,) if _has_avif() else ()
_HEIC = (HEIC,) if find_spec("pillow_heif") else ()

READS = (*FORMATS.reads, *_AVIF, *_HEIC)
WRITES = (JPEG, PNG, WEBP, *_AVIF)


class UnloadedPillow(UnloadedProcessor):
    """Tells the formats, and that workers verify originals."""

    reads, writes = READS, WRITES
    verify = sample = UnloadedProcessor.not_called
