"""Log files that cannot be are faults before the daemon starts, and looking for them leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.logs.files import LogFileError
from imaged.logs.paths import find_fault, try_out

NOBODY = 65_534
"""A user that Linux gives no rights."""


def check(folder: Path, text: str) -> Result:
    """Run `imaged check` on a file of settings."""
    file = folder / "imaged.yaml"
    file.write_text(text)
    return CliRunner().invoke(main, ["check", "-c", str(file)])


def test_a_path_that_cannot_be_is_a_fault_with_its_line(tmp_path: Path) -> None:
    """Of a plain check, which names all of them; nothing is made."""
    done = check(tmp_path, f"log:\n  path: {tmp_path}/missing/log\n  access_path: {tmp_path}\n")
    assert (done.exit_code, done.stdout) == (1, "")
    file = tmp_path / "imaged.yaml"
    assert done.stderr.splitlines() == [
        f"{file}:2: log.path: there is no folder {tmp_path}/missing",
        f"{file}:3: log.access_path: a folder is there: name a file",
    ]
    assert list(tmp_path.iterdir()) == [file]


def test_a_path_that_can_be_is_none(tmp_path: Path) -> None:
    """And no file is made there."""
    done = check(tmp_path, f"log: {{path: {tmp_path}/log}}\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert not (tmp_path / "log").exists()


def test_what_is_around_a_path_is_looked_at(tmp_path: Path) -> None:
    """A link counts as what it points to."""
    (tmp_path / "file").write_text("")
    (tmp_path / "lost").symlink_to(tmp_path / "missing" / "log")
    (tmp_path / "fresh").symlink_to(tmp_path / "log")
    assert find_fault(str(tmp_path / "file")) is None
    assert find_fault(str(tmp_path / "file" / "log")) == f"{tmp_path}/file is no folder"
    assert find_fault(str(tmp_path / "lost")) == f"there is no folder {tmp_path}/missing"
    assert find_fault(str(tmp_path / "fresh")) is None
    assert [find_fault(path) for path in ("/dev/null", "/dev/stderr")] == [None, None]


def test_a_relative_path_begins_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working directory, as the daemon's does."""
    monkeypatch.chdir(tmp_path)
    assert find_fault("log") is None
    assert find_fault("var/log") == f"there is no folder {tmp_path}/var"


def test_what_may_not_be_seen_is_no_fault(tmp_path: Path) -> None:
    """The daemon may be another user. Root may look everywhere, so it looks as somebody else here."""
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    looker = os.geteuid()
    try:
        os.seteuid(looker or NOBODY)
        with pytest.raises(PermissionError):
            (closed / "inner").stat()
        assert find_fault(str(closed / "missing" / "log")) is None
    finally:
        os.seteuid(looker)
        closed.chmod(0o700)


def test_a_trial_leaves_things_as_they_were(tmp_path: Path) -> None:
    """A file that was there keeps its lines, also an empty one; one that was not is gone, a link stays a link."""
    (tmp_path / "old").write_text("a line\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("old", "empty", "fresh", "link"):
        try_out(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "link", "old"]
    assert (tmp_path / "old").read_text() == "a line\n"


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    """In the words of the daemon."""
    with pytest.raises(LogFileError, match=f"cannot write {tmp_path}/missing/log: No such file"):
        try_out(str(tmp_path / "missing" / "log"))
