"""A full disk refuses posts with 507. All that is stored is served, the rest is rendered, and nothing is lost."""

from __future__ import annotations

import http.client
import io
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from daemon import Daemon, request, until
from full_disk import MIB, home, is_full, lines, noise, settings, statuses, titles
from handover import complete, upgrade
from PIL import Image
from small_disk import SmallDisk

pytestmark = pytest.mark.whole_start

SIZE_BYTES = 64 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Return a disk of SIZE_BYTES."""
    disk = SmallDisk(tmp_path / "disk", SIZE_BYTES)
    yield disk
    disk.close()


def fill(daemon: Daemon, disk: SmallDisk) -> dict[str, bytes]:
    """Post pictures, and get outputs of each, until a post is refused; return the others by their folders."""
    kept: dict[str, bytes] = {}
    disk.fill(6 * MIB)
    for seed in range(100):
        body = noise(seed)
        answer = daemon.post("/p", body)
        if answer.status != 200:
            assert answer.status == 507, daemon.tail
            assert "retry-after" not in answer.headers
            break
        kept[home(body)] = body
        assert daemon.get(f"/{home(body)}/w290.png").status == 200
    disk.fill()
    until(lambda: daemon.status()["store"]["is_full"], daemon)
    return kept


@pytest.mark.parametrize("has_remote", [False, True], ids=["local", "remote"])
def test_a_full_store(
    make_daemon: Callable[..., Daemon],
    plugins: dict[str, str],
    disk: SmallDisk,
    tmp_path: Path,
    has_remote: bool,  # noqa: FBT001
) -> None:
    """Reads are answered, renders come from memory, writes get 507, over a kill and a start, until there is room."""
    remote = tmp_path / "remote" if has_remote else None
    daemon = make_daemon(settings(disk.folder / "public", remote), environ=plugins)
    daemon.store = disk.folder / "public"
    kept = fill(daemon, disk)
    assert len(kept) > 2
    first, *_, last = kept
    (daemon.store / first / "info.json").unlink()  # as in an older store
    disk.fill()
    stored = {path.name for path in (daemon.store / first).iterdir()}
    for start in range(2):
        until(lambda: daemon.status()["store"]["is_full"], daemon)
        assert titles(daemon) == ["Disk full"]
        assert daemon.post("/p", noise(1000)).status == 507
        assert daemon.post("/p?outputs=x1.png", b"").status == 507
        waits = {"Content-Length": "1000000", "Expect": "100-continue"}
        assert request(daemon.public, "POST", "/p", headers=waits).status == 507, "before the body is sent"
        assert daemon.post(f"/{first}/process?outputs=w290.png").status == 200
        assert daemon.post(f"/{first}/process?outputs=w291.png").status == 507
        for directory, body in kept.items():
            assert daemon.get(f"/{directory}/original").body == body
            assert daemon.get(f"/{directory}/info.json").status == 200
            assert daemon.get(f"/{directory}/w290.png").status == 200
        for name in ("w200.png", "w210.webp", "x50.jpg", "x50.auto", "100x50-gsm.jpg"):
            answer = daemon.get(f"/{first}/{name}", Accept="image/avif,image/webp")
            assert answer.status == 200, (name, answer)
            Image.open(io.BytesIO(answer.body)).load()
        assert daemon.get("/status_check").status == 200
        assert {path.name for path in (daemon.store / first).iterdir()} == stored
        assert daemon.reload().json()["ok"], daemon.tail
        assert statuses(daemon) <= {200, 404, 507}
        assert lines(daemon, "the store is full") == 1
        assert lines(daemon, "is not stored") == 0
        if start == 0:
            daemon.kill()
            daemon.start()
    assert request(daemon.public, "DELETE", f"/{last}").status in {202, 204}
    assert not (daemon.store / last).exists()
    assert daemon.get(f"/{last}/original").status == 410
    disk.clear()
    until(lambda: not daemon.status()["store"]["is_full"], daemon)
    assert titles(daemon) == []
    assert lines(daemon, "the store takes files again") == 1
    assert daemon.post("/p?outputs=w90.png", noise(1000)).status == 200
    daemon.wait_for_files({"partitionedHash": home(noise(1000))[2:]}, ["w90.png"])
    assert daemon.get(f"/{first}/w291.png").status == 200
    until((daemon.store / first / "w291.png").is_file, daemon)
    for directory, body in kept.items():
        if directory != last:
            assert (daemon.store / directory / "original").read_bytes() == body
            if remote is not None:
                assert (remote / directory / "original").read_bytes() == body
                until((remote / directory / "w290.png").is_file, daemon)


def test_queued_outputs_wait_for_room(make_daemon: Callable[..., Daemon], disk: SmallDisk) -> None:
    """A post is answered while there is room for it alone: its outputs are made when there is room for them, too."""
    daemon = make_daemon(settings(disk.folder / "public"))
    daemon.store = disk.folder / "public"
    body, names = noise(1), ["full_size.png", "w299.png", "w298.png", "w297.png"]
    disk.fill(3 * len(body))
    assert daemon.post(f"/p?outputs={','.join(names)}", body).status == 200
    until(lambda: daemon.status()["store"]["is_full"], daemon)
    daemon.kill()
    disk.fill()
    daemon.start()
    until(lambda: daemon.status()["store"]["is_full"], daemon)
    waiting = daemon.status()["promised"]
    assert (waiting["queued"] > 0, waiting["parked"]) == (True, 0)
    disk.clear()
    daemon.wait_for_files({"partitionedHash": home(body)[2:]}, ["original", *names])
    assert statuses(daemon) <= {200}


def test_an_upgrade_on_a_full_disk(make_daemon: Callable[..., Daemon], disk: SmallDisk) -> None:
    """The new process takes over, serves, and heals."""
    daemon = make_daemon(settings(disk.folder / "public", state_dir=str(disk.folder / "state")))
    daemon.store = disk.folder / "public"
    body = noise(1)
    assert daemon.post("/p", body).status == 200
    disk.fill()
    until(lambda: is_full(daemon), daemon)
    upgrade(daemon)
    assert complete(daemon) is not None
    until(lambda: is_full(daemon), daemon)
    assert daemon.get(f"/{home(body)}/original").body == body
    assert daemon.get(f"/{home(body)}/w10.png").status == 200
    assert daemon.post("/p", noise(2)).status == 507
    disk.clear()
    until(lambda: not is_full(daemon), daemon)
    assert daemon.post("/p", noise(2)).status == 200


def test_a_namespace_on_a_full_disk_of_its_own(
    make_daemon: Callable[..., Daemon], disk: SmallDisk, tmp_path: Path
) -> None:
    """It alone refuses posts; the others take them, and make their outputs."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "p").symlink_to(disk.folder)
    daemon = make_daemon(settings(tmp_path / "public"))
    daemon.store = tmp_path / "public"
    kept = fill(daemon, disk)
    assert daemon.post("/p", noise(1000)).status == 507
    posted = daemon.post("/q?outputs=x5.png", noise(1000))
    assert posted.status == 200
    until((tmp_path / "public" / "q" / posted.json()["partitionedHash"] / "x5.png").is_file, daemon)
    assert daemon.get(f"/{next(iter(kept))}/w100.png").status == 200
    assert titles(daemon) == ["Disk full"]
    disk.clear()
    until(lambda: not daemon.status()["store"]["is_full"], daemon)
    assert daemon.post("/p", noise(1000)).status == 200
    assert statuses(daemon) <= {200, 507}


