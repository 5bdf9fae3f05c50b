"""A processor as the daemon has it while worker processes render: it loads no library."""

from __future__ import annotations

from typing import Any

from imaged.core.formats import FORMATS, Format


class UnloadedProcessor:
    """What the hook of a processor may return where `host.renders` is False. The daemon calls none of its methods.

    A subclass tells the same as the processor: `reads` and `writes`, and by `verify = sample = self_check = not_called`
    that workers verify and sample originals, and check themselves.
    """

    detail = ""
    reads: tuple[Format, ...] = FORMATS.reads
    writes: tuple[Format, ...] = FORMATS.writes

    def not_called(self, *_: Any, **__: Any) -> Any:
        """Raise RuntimeError: a call is a defect of the daemon."""
        raise RuntimeError("only worker processes call a processor: its library is not loaded here")

    identify = accepts = render = not_called
