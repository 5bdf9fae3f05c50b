"""The processor, as the daemon has it while worker processes render: without ImageMagick."""

from __future__ import annotations

from typing import Any


class UnloadedProcessor:
    """Has the methods of MagickProcessor, which the daemon looks up but never calls. They raise NotImplementedError."""

    detail = ""

    def identify(self, *_: Any, **__: Any) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError("worker processes render: ImageMagick is not loaded here")

    accepts = verify = render = self_check = identify
