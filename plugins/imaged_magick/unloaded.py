"""The processor, as the daemon has it while worker processes render: without ImageMagick."""

from __future__ import annotations

from imaged.api import Formats, UnloadedProcessor


class UnloadedMagick(UnloadedProcessor):
    """Tells that workers verify and sample originals, and check themselves."""

    verify = sample = self_check = UnloadedProcessor.not_called

    def __init__(self, formats: Formats) -> None:
        self.reads, self.writes = formats.reads, formats.writes
