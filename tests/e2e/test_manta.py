"""The daemon uploads pictures to a simulated Manta, and the reference client downloads them byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from daemon import Daemon, request, until
from manta import MantaDouble
from manta_identity import md5_id, write_key
from source_tree import ROOT

from imaged.testing.pictures import make_jpeg

CLIENT = ROOT / "build" / "node" / "node_modules" / "manta"
FIVE = ["x300.jpg", "x300.webp", "w200.png", "100x50.gif", "full_size-q50.webp"]
TYPES = {"jpg": "image/jpeg", "webp": "image/webp", "png": "image/png", "gif": "image/gif"}


@dataclass(frozen=True)
class Manta:
    """A simulated Manta, and a home folder with the key of its account."""

    double: MantaDouble
    home: Path
    key_id: str

    def settings(self, base_path: str = "public/images", **options: str) -> str:
        """Return settings for a daemon that uploads to this Manta."""
        section = {
            "url": self.double.url,
            "account": self.double.account,
            "key_id": self.key_id,
            "key_file": str(self.home / ".ssh" / "id_rsa"),
            **options,
        }
        return yaml.safe_dump({"uploader": "manta", "remote": {"base_path": base_path}, "plugins": {"manta": section}})


@pytest.fixture
def manta(tmp_path: Path) -> Iterator[Manta]:
    """Return a simulated Manta whose account has a key."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    write_key(private, home / ".ssh" / "id_rsa")
    double = MantaDouble().start()
    double.add_key(private)
    yield Manta(double, home, md5_id(private))
    double.stop()


@pytest.fixture
def posted(make_daemon: Callable[..., Daemon], manta: Manta) -> Path:
    """Post a picture with five outputs, wait for the uploads, and return the image's folder in the local store."""
    daemon = make_daemon(manta.settings())
    info = daemon.post(f"/p?outputs={','.join(FIVE)}", make_jpeg()).json()
    objects = {path for path, entry in manta.double.tree.entries.items() if not entry.is_directory}
    assert {path.rpartition("/")[2] for path in objects} >= {"original", "info.json"}
    until(lambda: daemon.status()["uploads"]["total"] == 2 + len(FIVE), daemon)
    daemon.wait_for_files(info, FIVE)
    return Path(daemon.store / "p" / info["partitionedHash"])


def test_a_post_with_five_outputs(posted: Path, manta: Manta) -> None:
    """Manta has original and record before the answer, and the outputs soon after, each with its type."""
    base = f"/{manta.double.account}/public/images/p/{'/'.join(posted.parts[-3:])}"
    kept = {path: entry for path, entry in manta.double.tree.entries.items() if not entry.is_directory}
    assert sorted(kept) == sorted(f"{base}/{name}" for name in ["original", "info.json", *FIVE])
    for path, entry in kept.items():
        name = path.rpartition("/")[2]
        assert entry.body == (posted / name).read_bytes()
        special = {"original": "image/jpeg", "info.json": "application/json"}
        assert entry.content_type == (special.get(name) or TYPES[name.rpartition(".")[2]])


@pytest.mark.skipif(shutil.which("node") is None, reason="no node: install nodejs")
@pytest.mark.skipif(not CLIENT.is_dir(), reason="no client: npm install --prefix build/node manta")
def test_the_reference_client_reads_them(posted: Path, manta: Manta) -> None:
    """The reference client's mget reads each file."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(manta.home),
        "MANTA_URL": manta.double.url,
        "MANTA_USER": manta.double.account,
        "MANTA_KEY_ID": manta.key_id,
    }
    for name in ["original", "info.json", *FIVE]:
        path = f"/{manta.double.account}/public/images/p/{'/'.join(posted.parts[-3:])}/{name}"
        line = ["node", "--no-deprecation", str(CLIENT / "bin" / "mget"), "-q", path]
        got = subprocess.run(line, env=environ, capture_output=True, timeout=60, check=True)
        assert got.stdout == (posted / name).read_bytes()


def test_another_node_has_the_picture(make_daemon: Callable[..., Daemon], posted: Path, manta: Manta) -> None:
    """A node with an empty local store downloads originals from Manta."""
    second = make_daemon(manta.settings())
    digits = "".join(posted.parts[-3:])
    assert second.get(f"/p/{digits}/original").body == make_jpeg()
    assert second.get(f"/p/{digits}/x40.png").status == 200


def test_wrong_keys_are_reported_at_the_start(make_daemon: Callable[..., Daemon], manta: Manta) -> None:
    """The log and the status page name the fault, and the daemon serves."""
    manta.double.users[f"/{manta.double.account}"].keys.clear()
    daemon = make_daemon(manta.settings())
    until(lambda: "the test of the remote store failed" in daemon.log.read_text(), daemon)
    assert daemon.post("/p", make_jpeg()).status == 503
    assert daemon.get("/status_check").status == 200


def test_an_erased_picture_is_gone(make_daemon: Callable[..., Daemon], posted: Path, manta: Manta) -> None:
    """No object of it is left but the tombstone, by which another node erases its copy and answers 410."""
    digits = "".join(posted.parts[-3:])
    second, third = make_daemon(manta.settings()), make_daemon(manta.settings())
    assert third.get(f"/p/{digits}/x40.png").status == 200
    third.stop()
    assert request(second.public, "DELETE", f"/p/{digits}").status == 204
    objects = [path for path, entry in manta.double.tree.entries.items() if not entry.is_directory]
    assert [path.rpartition("/")[2].rpartition("-")[0] for path in objects] == [f"p-{digits}"]
    third.start()
    until(lambda: third.get(f"/p/{digits}/x40.png").status == 410, third)
    assert second.post("/p", make_jpeg()).status == 200
    assert not [path for path in manta.double.tree.entries if path.rpartition("/")[2].startswith("p-")]
