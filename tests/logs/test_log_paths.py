"""Paths where no log file can be are faults before the daemon starts; a check leaves no file behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.logs.paths import find_fault, try_out
from imaged.logs.streams import LogFileError

OTHER_USER = 65_534
"""A user without rights."""


def check(folder: Path, text: str) -> Result:
    """Run `imaged check` on these settings."""
    file = folder / "imaged.yaml"
    file.write_text(text)
    return CliRunner().invoke(main, ["check", "-c", str(file)])


def test_a_path_that_cannot_be_is_a_fault_with_its_line(tmp_path: Path) -> None:
    """`imaged check` names every one, and creates nothing."""
    done = check(tmp_path, f"log:\n  path: {tmp_path}/missing/log\n  access_path: {tmp_path}\n")
    assert (done.exit_code, done.stdout) == (1, "")
    file = tmp_path / "imaged.yaml"
    assert done.stderr.splitlines() == [
        f"{file}:2: log.path: there is no folder {tmp_path}/missing",
        f"{file}:3: log.access_path: a folder is there: name a file",
    ]
    assert list(tmp_path.iterdir()) == [file]


def test_a_good_path_is_no_fault(tmp_path: Path) -> None:
    """The check creates no file there."""
    done = check(tmp_path, f"log: {{path: {tmp_path}/log}}\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert not (tmp_path / "log").exists()


def test_the_folder_of_a_path_is_checked(tmp_path: Path) -> None:
    """A link counts as its target."""
    (tmp_path / "file").write_text("")
    (tmp_path / "lost").symlink_to(tmp_path / "missing" / "log")
    (tmp_path / "fresh").symlink_to(tmp_path / "log")
    assert find_fault(str(tmp_path / "file")) is None
    assert find_fault(str(tmp_path / "file" / "log")) == f"{tmp_path}/file is no folder"
    assert find_fault(str(tmp_path / "lost")) == f"there is no folder {tmp_path}/missing"
    assert find_fault(str(tmp_path / "fresh")) is None
    assert [find_fault(path) for path in ("/dev/null", "/dev/stderr")] == [None, None]


def test_a_relative_path_begins_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's does, too."""
    monkeypatch.chdir(tmp_path)
    assert find_fault("log") is None
    assert find_fault("var/log") == f"there is no folder {tmp_path}/var"


def test_a_place_that_this_user_may_not_read_is_no_fault(tmp_path: Path) -> None:
    """The daemon may run as another user. Root may read everything, so the test changes its user."""
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    looker = os.geteuid()
    try:
        os.seteuid(looker or OTHER_USER)
        with pytest.raises(PermissionError):
            (closed / "inner").stat()
        assert find_fault(str(closed / "missing" / "log")) is None
    finally:
        os.seteuid(looker)
        closed.chmod(0o700)


def test_a_trial_leaves_things_as_they_were(tmp_path: Path) -> None:
    """An old file keeps its lines, an empty one stays, a new one is removed, and a link stays a link."""
    (tmp_path / "old").write_text("a line\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("old", "empty", "fresh", "link"):
        try_out(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "link", "old"]
    assert (tmp_path / "old").read_text() == "a line\n"


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    """It has the daemon's message."""
    with pytest.raises(LogFileError, match=f"cannot write {tmp_path}/missing/log: No such file"):
        try_out(str(tmp_path / "missing" / "log"))
