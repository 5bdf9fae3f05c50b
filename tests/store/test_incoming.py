"""What comes in belongs to somebody: what is left of one that is gone is removed, and nothing else."""

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

from imaged.owners import realm
from imaged.store.incoming import LONGEST_S, OWNERS, Incoming

ELSEWHERE = f"r{'0' * 12}-1-{'0' * 8}"
"""An owner on another machine: its process id is that of any container's first process."""

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
    """Return the folder where files grow."""
    incoming = Incoming(tmp_path / "incoming")
    yield incoming
    incoming.close()


def receive(folder: Path) -> subprocess.Popen[str]:
    """Start a process to which a file comes in, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVES, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "growing\n"
    return process


def leave(folder: Path, name: str, *, old: bool = False) -> Path:
    """Leave a file, last written now or long ago."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"half a picture")
    if old:
        long_ago = time.time() - LONGEST_S - 60
        os.utime(folder / name, (long_ago, long_ago))
    return folder / name


def test_new_files_have_names_of_their_own(incoming: Incoming) -> None:
    """No two that come in share a name, and each tells its owner, which no earlier program takes for a process id."""
    names = {incoming.new().name for _ in range(100)}
    assert len(names) == 100
    assert {name.partition(".")[0] for name in names} == {incoming.owner_name()}
    assert not incoming.owner_name()[0].isdigit()


def test_what_another_process_receives_is_left_alone(incoming: Incoming) -> None:
    """Until it is killed: its lock is free then, whatever its number was, and both its files go."""
    with receive(incoming.folder) as other:
        assert incoming.sweep() == 0
        assert len(list(incoming.folder.iterdir())) == 1
        other.kill()
    assert incoming.sweep() == 1
    assert list(incoming.folder.iterdir()) == []
    assert [path.name for path in incoming.folder.with_name(OWNERS).iterdir()] == [incoming.owner_name()]


def test_what_this_process_receives_is_left_alone(incoming: Incoming) -> None:
    """By its own sweep, and by that of another generation of its settings."""
    incoming.new().write_bytes(b"half a picture")
    other = Incoming(incoming.folder)
    assert (incoming.sweep(), other.sweep()) == (0, 0)
    other.close()
    assert incoming.sweep() == 0
    assert len(list(incoming.folder.iterdir())) == 1


def test_an_owner_whose_lock_proves_nothing_has_a_day(incoming: Incoming) -> None:
    """A free lock of another machine may be one that it alone sees; so is a file without an owner's file left alone."""
    owners = incoming.folder.with_name(OWNERS)
    kept = [leave(owners, ELSEWHERE), leave(incoming.folder, f"{ELSEWHERE}.{1:016x}")]
    kept += [leave(incoming.folder, f"{realm(owners)}-1-{5:08x}.{2:016x}"), leave(incoming.folder, f"1-{3:016x}")]
    old = [leave(incoming.folder, f"{ELSEWHERE}.{4:016x}", old=True), leave(incoming.folder, f"1-{5:016x}", old=True)]
    old.append(leave(owners, f"{ELSEWHERE[:-1]}1", old=True))
    assert incoming.sweep() == 2
    assert [path.exists() for path in kept] == [True] * 4
    assert [path.exists() for path in old] == [False] * 3


def test_an_owner_elsewhere_whose_lock_is_seen_has_all_the_time(incoming: Incoming) -> None:
    """Over NFS with locks, what has not grown for long may still be waited for."""
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
    """On a file system that has none, files come in all the same, and only what is old is removed."""

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


def test_what_this_program_never_named_is_not_its_own(incoming: Incoming) -> None:
    """However old it is."""
    names = ["notes.txt", ".keep", "-0d", "12-short", f"{'r' * 13}-1-2.3"]
    for name in names:
        leave(incoming.folder, name, old=True)
    assert incoming.sweep() == 0
    assert sorted(path.name for path in incoming.folder.iterdir()) == sorted(names)


def test_a_folder_that_was_never_made_has_nothing_to_sweep(incoming: Incoming) -> None:
    """The first start of all."""
    assert incoming.sweep() == 0
    assert not incoming.folder.exists()


def test_who_has_left_is_known_no_more(incoming: Incoming) -> None:
    """Closing removes the owner's file; so does the end of whoever forgot to close."""
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
