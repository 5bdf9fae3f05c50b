"""A settings file is read at once or refused: reading must not block the reactor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.commands.configuration import MAXIMUM_BYTES, read
from imaged.config.faults import ConfigurationError


def test_a_file_that_may_block_or_is_huge_is_refused(tmp_path: Path) -> None:
    """A pipe without a writer would block the daemon for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").write_bytes(bytes(MAXIMUM_BYTES + 1))
    for name, reason in (
        ("pipe", "not a regular file"),
        ("huge", "more than"),
        ("gone", "No such file"),
        (".", "not a"),
    ):
        with pytest.raises(ConfigurationError, match=f"cannot be read: {reason}"):
            read(tmp_path / name, [])


def test_a_reference_to_a_pipe_is_a_fault(tmp_path: Path) -> None:
    """With its line, as for a reference to a missing file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "imaged.yaml").write_text("images:\n  background: {file: pipe}\n")
    (fault,) = read(tmp_path / "imaged.yaml", []).faults
    assert (fault.line, fault.path) == (2, ("images", "background"))
    assert "not a regular file" in fault.message
