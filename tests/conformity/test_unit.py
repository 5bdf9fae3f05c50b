"""The unit of systemd bounds the daemon's memory."""

from __future__ import annotations

import re

from source_tree import ROOT

UNIT = (ROOT / "systemd" / "imaged.service").read_text(encoding="utf-8")


def setting(name: str) -> str:
    """Return the one value of a setting."""
    (value,) = re.findall(rf"^{name}=(.+)$", UNIT, re.MULTILINE)
    return str(value)


def test_memory_is_bounded() -> None:
    """The kernel reclaims memory before it kills, and other processes keep some."""
    high, most = (int(setting(name).removesuffix("%")) for name in ("MemoryHigh", "MemoryMax"))
    assert 50 <= high < most <= 90


def test_a_daemon_that_the_kernel_killed_starts_again() -> None:
    """Systemd counts the kill as a failure, and restarts after failures."""
    assert setting("Restart") == "on-failure"
    assert "OOMPolicy=continue" not in UNIT
