"""The simulated Manta works with the reference client, and refuses what Manta refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from manta import MantaDouble
from manta_identity import md5_id, write_key
from source_tree import ROOT

CLIENT = ROOT / "build" / "node" / "node_modules" / "manta"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="no node: install nodejs"),
    pytest.mark.skipif(not CLIENT.is_dir(), reason="no client: npm install --prefix build/node manta"),
]

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    """Return a private key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def manta(private: rsa.RSAPrivateKey) -> Iterator[MantaDouble]:
    """Return a simulated Manta with the key for its account and for a user."""
    double = MantaDouble().start()
    double.add_key(private)
    double.add_key(private, user="fred", roles=("writer",))
    yield double
    double.stop()


@pytest.fixture
def run(manta: MantaDouble, private: rsa.RSAPrivateKey, tmp_path: Path) -> Run:
    """Return a function that runs a program of the client, with the key in its home folder."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    write_key(private, tmp_path / ".ssh" / "id_rsa")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MANTA_URL": manta.url,
        "MANTA_USER": manta.account,
        "MANTA_KEY_ID": md5_id(private),
    }

    def run(program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        line = ["node", "--no-deprecation", str(CLIENT / "bin" / program), *arguments]
        return subprocess.run(line, env={**environ, **more}, cwd=tmp_path, capture_output=True, timeout=30, check=False)

    return run


def test_it_puts_lists_gets_and_removes(run: Run, manta: MantaDouble, tmp_path: Path) -> None:
    """The reference client can do everything that the plugin does."""
    body = bytes(range(256)) * 999
    (tmp_path / "picture.png").write_bytes(body)
    for line in (
        ("mmkdir", "-p", "/poseidon/stor/a/b"),
        ("mput", "-q", "-f", "picture.png", "/poseidon/stor/a/b/picture.png"),
        ("mget", "-q", "-o", "back.png", "/poseidon/stor/a/b/picture.png"),
    ):
        ended = run(*line)
        assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "back.png").read_bytes() == body
    entry = manta.tree.entries["/poseidon/stor/a/b/picture.png"]
    assert (entry.body, entry.content_type) == (body, "image/png")
    assert run("mls", "/poseidon/stor/a").stdout == b"b/\n"
    assert run("mls", "/poseidon/stor/a/b").stdout == b"picture.png\n"
    assert entry.md5.encode() in run("minfo", "/poseidon/stor/a/b/picture.png").stdout
    assert run("mrm", "/poseidon/stor/a/b/picture.png").returncode == 0
    assert run("mrmdir", "/poseidon/stor/a/b").returncode == 0
    assert list(manta.tree.entries) == ["/poseidon/stor/a"]


def test_it_lists_over_pages(run: Run, manta: MantaDouble) -> None:
    """Each page after the first begins with the last name of the page before."""
    manta.tree.put_directory("/poseidon/stor/many")
    for number in range(2100):
        manta.tree.put_object(f"/poseidon/stor/many/{number:04}", b"", {})
    listed = run("mls", "/poseidon/stor/many").stdout.decode().split()
    assert listed == [f"{number:04}" for number in range(2100)]
    assert len([asked for asked in manta.received if asked.method == "GET"]) > 2


def test_it_acts_as_a_user_in_a_role(run: Run, manta: MantaDouble) -> None:
    """A user may write with a role, and not without."""
    assert run("mmkdir", "/poseidon/stor/a", MANTA_SUBUSER="fred", MANTA_ROLE="writer").returncode == 0
    assert "/poseidon/fred/keys/" in manta.received[-1].headers["authorization"]
    assert b"NoMatchingRoleTag" in run("mmkdir", "/poseidon/stor/b", MANTA_SUBUSER="fred").stderr


def test_errors_have_codes(run: Run, manta: MantaDouble) -> None:
    """Refused requests have the error codes of Manta."""
    assert b"DirectoryDoesNotExist" in run("mmkdir", "/poseidon/stor/no/such").stderr
    assert b"NotFound" in run("mget", "-q", "/poseidon/stor/nothing").stderr
    assert b"AccountDoesNotExist" in run("mls", "/poseidon/stor", MANTA_USER="jo").stderr
    manta.users["/poseidon"].keys.clear()
    assert b"KeyDoesNotExist" in run("mls", "/poseidon/stor").stderr
