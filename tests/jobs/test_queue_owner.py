"""A file lock shows which owners run: the kernel releases it when its process ends in any way."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaged.jobs.queue_owner import QueueOwner

LIVES = """
import sys
from pathlib import Path
from imaged.jobs.queue_owner import QueueOwner
owner = QueueOwner(Path(sys.argv[1]))
print(owner.name, flush=True)
input()
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[QueueOwner]:
    """Return this process as an owner."""
    owner = QueueOwner(tmp_path / "owners")
    yield owner
    owner.close()


def test_an_owner_is_gone_when_it_has_closed(owner: QueueOwner, tmp_path: Path) -> None:
    """Two open owners see each other, also within one process."""
    other = QueueOwner(tmp_path / "owners")
    assert owner.others() == [other.name]
    assert not owner.is_gone(other.name)
    assert not other.is_gone(owner.name)
    other.close()
    assert owner.others() == []
    assert owner.is_gone(other.name)


def test_a_killed_process_is_gone(owner: QueueOwner, tmp_path: Path) -> None:
    """`kill -9` leaves the file without its lock; the next check removes the file."""
    arguments = [sys.executable, "-c", LIVES, str(tmp_path / "owners")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert not owner.is_gone(name)
        process.kill()
    assert owner.others() == [name]
    assert owner.is_gone(name)
    assert owner.others() == []


def test_an_owner_is_not_gone_to_itself(owner: QueueOwner) -> None:
    """An owner never counts itself as ended."""
    assert not owner.is_gone(owner.name)
    assert owner.others() == []


def test_an_owner_without_a_file_is_gone(owner: QueueOwner) -> None:
    """An owner without a file has ended."""
    assert owner.is_gone("4242-00000000")


def test_an_owner_taken_for_dead_at_its_birth_is_born_again(
    owner: QueueOwner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process removes an owner's file before it is locked, the owner creates another."""
    real = fcntl.flock
    victims: list[str] = []

    def look_first(file: object, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not victims:
            victims.extend(owner.others())
            assert all(owner.is_gone(name) for name in victims)
        real(file, operation)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", look_first)
    late = QueueOwner(tmp_path / "owners")
    assert len(victims) == 1
    assert late.name not in victims
    assert owner.others() == [late.name]
    assert not owner.is_gone(late.name)
    late.close()
