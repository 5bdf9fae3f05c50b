"""A file of settings is read whole or refused at once: the daemon does nothing else meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.commands.configuration import MAXIMUM_BYTES, read
from imaged.config.faults import ConfigurationError


def test_what_may_block_or_is_huge_is_not_read(tmp_path: Path) -> None:
    """A pipe that nobody writes to would stop the daemon for good."""
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


def test_a_reference_to_what_may_block_is_a_fault(tmp_path: Path) -> None:
    """At its line, as any reference that leads nowhere."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "imaged.yaml").write_text("images:\n  background: {file: pipe}\n")
    (fault,) = read(tmp_path / "imaged.yaml", []).faults
    assert (fault.line, fault.path) == (2, ("images", "background"))
    assert "not a regular file" in fault.message
