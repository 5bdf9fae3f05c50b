"""A disk with free bytes may be full, too: without inodes, or when a quota is used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, request, until
from full_disk import MIB, home, is_full, lines, noise, settings, statuses, titles
from quota_disk import QuotaDisk
from small_disk import SmallDisk

pytestmark = pytest.mark.whole_start


@pytest.fixture(params=["inodes", "quota"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk that is full long before it has no byte left."""
    scratch = tmp_path / "disk"
    disk: SmallDisk | QuotaDisk
    if request.param == "inodes":
        disk = SmallDisk(scratch, 64 * MIB, "mode=755,nr_inodes=150")
    else:
        disk = QuotaDisk(scratch, 8 * MIB)
    yield disk.folder
    disk.close()


def test_a_disk_without_inodes_or_quota(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    """Reads are answered, posts get 507, an erasure works, and what it frees is used again.

    Also when the queue is on the same disk, but not on Btrfs: see docs/store-size.md.
    """
    state = str((tmp_path if (folder.parent / "limited").exists() else folder) / "state")
    daemon = make_daemon(settings(folder / "public", tmp_path / "remote", state_dir=state), environ=plugins)
    daemon.store = folder / "public"
    kept: dict[str, bytes] = {}
    for seed in range(100):
        body = noise(seed, 150)
        if daemon.post("/p", body).status != 200:
            break
        kept[home(body)] = body
        assert daemon.get(f"/{home(body)}/w140.png").status == 200
    until(lambda: is_full(daemon), daemon)
    assert daemon.status()["store"]["free_bytes"] > 32 * MIB
    assert titles(daemon) == ["Disk full"]
    assert daemon.post("/p", noise(1000)).status == 507
    for directory, body in kept.items():
        assert daemon.get(f"/{directory}/original").body == body
        assert daemon.get(f"/{directory}/w140.png").status == 200
        assert daemon.get(f"/{directory}/w130.png").status == 200, "rendered now"
    assert daemon.get("/status_check").status == 200
    *erased, left = kept
    for directory in erased:
        assert request(daemon.public, "DELETE", f"/{directory}").status in {202, 204}
    until(lambda: not is_full(daemon), daemon)
    assert titles(daemon) == []
    assert daemon.post("/p?outputs=w9.png", noise(1000)).status == 200
    daemon.wait_for_files({"partitionedHash": home(noise(1000))[2:]}, ["w9.png"])
    assert daemon.get(f"/{left}/original").body == kept[left]
    assert lines(daemon, "is not stored") == 0
    assert statuses(daemon) <= {200, 202, 204, 507}
