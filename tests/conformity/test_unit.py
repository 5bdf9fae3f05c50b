"""The unit of systemd bounds what the daemon may take of the machine."""

from __future__ import annotations

import re

from source_tree import ROOT

UNIT = (ROOT / "systemd" / "imaged.service").read_text(encoding="utf-8")


def setting(name: str) -> str:
    """Return the one value of a setting."""
    (value,) = re.findall(rf"^{name}=(.+)$", UNIT, re.MULTILINE)
    return str(value)


def test_memory_is_bounded() -> None:
    """The kernel reclaims before it kills, and leaves the rest of the machine what it needs to live."""
    high, most = (int(setting(name).removesuffix("%")) for name in ("MemoryHigh", "MemoryMax"))
    assert 50 <= high < most <= 90


def test_a_daemon_that_the_kernel_killed_starts_again() -> None:
    """A unit that is out of memory fails, and a failure is what is restarted from."""
    assert setting("Restart") == "on-failure"
    assert "OOMPolicy=continue" not in UNIT
