"""The processor as the daemon has it while worker processes render: without Pillow."""

from __future__ import annotations

from imaged.api import FORMATS, JPEG, PNG, WEBP, UnloadedProcessor

READS, WRITES = FORMATS.reads, (JPEG, PNG, WEBP)


class UnloadedPillow(UnloadedProcessor):
    """Tells the formats, and that workers verify originals."""

    reads, writes = READS, WRITES
    verify = sample = UnloadedProcessor.not_called