def test_a_full_disk_of_the_queue(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], disk: SmallDisk, tmp_path: Path
) -> None:
    """What needs a job is refused, all else is answered, and the uploads of that time are queued when there is room."""
    remote = tmp_path / "remote"
    more = {"state_dir": str(disk.folder / "state")}
    daemon = make_daemon(settings(tmp_path / "public", remote, **more), environ=plugins)
    daemon.store = tmp_path / "public"
    body = noise(1)
    assert daemon.post("/p?outputs=x1.png", body).status == 200
    until((remote / home(body) / "x1.png").is_file, daemon)
    disk.fill()
    asked = 0
    while (answer := daemon.post(f"/p?outputs=w{290 - asked}.png", body)).status == 200:
        asked += 1  # what SQLite has written already is room for a few
    assert answer.status == 507
    assert daemon.status()["queue"]["is_full"]
    assert titles(daemon) == ["State disk full"]
    other = noise(2)
    assert daemon.post("/p", other).status == 200
    for number in range(5):
        assert daemon.get(f"/{home(other)}/w{100 + number}.png").status == 200
        assert daemon.post(f"/p?outputs=w{110 + number}.png", other).status == 507
    assert daemon.get(f"/{home(other)}/info.json").status == 200
    assert daemon.get("/status_check").status == 200
    third = noise(3)
    assert daemon.post("/p", third).status == 200
    erased = request(daemon.public, "DELETE", f"/{home(third)}")
    assert erased.status in {202, 204}
    assert daemon.get(f"/{home(third)}/original").status == 410
    assert statuses(daemon) <= {200, 202, 204, 410, 507}
    assert lines(daemon, "the job queue cannot be used") == 1
    daemon.kill()
    disk.fill()
    daemon.start()
    assert daemon.get(f"/{home(other)}/original").body == other
    disk.clear()
    until(lambda: daemon.status()["queue"]["fault"] is None, daemon)
    assert daemon.post("/p?outputs=x2.png", other).status == 200
    for number in range(5):
        until((remote / home(other) / f"w{100 + number}.png").is_file, daemon)
    for number in range(asked):
        until((remote / home(body) / f"w{290 - number}.png").is_file, daemon)
    until(lambda: titles(daemon) == [], daemon)
    until(lambda: not (remote / home(third) / "original").exists(), daemon)
    assert (remote / home(other) / "original").read_bytes() == other


