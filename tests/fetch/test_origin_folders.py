"""Originals in a folder: no path and no link leads out of it."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.core.errors import NotFoundError, SourceFailedError, SourceTimeoutError, TooLargeError
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_folders import copy_changed
from imaged.fetch.origin_sources import FolderSource
from imaged.fetch.sources import Fetched
from imaged.hooks.host import OwnThreads

BODY = b"a picture" * 100_000
SECRET = b"a secret"

SWAP = """
import os, sys
shoes, aside, secrets = sys.argv[1:]
while True:
    os.rename(shoes, aside)
    os.symlink(secrets, shoes)
    os.unlink(shoes)
    os.rename(aside, shoes)
"""


COPY = """
import sys
from pathlib import Path
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_folders import copy_changed
print(sys.getfilesystemencoding())
copy_changed(sys.argv[1], "\\xe9\\u20ac.jpg", Path(sys.argv[2]), Validators(), 1 << 30)
"""


class Folder:
    """A folder of originals, beside a secret file."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "media"
        (self.root / "shoes").mkdir(parents=True)
        (self.root / "shoes" / "red.jpg").write_bytes(BODY)
        self.secrets = tmp_path / "secrets"
        self.secrets.mkdir()
        (self.secrets / "key").write_bytes(SECRET)
        self.copy = tmp_path / "copy"

    def get(self, path: str, known: Validators | None = None, most_bytes: int = 1 << 30) -> Fetched:
        """Copy a file."""
        return copy_changed(str(self.root), path, self.copy, known or Validators(), most_bytes)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a folder with one picture."""
    return Folder(tmp_path)


def test_a_file_is_copied_with_its_hashes(folder: Folder) -> None:
    """The copy has the bytes of the file."""
    file = folder.get("shoes/red.jpg").file
    assert file is not None
    assert folder.copy.read_bytes() == BODY
    assert (file.md5, file.sha256) == (hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest())


def test_names_are_utf_8_in_any_locale(folder: Folder) -> None:
    """The paths of URLs are; a daemon without a locale would else find no name beyond ASCII."""
    (folder.root / "é€.jpg").write_bytes(BODY)
    plain = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    asked = [sys.executable, "-c", COPY, str(folder.root), str(folder.copy)]
    assert subprocess.run(asked, env=plain, capture_output=True, text=True, check=True).stdout == "ascii\n"
    assert folder.copy.read_bytes() == BODY


def test_a_known_version_is_not_copied_again(folder: Folder) -> None:
    """The time, the size and the inode of a file are its version."""
    known = folder.get("shoes/red.jpg").validators
    assert folder.get("shoes/red.jpg", known) == Fetched(None, known)
    path = folder.root / "shoes" / "red.jpg"
    for change in (
        lambda: os.utime(path, (1, 1)),
        lambda: path.write_bytes(BODY + b"!"),
        lambda: path.with_name("new").write_bytes(BODY) and path.with_name("new").replace(path),
    ):
        change()
        fetched = folder.get("shoes/red.jpg", known)
        assert fetched.file is not None
        known = fetched.validators


def test_a_link_is_not_followed_wherever_it_stands(folder: Folder) -> None:
    """Links to files and folders, out of the folder or within it, absolute or relative, are not there."""
    links = {
        "key": folder.secrets / "key",
        "relative": Path("../secrets/key"),
        "within": Path("shoes/red.jpg"),
        "loop": Path("loop"),
    }
    for name, target in links.items():
        (folder.root / name).symlink_to(target)
    (folder.root / "out").symlink_to(folder.secrets)
    (folder.root / "up").symlink_to("..")
    (folder.root / "in").symlink_to("shoes")
    for path in (*links, "out/key", "up/secrets/key", "in/red.jpg"):
        with pytest.raises(NotFoundError):
            folder.get(path)
    assert not folder.copy.exists()


def test_the_folder_itself_may_be_a_link(folder: Folder, tmp_path: Path) -> None:
    """An operator may name a link, as deployments that swap releases have."""
    (tmp_path / "current").symlink_to(folder.root)
    assert copy_changed(str(tmp_path / "current"), "shoes/red.jpg", folder.copy, Validators(), 1 << 30).file


def test_only_regular_files_are_originals(folder: Folder) -> None:
    """A folder, a FIFO without a writer, a socket and a device are not there, and no read blocks."""
    os.mkfifo(folder.root / "fifo")
    here = os.open(folder.root, os.O_RDONLY)  # the path of a UNIX socket has a short limit
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)
    for path in ("shoes", "fifo", "socket", "missing", "missing/red.jpg", "shoes/red.jpg/x", "x" * 300):
        with pytest.raises(NotFoundError):
            folder.get(path)


def test_a_swapped_folder_does_not_lead_out(folder: Folder) -> None:
    """While another process swaps a folder for a link, a copy has the picture's bytes or none."""
    shoes, aside = folder.root / "shoes", folder.root / "aside"
    (folder.secrets / "red.jpg").write_bytes(SECRET)
    swapping = subprocess.Popen([sys.executable, "-c", SWAP, str(shoes), str(aside), str(folder.secrets)])
    copies = refused = 0
    try:
        while copies < 100 or refused < 20:
            try:
                file = folder.get("shoes/red.jpg").file
                assert file is not None
                assert file.size_bytes == len(BODY)
                copies += 1
            except NotFoundError:
                refused += 1
            assert swapping.poll() is None
    finally:
        swapping.kill()
        swapping.wait()


def test_a_folder_that_cannot_be_opened_is_a_failure(folder: Folder, tmp_path: Path) -> None:
    """An origin without its folder fails: its pictures are not gone."""
    with pytest.raises(SourceFailedError):
        copy_changed(str(tmp_path / "missing"), "a.jpg", folder.copy, Validators(), 1)


def test_a_file_that_is_too_large_is_not_copied(folder: Folder) -> None:
    """The size is known before the first byte."""
    with pytest.raises(TooLargeError):
        folder.get("shoes/red.jpg", most_bytes=len(BODY) - 1)
    assert not folder.copy.stat().st_size


class HangingThreads:
    """Threads whose work ends when the test runs it in `work`."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []
        self.ended = 0

    def run(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Keep the work."""
        result: Deferred[Any] = Deferred()
        self.work.append(lambda: result.callback(function(*args)))
        return result

    def let_go(self) -> None:
        """Count."""
        self.ended += 1


def test_a_folder_that_hangs_is_too_slow(folder: Folder) -> None:
    """Its own threads wait for it, and the client does not. A late copy leaves no file."""
    threads, clock, results = HangingThreads(), Clock(), list[Any]()
    source = FolderSource(str(folder.root), cast(OwnThreads, threads), clock, 10.0, 1 << 30)
    for _ in range(2):
        fetching = Deferred.fromCoroutine(source.fetch("shoes/red.jpg", folder.copy, Validators()))
        fetching.addBoth(results.append)
    clock.advance(9.0)
    threads.work.pop()()
    assert results.pop().file.size_bytes == len(BODY)
    clock.advance(1.0)
    results.pop().trap(SourceTimeoutError)
    folder.copy.unlink()
    threads.work.pop()()
    assert not folder.copy.exists()
    source.close()
    assert threads.ended == 1
