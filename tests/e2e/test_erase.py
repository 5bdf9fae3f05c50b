"""After an erasure, no byte of a picture is left: in no store, no temporary file, no memory and no answer."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from daemon import Daemon, until
from erased_picture import EXPECTED, Crowd, Picture
from handover import upgrade
from rclone import RcloneS3
from small_disk import SmallDisk

CLIENTS = 24


@pytest.fixture
def settings(store: RcloneS3) -> str:
    """Return settings that use the bucket."""
    s3 = {"plugins": {"s3": store.options(store.bucket)}, "uploader": "s3"}
    return yaml.safe_dump(s3 | {"upload": {"timeout_s": 5}, "remote": {"base_path": "below"}})


def drained(daemon: Daemon) -> bool:
    """Say whether no erasure is pending."""
    erasures = daemon.status()["erasures"]
    assert erasures["parked"] == 0, daemon.tail
    return not erasures["current"] and not erasures["queued"]


def erase(daemon: Daemon, picture: Picture) -> int:
    """Erase a picture, with as many requests as that takes; return the status of the last one."""

    def answered() -> int | None:
        answer = picture.ask(daemon, "DELETE")
        if answer is None or answer.status == 503:
            return None
        assert answer.status in {204, 202}, (answer, daemon.tail)
        return answer.status

    status: int = until(answered, daemon)
    return status


def check_gone(daemon: Daemon, store: RcloneS3, picture: Picture) -> None:
    """Check that nothing of a picture is left anywhere, and stays so over a kill of the daemon."""
    until(lambda: drained(daemon), daemon)
    for name in ("original", "info.json", "x10.png", "w7.png", "w20.auto", "srcset"):
        answer = picture.ask(daemon, "GET", name)
        assert answer is not None
        assert answer.status == 410, (name, answer, daemon.tail)
    assert picture.left_in(daemon.folder / "var") == [], daemon.tail
    assert picture.left_in(store.buckets) == [], daemon.tail
    until(lambda: not picture.left_in_memory(daemon), daemon)


@pytest.mark.parametrize(
    ("rounds", "kills", "outages"), [(4, 2, 1), pytest.param(20, 10, 6, marks=pytest.mark.exhaustive)]
)
def test_clients_read_and_post_a_picture_while_it_is_erased(
    make_daemon: Callable[..., Daemon], settings: str, store: RcloneS3, rounds: int, kills: int, outages: int
) -> None:
    """An acknowledged later post is kept; after the last erasure of a round nothing is left, and nothing comes back.

    In some rounds the daemon is killed in the erasure or after it, and in some the remote store is down meanwhile. The
    test prints the answers.
    """
    daemon, picture, choose = make_daemon(settings), Picture(), random.Random(5)
    kill_in = set(choose.sample(range(rounds), kills))
    down_in = set(choose.sample(range(rounds), outages))
    crowd, queued = Crowd(daemon, picture, CLIENTS), 0
    late: list[object] = []
    try:
        for each in range(rounds):
            crowd.post_again()
            began_s = time.monotonic()
            until(partial(crowd.posts_after, began_s), daemon)
            time.sleep(0.3)  # they read some outputs, and order others
            if each in down_in:
                store.stop()
            first = threading.Thread(target=picture.ask, args=(daemon, "DELETE"))
            first_s = time.monotonic()
            first.start()
            if each in kill_in:
                time.sleep(choose.random() * 0.1)
                daemon.kill()
                daemon.start()
            first.join()
            erased_s = time.monotonic()
            crowd.stop_posts()
            if each not in kill_in and each not in down_in:
                check_post(daemon, picture, crowd, first_s, erased_s)
            status = erase(daemon, picture)
            queued += status == 202
            erased_s = time.monotonic()
            if each in down_in:
                assert status == 202
                if each % 2:
                    daemon.kill()
                    daemon.start()
                store.start()
            check_gone(daemon, store, picture)
            if each in kill_in and each % 2:
                daemon.kill()
                daemon.start()
                check_gone(daemon, store, picture)
            late += [seen for seen in crowd.since(erased_s) if seen.status not in {410, 503}]
    finally:
        crowd.stop()
    assert late == []
    statuses = crowd.statuses()
    assert {status for _, status in statuses} <= EXPECTED, statuses
    assert all(statuses[method, status] for method in ("GET", "POST") for status in (200, 410)), statuses
    answers = ", ".join(f"{method} {status}: {count}" for (method, status), count in sorted(statuses.items()))
    sys.stdout.write(f"{rounds} erasures, {kills} kills, {outages} outages, {queued} answers 202; {answers}\n")


def check_post(daemon: Daemon, picture: Picture, crowd: Crowd, began_s: float, ended_s: float) -> None:
    """Check who won of an erasure and the posts: one that was answered later is kept, all earlier ones are erased."""
    answer = picture.ask(daemon, "GET", "original")
    assert answer is not None
    if crowd.posts_after(ended_s):
        assert (answer.status, answer.body) == (200, picture.body), daemon.tail
    elif not crowd.posts_after(began_s):
        assert answer.status == 410, daemon.tail


def test_another_node_erases_its_copy(make_daemon: Callable[..., Daemon], settings: str, store: RcloneS3) -> None:
    """A node that is away meanwhile learns it at its start; a post there makes a new picture, without a tombstone."""
    one, other, picture = make_daemon(settings), make_daemon(settings), Picture()
    assert (answer := picture.post(one)) is not None
    assert answer.status == 200
    assert (answer := picture.ask(other, "GET", "w7.png")) is not None
    assert answer.status == 200
    other.stop()
    assert erase(one, picture) == 204
    assert picture.left_in(other.store) != []
    other.start()
    until(lambda: not picture.left_in(other.store), other)
    check_gone(other, store, picture)
    assert (answer := picture.post(other)) is not None
    assert answer.status == 200
    assert (answer := picture.ask(other, "GET", "w7.png")) is not None
    assert answer.status == 200
    assert picture.left_in(store.buckets) != []
    assert list(store.buckets.glob("*/below/.erased/*")) == []


def test_a_process_that_drains_keeps_nothing(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """A render that runs in the old process of a handover, while the new one erases, ends with 410."""
    gate = {"tag": "gate", "gate": "open", "journal": "journal"}
    store = {"uploader": "folder", "plugins": {"folder": {"path": "remote"}, "gate": gate}}
    daemon = make_daemon(
        yaml.safe_dump(store | {"processors": ["gate"], "render": {"isolation": "thread"}}), environ=plugins
    )
    picture, statuses = Picture(), list[int]()
    assert (answer := picture.post(daemon)) is not None
    assert answer.status == 200

    def read() -> None:
        answer = picture.ask(daemon, "GET", "full_size.png")
        statuses.append(answer.status if answer else 0)

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: "begin full_size" in (daemon.folder / "journal").read_text(), daemon)
    old = upgrade(daemon)
    assert erase(daemon, picture) == 204
    (daemon.folder / "open").touch()
    reader.join()
    assert statuses == [410], daemon.tail
    assert old.wait() == 0
    until(lambda: drained(daemon), daemon)
    assert picture.left_in(daemon.folder) == []


def test_an_erasure_frees_a_full_disk(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """The files go first, and give the tombstone its room."""
    disk = SmallDisk(tmp_path / "disk", 8 << 20)
    try:
        daemon, picture = make_daemon(yaml.safe_dump({"store": {"path": str(disk.folder)}})), Picture()
        assert (answer := picture.post(daemon)) is not None
        assert answer.status == 200
        until(lambda: daemon.status()["promised"]["oldest_s"] is None, daemon)
        disk.fill()
        status = erase(daemon, picture)
        assert (status, disk.free_bytes > 0) == (204, True)
        disk.clear()
        assert picture.left_in(disk.folder) == []
        assert len(list((disk.folder / ".erased").glob("p-*"))) == 1
        daemon.stop()
    finally:
        disk.close()
