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
    """Systemd counts the kill of the main process as a failure, and restarts after failures."""
    assert setting("Restart") == "on-failure"


def test_a_worker_that_the_kernel_killed_costs_no_daemon() -> None:
    """Systemd lets the daemon run when the kernel has killed one of its processes for memory."""
    assert setting("OOMPolicy") == "continue"


def test_workers_may_confine_themselves() -> None:
    """The filter of system calls allows Landlock, seccomp and a lower priority, which its groups lack on Debian 12."""
    calls = " ".join(re.findall(r"^SystemCallFilter=(?!~)(.+)$", UNIT, re.MULTILINE)).split()
    landlock = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}
    assert {*landlock, "seccomp", "setpriority"} <= {*calls}


def test_the_package_has_the_same_unit() -> None:
    """Debhelper takes the copy in `debian/`."""
    assert (ROOT / "debian" / "imaged.service").read_text(encoding="utf-8") == UNIT