def test_a_read_only_store(make_daemon: Callable[..., Daemon], disk: SmallDisk) -> None:
    """Posts get 503, and all reads are answered, over a start, until it can be written to."""
    daemon = make_daemon(settings(disk.folder / "public"))
    daemon.store = disk.folder / "public"
    body = noise(1)
    assert daemon.post("/p", body).status == 200
    assert daemon.post("/p", noise(3)).status == 200
    assert request(daemon.public, "DELETE", f"/{home(noise(3))}").status == 204
    with disk.read_only():
        for start in range(2):
            until(lambda: daemon.status()["store"]["is_read_only"], daemon)
            assert titles(daemon) == ["Store read-only"]
            assert daemon.post("/p", noise(2)).status == 503
            assert daemon.post(f"/{home(body)}/process?outputs=w9.png").status == 503
            assert daemon.get(f"/{home(body)}/original").body == body
            assert daemon.get(f"/{home(body)}/w10.png").status == 200
            assert daemon.get(f"/{home(noise(3))}/w10.png").status == 410
            assert daemon.get("/status_check").status == 200
            assert lines(daemon, "the store is read-only") == 1
            if start == 0:
                daemon.kill()
                daemon.start()
    until(lambda: not daemon.status()["store"]["is_read_only"], daemon)
    assert daemon.post("/p?outputs=w9.png", noise(2)).status == 200
    daemon.wait_for_files({"partitionedHash": home(noise(2))[2:]}, ["w9.png"])
    assert titles(daemon) == []


def test_a_full_disk_forgets_outputs(make_daemon: Callable[..., Daemon], disk: SmallDisk) -> None:
    """Where the settings bound the store, it makes room for itself: posts are taken again, and originals stay."""
    store = {"path": str(disk.folder / "public"), "maximum_bytes": 1 << 40}
    daemon = make_daemon(yaml.safe_dump({"store": store}))
    daemon.store = disk.folder / "public"
    disk.fill(8 * MIB)
    body, number = noise(0), 0
    assert daemon.post("/p", body).status == 200
    until(lambda: daemon.status()["store"]["occupied_bytes"], daemon)
    while not is_full(daemon):
        number += 1
        assert daemon.get(f"/{home(body)}/w{number}.png").status == 200
        assert number < 290, "the disk was never full"
    until(lambda: not is_full(daemon), daemon)
    assert daemon.status()["store"]["forgotten_files"] > 0
    assert daemon.post("/p", noise(1, 100)).status == 200
    assert daemon.get(f"/{home(body)}/original").body == body
    assert lines(daemon, "the store is full") == lines(daemon, "the store takes files again") == 1
    assert statuses(daemon) == {200}


class Clients:
    """Clients that post pictures with an output each, and get new outputs of those that were acknowledged."""

    def __init__(self, daemon: Daemon, number: int) -> None:
        self.daemon = daemon
        self.acknowledged: dict[str, bytes] = {}
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in range(number)]
        for thread in self._threads:
            thread.start()

    def _run(self, seed: int) -> None:
        choose = random.Random(seed)
        while not self._ending.is_set():
            body = noise(choose.getrandbits(60), 200)
            with suppress(OSError, http.client.HTTPException):  # it was killed
                if choose.random() < 0.3 or not self.acknowledged:
                    answer = self.daemon.post("/p?outputs=w90.png", body)
                    if answer.status == 200:
                        self.acknowledged[home(body)] = body
                    self.statuses["POST", answer.status] += 1
                else:
                    directory = choose.choice(list(self.acknowledged))
                    answer = self.daemon.get(f"/{directory}/w{choose.randrange(100, 200)}.png")
                    if answer.status == 200:
                        Image.open(io.BytesIO(answer.body)).load()
                    self.statuses["GET", answer.status] += 1

    def close(self) -> None:
        """Stop them."""
        self._ending.set()
        for thread in self._threads:
            thread.join()


def test_clients_while_the_disk_fills(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], disk: SmallDisk, tmp_path: Path
) -> None:
    """Each picture that was acknowledged is whole afterwards, with its output, in both stores; also after kills.

    The only status of 5xx is 507, and reads have none.
    """
    daemon = make_daemon(settings(disk.folder / "public", tmp_path / "remote"), environ=plugins)
    daemon.store = disk.folder / "public"
    disk.fill(6 * MIB)
    clients = Clients(daemon, 4)
    try:
        for _ in range(2):
            until(lambda: is_full(daemon), daemon)
            daemon.kill()
            daemon.start()
            until(lambda: is_full(daemon), daemon)
            refused = clients.statuses["POST", 507]
            until(lambda: clients.statuses["POST", 507] > refused + 5, daemon)  # noqa: B023  # it is called at once
            disk.fill(6 * MIB)
            until(lambda: not is_full(daemon), daemon)
            taken = clients.statuses["POST", 200]
            until(lambda: clients.statuses["POST", 200] > taken, daemon)  # noqa: B023  # as above
    finally:
        clients.close()
    assert {kind for kind in clients.statuses if kind[1] != 200} == {("POST", 507)}, daemon.tail
    disk.clear()
    for directory, body in clients.acknowledged.items():
        for root in (daemon.store, tmp_path / "remote"):
            assert (root / directory / "original").read_bytes() == body
            until((root / directory / "w90.png").is_file, daemon)
            Image.open(root / directory / "w90.png").load()
