"""The store on a real exFAT, which has no hard links; as root, with loop devices, exfatprogs and exfat-fuse."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imaged.core.errors import HashConflictError, StoreError
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store import atomic
from imaged.store.disk import MODIFIED_STEP_NS
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
SIZE_BYTES = 16 << 20


def run(*command: str | Path) -> str:
    """Run a command and return its output. Skip the test where the machine refuses it."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"no exFAT: {command[0]}: {ended.stderr.strip()}")
    return ended.stdout.strip()


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system that is mounted there."""
    for program in ("mkfs.exfat", "mount.exfat-fuse", "losetup"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: install exfatprogs, exfat-fuse and mount")
    image, folder = tmp_path / "image", tmp_path / "exfat"
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    folder.mkdir()
    run("mkfs.exfat", image)
    device = run("losetup", "--find", "--show", image)
    try:
        run("mount.exfat-fuse", device, folder)
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def keep(store: LocalStore, body: bytes) -> None:
    """Keep an original."""
    temporary = store.new_temporary()
    atomic.write(temporary, body)
    store.originals.keep(IMAGE, temporary, hashlib.sha256(body).hexdigest())


def fill(path: Path) -> None:
    """Write smaller and smaller files until none fits."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_originals_and_outputs_are_kept(exfat: Path) -> None:
    """The first original of a hash stays, other bytes are refused, outputs are replaced, no temporary file is left."""
    store = LocalStore(exfat / "public", (3, 3))
    store.try_out()
    keep(store, b"first")
    keep(store, b"first")
    with pytest.raises(HashConflictError):
        keep(store, b"other")
    assert store.path(IMAGE, ORIGINAL).read_bytes() == b"first"
    for body in (b"old", b"new"):
        store.variants.save(IMAGE, parse("x30.jpg"), body)
    assert store.path(IMAGE, parse("x30.jpg")).read_bytes() == b"new"
    assert store.path(IMAGE, parse("x30.jpg")).stat().st_mtime_ns % MODIFIED_STEP_NS == 0
    assert list(store.incoming.folder.iterdir()) == []
    assert store.incoming.sweep() == 0
    store.close()


def test_a_store_that_takes_nothing_any_more_says_why(exfat: Path) -> None:
    """A full file system raises an error that says so."""
    with closing(LocalStore(exfat / "public", (3, 3))) as store:
        with pytest.raises(OSError, match="No space left"):
            fill(exfat / "fill")
        with pytest.raises(StoreError, match=r"no files can be kept in .*: No space left"):
            store.try_out()
