"""Files appear complete or not at all, and survive."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event

import pytest

from imaged.store import atomic
from imaged.store.incoming import Incoming

MEGABYTE = 1 << 20
WRITER = """
import itertools, sys
from pathlib import Path
from imaged.store import atomic
from imaged.store.incoming import Incoming
root = Path(sys.argv[1])
incoming = Incoming(root / "incoming")
for turn in itertools.count():
    temporary = incoming.new()
    atomic.write(temporary, bytes([turn % 256]) * (4 << 20))
    atomic.replace(temporary, root / "a" / "final")
    print(turn, flush=True)
"""


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow past `size_bytes`: the kernel refuses, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def incoming(tmp_path: Path) -> Incoming:
    """Return the folder of temporary files."""
    return Incoming(tmp_path / "incoming")


def new(incoming: Incoming, body: bytes) -> Path:
    """Write a temporary file."""
    temporary = incoming.new()
    atomic.write(temporary, body)
    return temporary


def test_replacing_takes_the_place_of_the_old_file(incoming: Incoming, tmp_path: Path) -> None:
    """Missing folders are created, the final name has the new bytes, and the temporary file is gone."""
    final = tmp_path / "a" / "b" / "final"
    for body in (b"old", b"new"):
        atomic.replace(new(incoming, body), final)
        assert final.read_bytes() == body
    assert list(incoming.folder.iterdir()) == []


def test_readers_see_whole_files_only(incoming: Incoming, tmp_path: Path) -> None:
    """A reader that opens a file while it is replaced again and again reads one complete version."""
    final = tmp_path / "final"
    atomic.replace(new(incoming, b"0" * MEGABYTE), final)
    ended = Event()

    def read() -> set[tuple[int, bool]]:
        seen = set()
        while not ended.is_set():
            body = final.read_bytes()
            seen.add((len(body), body == body[:1] * len(body)))
        return seen

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        for turn in range(40):
            atomic.replace(new(incoming, bytes([turn]) * MEGABYTE), final)
        ended.set()
        assert reading.result() == {(MEGABYTE, True)}


def test_a_killed_writer_leaves_no_half_file(tmp_path: Path) -> None:
    """After `kill -9` during a write, the final name has complete bytes, and temporary files can be swept."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.kill()
    body = (tmp_path / "a" / "final").read_bytes()
    assert body == body[:1] * (4 << 20)
    incoming = Incoming(tmp_path / "incoming")
    assert incoming.sweep() <= 1
    assert list(incoming.folder.iterdir()) == []


def test_a_disk_that_takes_no_more_leaves_nothing_behind(incoming: Incoming) -> None:
    """A write that fails half way raises, and the incomplete file is removed."""
    path = incoming.new()
    with file_size_limit(MEGABYTE), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        atomic.write(path, b"0" * 2 * MEGABYTE)
    assert list(incoming.folder.iterdir()) == []


def test_a_name_that_cannot_be_given_leaves_nothing_behind(incoming: Incoming, tmp_path: Path) -> None:
    """Where a file has the name of a needed folder, both functions raise and remove the temporary file."""
    (tmp_path / "a").write_bytes(b"in the way")
    with pytest.raises(NotADirectoryError):
        atomic.replace(new(incoming, b"body"), tmp_path / "a" / "final")
    with pytest.raises(NotADirectoryError):
        atomic.keep_first(new(incoming, b"body"), tmp_path / "a" / "final")
    assert list(incoming.folder.iterdir()) == []


def test_the_first_is_kept(incoming: Incoming, tmp_path: Path) -> None:
    """A second file of the same name is refused and removed, and the first is unchanged."""
    final = tmp_path / "a" / "final"
    assert atomic.keep_first(new(incoming, b"first"), final)
    assert not atomic.keep_first(new(incoming, b"second"), final)
    assert final.read_bytes() == b"first"
    assert list(incoming.folder.iterdir()) == []


def test_of_many_at_once_exactly_one_is_kept(incoming: Incoming, tmp_path: Path) -> None:
    """Of many threads that race for a name, one gets it, and the file has that thread's bytes."""
    threads = 8

    def race(turn: int, number: int, start: Barrier) -> bool:
        temporary = new(incoming, b"%d" % number)
        start.wait()
        return atomic.keep_first(temporary, tmp_path / str(turn) / "final")

    with ThreadPoolExecutor(threads) as pool:
        for turn in range(10):
            start = Barrier(threads)
            kept = list(pool.map(race, [turn] * threads, range(threads), [start] * threads))
            assert kept.count(True) == 1
            assert (tmp_path / str(turn) / "final").read_bytes() == b"%d" % kept.index(True)
    assert list(incoming.folder.iterdir()) == []


