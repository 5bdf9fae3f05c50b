"""The command line of a batch, before its first item."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.commands import configuration


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGED_CONFIG", raising=False)
    monkeypatch.setattr(configuration, "SYSTEM", tmp_path / "system.yaml")


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("option", ["--remote_base_path", "--outputs", "--namespace"])
def test_options_before_another_command_are_refused(option: str) -> None:
    """Options of a batch before another command are an error."""
    result = invoke(option, "x", "check")
    assert result.exit_code == 2
    assert f"{option.replace('_', '-')} goes with the command process alone" in result.output
    assert invoke("check").exit_code == 0


def test_inputs_are_required() -> None:
    """A batch without inputs is an error and does not wait for the terminal."""
    result = invoke("process", "--outputs", "x1.jpg")
    assert result.exit_code == 2
    assert "INPUT" in result.output
