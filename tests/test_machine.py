"""The limits of control groups hold, in both versions and anywhere on the path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.machine import cores, memory_bytes, memory_kills

MANY = 3 * 2**20
V2 = "0::/pod/box\n"
V1 = "3:memory:/pod\n2:cpu,cpuacct:/pod\n1:name=systemd:/pod\n"
INSIDE = "0::/\n"
BESIDE = "0::/../other\n"


def tree(root: Path, group: str, files: dict[str, str]) -> Path:
    """Write the files of a kernel: the group of this process, and files of control groups by path."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on a machine of eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        (V2, {}, 8),
        (V2, {"pod/box/cpu.max": "max 100000\n"}, 8),
        (V2, {"pod/box/cpu.max": "200000 100000\n"}, 2),
        (V2, {"pod/box/cpu.max": "150000 100000\n"}, 2),
        (V2, {"pod/box/cpu.max": "50000 100000\n"}, 1),
        (V2, {"pod/box/cpu.max": "1600000 100000\n"}, 8),
        (V2, {"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3),
        (INSIDE, {"cpu.max": "400000 100000\n"}, 4),
        (BESIDE, {"cpu.max": "400000 100000\n"}, 4),
        (V1, {"cpu,cpuacct/pod/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, {"cpu,cpuacct/pod/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n"}, 8),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 1),
        (V2, {"pod/box/cpu.max": "nonsense"}, 8),
    ],
)
def test_a_cpu_quota_means_fewer_cores(tmp_path: Path, group: str, files: dict[str, str], expected: int) -> None:
    """A quota is rounded up, and adds no cores."""
    assert cores(tree(tmp_path, group, files)) == expected


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        (V2, {"pod/box/memory.max": f"{MANY}\n"}, MANY),
        (V2, {"pod/box/memory.max": "max\n", "pod/memory.max": f"{MANY}\n"}, MANY),
        (V2, {"pod/box/memory.max": f"{2 * MANY}\n", "pod/box/memory.high": f"{MANY}\n"}, MANY),
        (INSIDE, {"memory.max": f"{MANY}\n"}, MANY),
        (V1, {"memory/pod/memory.limit_in_bytes": f"{MANY}\n"}, MANY),
        (V1, {"memory/pod/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (V2, {"pod/box/memory.max": "max\n"}, None),
        ("", {}, None),
    ],
)
def test_the_lowest_limit_of_memory_holds(
    tmp_path: Path, group: str, files: dict[str, str], expected: int | None
) -> None:
    """Without a limit, the machine's memory holds."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_bytes(tree(tmp_path, group, files)) == (expected or machine)


def test_a_system_without_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On illumos, all cores count."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores(tmp_path) == 5


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        (V2, {"pod/box/memory.events": "oom 7\noom_kill 3\n", "pod/memory.events": "oom_kill 9\n"}, 3),
        (V2, {"pod/memory.events": "oom_kill 9\n"}, 9),
        (V1, {"memory/pod/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}, 2),
        (INSIDE, {}, None),
    ],
)
def test_kills_for_memory_are_counted(tmp_path: Path, group: str, files: dict[str, str], expected: int | None) -> None:
    """The count is that of the innermost group that has one."""
    assert memory_kills(tree(tmp_path, group, files)) == expected


def test_without_groups_the_kills_of_the_machine_count(tmp_path: Path) -> None:
    """The kernel also counts them for the whole machine."""
    root = tree(tmp_path, INSIDE, {})
    (root / "proc/vmstat").write_text("nr_free_pages 1\noom_kill 4\n")
    assert memory_kills(root) == 4
