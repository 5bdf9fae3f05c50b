"""How a reload ends, and what it may not change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imaged.config.faults import Fault, KeyPath
from imaged.config.load import Loaded
from imaged.config.model import Settings


@dataclass(frozen=True)
class Reload:
    """The outcome of the last reload, for the status page."""

    at: datetime
    ok: bool
    errors: tuple[str, ...]


def restart_faults(running: Settings, loaded: Loaded) -> list[Fault]:
    """Return a fault for each setting that belongs to the process and not to a generation, and has changed."""
    wanted = loaded.settings
    changed: list[tuple[KeyPath, bool]] = [
        (("listen",), running.listen != wanted.listen),
        (("status", "listen"), running.status.listen != wanted.status.listen),
        (("state_dir",), running.state_dir != wanted.state_dir),
    ]
    reason = "takes effect with a restart only; nothing was reloaded"
    return [loaded.fault(path, reason) for path, differs in changed if differs]
