"""Each temporary file has an owner. The files of an owner that has ended are removed, and no others."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaged.store.incoming import LONGEST_S, NO_REALM, OWNERS, Incoming

ELSEWHERE = f"r{'0' * 12}-1-{'0' * 8}"
"""An owner on another machine, with the process id of any container's first process."""

RECEIVES = """
import sys
from pathlib import Path
from imaged.store.incoming import Incoming
incoming = Incoming(Path(sys.argv[1]))
incoming.new().write_bytes(b"half a picture")
print("growing", flush=True)
input()
"""


@pytest.fixture
def incoming(tmp_path: Path) -> Iterator[Incoming]:
    """Return a folder of temporary files."""
    incoming = Incoming(tmp_path / "incoming")
    yield incoming
    incoming.close()


def receive(folder: Path) -> subprocess.Popen[str]:
    """Start a process that writes a temporary file, and wait until the file exists."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVES, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "growing\n"
    return process


def leave(folder: Path, name: str, *, old: bool = False) -> Path:
    """Create a file that was last written now or long ago."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"half a picture")
    if old:
        long_ago = time.time() - LONGEST_S - 60
        os.utime(folder / name, (long_ago, long_ago))
    return folder / name


def test_new_files_have_names_of_their_own(incoming: Incoming) -> None:
    """No two files share a name. Each name begins with its owner, which older programs do not read as a process id."""
    names = {incoming.new().name for _ in range(100)}
    assert len(names) == 100
    assert {name.partition(".")[0] for name in names} == {incoming.owner_name()}
    assert not incoming.owner_name()[0].isdigit()


def test_the_files_of_another_process_are_kept(incoming: Incoming) -> None:
    """After it is killed, its lock is free, and its temporary file and its lock file are removed."""
    with receive(incoming.folder) as other:
        assert incoming.sweep() == 0
        assert len(list(incoming.folder.iterdir())) == 1
        other.kill()
    assert incoming.sweep() == 1
    assert list(incoming.folder.iterdir()) == []
    assert [path.name for path in incoming.folder.with_name(OWNERS).iterdir()] == [incoming.owner_name()]


def test_the_files_of_this_process_are_kept(incoming: Incoming) -> None:
    """Neither its own sweep nor that of another generation removes its files."""
    incoming.new().write_bytes(b"half a picture")
    other = Incoming(incoming.folder)
    assert (incoming.sweep(), other.sweep()) == (0, 0)
    other.close()
    assert incoming.sweep() == 0
    assert len(list(incoming.folder.iterdir())) == 1


def test_an_owner_whose_lock_proves_nothing_has_a_day(incoming: Incoming) -> None:
    """A free lock of another machine proves nothing, nor does its missing lock file: those files are kept for a day."""
    owners = incoming.folder.with_name(OWNERS)
    kept = [leave(owners, ELSEWHERE), leave(incoming.folder, f"{ELSEWHERE}.{1:016x}")]
    kept += [leave(incoming.folder, f"{NO_REALM}-1-{5:08x}.{2:016x}"), leave(incoming.folder, f"1-{3:016x}")]
    old = [leave(incoming.folder, f"{ELSEWHERE}.{4:016x}", old=True), leave(incoming.folder, f"1-{5:016x}", old=True)]
    old.append(leave(owners, f"{ELSEWHERE[:-1]}1", old=True))
    assert incoming.sweep() == 2
    assert [path.exists() for path in kept] == [True] * 4
    assert [path.exists() for path in old] == [False] * 3


def test_an_owner_of_this_realm_without_a_lock_file_has_ended(incoming: Incoming) -> None:
    """A file that a closed owner could not remove is removed, and so are those that a killed sweep left."""
    closed = Incoming(incoming.folder)
    closed.new().write_bytes(b"half a picture")
    closed.close()
    assert incoming.sweep() == 1
    assert list(incoming.folder.iterdir()) == []


def test_an_owner_elsewhere_whose_lock_is_seen_has_all_the_time(incoming: Incoming) -> None:
    """Over NFS with locks, the file of a running owner is kept, however old it is."""
    lock = leave(incoming.folder.with_name(OWNERS), ELSEWHERE, old=True)
    file = leave(incoming.folder, f"{ELSEWHERE}.{1:016x}", old=True)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert incoming.sweep() == 0
    assert file.exists()
    assert lock.exists()
    assert incoming.sweep() == 1
    assert not lock.exists()


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS])
def test_without_locks_age_alone_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """On a file system without locks, files can be written, and only old ones are removed."""

    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    incoming, other = Incoming(tmp_path / "incoming"), Incoming(tmp_path / "incoming")
    incoming.new().write_bytes(b"half a picture")
    assert not incoming.has_locks
    leave(incoming.folder, f"{other.owner_name()}.{1:016x}", old=True)
    assert other.owner_name() != incoming.owner_name()
    assert incoming.sweep() == 1
    assert other.sweep() == 0
    assert len(list(incoming.folder.iterdir())) == 1


def test_files_with_other_names_are_kept(incoming: Incoming) -> None:
    """A file with another kind of name is kept, however old it is."""
    names = ["notes.txt", ".keep", "-0d", "12-short", f"{'r' * 13}-1-2.3"]
    for name in names:
        leave(incoming.folder, name, old=True)
    assert incoming.sweep() == 0
    assert sorted(path.name for path in incoming.folder.iterdir()) == sorted(names)


def test_a_folder_that_was_never_made_has_nothing_to_sweep(incoming: Incoming) -> None:
    """At the first start there is no folder, and the sweep creates none."""
    assert incoming.sweep() == 0
    assert not incoming.folder.exists()


def test_a_closed_owner_is_unknown(incoming: Incoming) -> None:
    """Closing removes the lock file, and so does the garbage collector."""
    forgetful = Incoming(incoming.folder)
    forgetful.new()
    name = forgetful.owner_name()
    assert incoming.new()
    assert incoming.has_owner(name)
    del forgetful
    assert not incoming.has_owner(name)
    assert incoming.has_owner(incoming.owner_name())
    incoming.close()
    assert list(incoming.folder.with_name(OWNERS).iterdir()) == []