@pytest.mark.parametrize("give", [atomic.replace, atomic.keep_first])
def test_bytes_names_and_folders_are_synced(
    incoming: Incoming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give: object
) -> None:
    """The bytes are fsynced before the name is given; the name and each new folder are fsynced afterwards."""
    real, final, synced = os.fsync, tmp_path / "a" / "b" / "final", []

    def record(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), final.exists()))
        real(descriptor)

    temporary = new(incoming, b"body")
    monkeypatch.setattr(os, "fsync", record)
    assert callable(give)
    give(temporary, final)
    assert synced == [
        (str(temporary), False),
        (str(tmp_path), False),
        (str(tmp_path / "a"), False),
        (str(tmp_path / "a" / "b"), True),
    ]


@pytest.fixture(params=[errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def _no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the system refuse hard links, as exFAT, FUSE and SMB do."""

    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("_no_links")
def test_the_first_is_kept_without_hard_links(incoming: Incoming, tmp_path: Path) -> None:
    """Of many files at once exactly one is kept, complete, and the others are removed."""
    threads = 8

    def race(number: int, start: Barrier) -> bool:
        temporary = new(incoming, b"%d" % number)
        start.wait()
        return atomic.keep_first(temporary, tmp_path / "a" / "final")

    with ThreadPoolExecutor(threads) as pool:
        kept = list(pool.map(race, range(threads), [Barrier(threads)] * threads))
    assert kept.count(True) == 1
    assert (tmp_path / "a" / "final").read_bytes() == b"%d" % kept.index(True)
    assert list(incoming.folder.iterdir()) == []


KEEPS = """
import errno, os, sys
from pathlib import Path
def refuse(*_): raise OSError(errno.EPERM, "no links")
os.link = refuse
from imaged.store import atomic
from imaged.store.incoming import Incoming
root = Path(sys.argv[1])
incoming = Incoming(root / "incoming")
print("ready", flush=True)
input()
for turn in range(50):
    temporary = incoming.new()
    atomic.write(temporary, sys.argv[2].encode())
    print(int(atomic.keep_first(temporary, root / "a" / str(turn))))
"""


def test_processes_keep_one_first_without_hard_links(tmp_path: Path) -> None:
    """Processes race for fifty names: each is given once, and the file has the winner's bytes."""
    command = [sys.executable, "-c", KEEPS, str(tmp_path)]
    racers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abc"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    kept = [racer.communicate()[0].split() for racer in racers]
    for turn in range(50):
        given = [name for name, results in zip("abc", kept, strict=True) if results[turn] == "1"]
        assert given == [(tmp_path / "a" / str(turn)).read_text()]


@pytest.fixture
def elsewhere(tmp_path: Path, other_file_system: Path) -> Path:
    """Return the folder of a namespace on another file system."""
    (tmp_path / "p").symlink_to(other_file_system)
    return tmp_path / "p"


def test_a_name_on_another_file_system_is_given_in_one_step(incoming: Incoming, elsewhere: Path) -> None:
    """The file is first copied there under a temporary name, which is gone afterwards."""
    final = elsewhere / "a" / "final"
    assert atomic.keep_first(new(incoming, b"first"), final)
    assert not atomic.keep_first(new(incoming, b"second"), final)
    assert final.read_bytes() == b"first"
    atomic.replace(new(incoming, b"third"), final)
    assert final.read_bytes() == b"third"
    assert sorted(path.name for path in elsewhere.rglob("*") if path.is_file()) == ["final"]
    assert list(incoming.folder.iterdir()) == []
    leave = elsewhere / incoming.folder.name / f"1-{0:016x}"  # of a copy that a kill broke off long ago
    leave.touch()
    os.utime(leave, (0, 0))
    assert incoming.sweep() == 1


def test_folders_that_cannot_be_synced_are_no_obstacle(
    incoming: Incoming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused fsync of a folder is ignored, as on SMB and some FUSE; a refused fsync of a file raises."""
    real, kinds = os.fsync, {"folder": errno.EINVAL}

    def refuse(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        if kind in kinds:
            raise OSError(kinds[kind], os.strerror(kinds[kind]))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    assert atomic.keep_first(new(incoming, b"body"), tmp_path / "a" / "final")
    kinds["file"] = errno.EIO
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        atomic.replace(new(incoming, b"body"), tmp_path / "a" / "final")
