"""A store with a bound stays below it under load, and over a kill, and keeps what clients want."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from bounded_store import SETTINGS, disk_usage, make_noise, run
from daemon import Daemon, until
from PIL import Image
from rclone import RcloneS3
from small_disk import SmallDisk

pytestmark = pytest.mark.whole_start

BOUND_BYTES = 6_000_000
PICTURES = 50


def test_a_store_stays_below_its_bound_under_load(make_daemon: Callable[..., Daemon]) -> None:
    """It takes no more than its bound, and every answer is right, also after a kill in between.

    It has about the hits of a true LRU with the same room.
    """
    daemon = make_daemon(SETTINGS.format(bound_bytes=BOUND_BYTES))
    report = run(daemon, BOUND_BYTES, pictures=PICTURES, seconds=24.0, clients=2, kills=1, pause_s=0.02)
    sys.stdout.write(f"{report}\n")
    assert report.wrong == []
    assert report.others_bytes < report.most_bytes < 1.05 * BOUND_BYTES, "du may count a file twice that is renamed"
    assert report.requests > 0, "the store was never full"
    assert report.hits > 0.85 * report.lru_hits


def test_a_bound_that_is_set_later_is_reached(make_daemon: Callable[..., Daemon]) -> None:
    """A reload is enough. The oldest outputs go, without the picture's original."""
    daemon = make_daemon(SETTINGS.format(bound_bytes=0))
    image = daemon.post("/p", make_noise()).json()
    folder = daemon.store / "p" / image["partitionedHash"]
    names = [f"w{width}.png" for width in range(200, 300, 10)]
    for name in names:
        assert daemon.get(f"/p/{image['partitionedHash']}/{name}").status == 200
    daemon.wait_for_files(image, names)
    for age, name in enumerate(names):
        used_s = time.time() - 1000 - 100 * age
        os.utime(folder / name, (used_s, used_s))
    bound_bytes = disk_usage(daemon.store) - 200_000
    daemon.configure(SETTINGS.format(bound_bytes=bound_bytes))
    assert daemon.hup()["ok"]
    until(lambda: disk_usage(daemon.store) < bound_bytes, daemon)
    left = [name for name in names if (folder / name).exists()]
    assert left == names[: len(left)]
    assert 0 < len(left) < len(names)
    assert (folder / "original").exists()
    assert daemon.get(f"/p/{image['partitionedHash']}/{names[-1]}").status == 200


def test_a_last_use_is_noted_once_an_hour(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """By imaged itself, where the file system notes none."""
    disk = SmallDisk(tmp_path / "disk", 64 << 20, "mode=755,noatime")
    try:
        store = yaml.safe_load(SETTINGS.format(bound_bytes=50_000_000))
        store["store"]["path"] = str(disk.folder)
        daemon = make_daemon(yaml.safe_dump(store))
        daemon.store = disk.folder
        image = daemon.post("/p", make_noise()).json()
        target, now_s = f"/p/{image['partitionedHash']}/w200.png", time.time()
        assert daemon.get(target).status == 200
        daemon.wait_for_files(image, ["w200.png"])
        path = disk.folder / target.lstrip("/")
        etag = daemon.get(target).headers["etag"]
        for minutes, is_noted in ((50, False), (70, True)):
            os.utime(path, ns=(int((now_s - 60 * minutes) * 1e9), path.stat().st_mtime_ns))
            assert daemon.get(target).headers["etag"] == etag
            assert (path.stat().st_atime > now_s - 60) is is_noted
        daemon.stop()
    finally:
        disk.close()


def test_free_space_stays_free_under_load(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """On a disk of its own: whatever else takes space there, outputs make room for it."""
    keep_free_bytes = 6 << 20
    disk = SmallDisk(tmp_path / "disk", 20 << 20)
    try:
        settings = yaml.safe_load(SETTINGS.format(bound_bytes=0))
        settings["store"] |= {"path": str(disk.folder), "keep_free_bytes": keep_free_bytes}
        daemon = make_daemon(yaml.safe_dump(settings))
        daemon.store = disk.folder
        report = run(daemon, 14 << 20, pictures=40, seconds=12.0, clients=2, pause_s=0.01)
        assert report.wrong == []
        assert report.most_bytes > 12 << 20
        assert disk.free_bytes >= keep_free_bytes
        disk.fill(keep_free_bytes - (2 << 20))
        until(lambda: disk.free_bytes >= keep_free_bytes, daemon)
        daemon.stop()
    finally:
        disk.close()


def test_a_namespace_on_another_disk_does_not_count(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """It may hold more than the bound of the store; no output is refused or forgotten for it."""
    disk = SmallDisk(tmp_path / "disk", 64 << 20)
    try:
        (tmp_path / "public").mkdir()
        (tmp_path / "public" / "q").symlink_to(disk.folder)
        settings = yaml.safe_load(SETTINGS.format(bound_bytes=500_000))
        settings["store"]["path"] = str(tmp_path / "public")
        daemon = make_daemon(yaml.safe_dump(settings))
        daemon.store = tmp_path / "public"
        names = [f"w{width}.png" for width in range(200, 300, 10)]
        for namespace in ("p", "q"):
            image = daemon.post(f"/{namespace}", make_noise()).json()
            outputs = names[: 5 if namespace == "p" else None]
            for name in outputs:
                assert daemon.get(f"/{namespace}/{image['partitionedHash']}/{name}").status == 200
            for name in outputs:
                until((daemon.store / namespace / image["partitionedHash"] / name).is_file, daemon)
        store = daemon.status()["store"]
        assert (store["refused_saves"], store["forgotten_files"]) == (0, 0)
        assert store["occupied_bytes"] < 500_000 < store["bytes"]
        daemon.stop()
    finally:
        disk.close()


def test_cached_originals_go_and_come_back(make_daemon: Callable[..., Daemon], rclone_s3: RcloneS3) -> None:
    """The bucket has every original; the store has room for a few. Each answer is that of a store that has all."""
    rclone_s3.make_bucket()
    bound_bytes = 3_000_000
    daemon = make_daemon(
        yaml.safe_dump(
            {
                "processors": ["pillow"],
                "uploader": "s3",
                "plugins": {"s3": rclone_s3.options(rclone_s3.bucket)},
                "store": {"maximum_bytes": bound_bytes, "originals": "cached"},
            }
        )
    )
    originals = [make_png_noise(seed) for seed in range(30)]
    assert sum(map(len, originals)) > 2 * bound_bytes
    infos = [daemon.post("/p?outputs=w50.jpg", original).json() for original in originals]
    until(lambda: disk_usage(daemon.store) < bound_bytes, daemon)
    folders = [daemon.store / "p" / info["partitionedHash"] for info in infos]
    assert sum((folder / "original").exists() for folder in folders) < len(originals) / 2
    for info, original in zip(infos, originals, strict=True):
        home = f"/p/{info['partitionedHash']}"
        assert daemon.get(f"{home}/info.json").json()["sha256"] == info["sha256"]
        assert daemon.get(f"{home}/original").body == original
        assert daemon.get(f"{home}/w60.jpg").status == 200
    until(lambda: disk_usage(daemon.store) < bound_bytes, daemon)
    assert daemon.status()["store"]["bound_fault"] is None


def make_png_noise(seed: int) -> bytes:
    """Return a PNG of 240 kB."""
    file = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (280, 280, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()
