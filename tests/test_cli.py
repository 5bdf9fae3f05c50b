"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.commands import configuration
from imaged.hooks.installation import VERSION

FIVE_FAULTS = """\
listen: "tcp:7000:interface=127.0.0.1"
images:
  maximum_widht: 100
  outputs: [nonsense]
render:
  queue: many
store: {path: a, partitions: [3, 40]}
uploader: nowhere
"""
SHIPPED = Path(__file__).parents[1] / "etc" / "imaged.yaml"


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGED_CONFIG", raising=False)
    monkeypatch.setattr(configuration, "SYSTEM", tmp_path / "system.yaml")


def test_check_prints_every_fault_on_its_line(tmp_path: Path) -> None:
    """Five faults are five lines on standard error, in the order of the file, and the exit status is 1."""
    path = tmp_path / "bad.yaml"
    path.write_text(FIVE_FAULTS)
    result = invoke("check", "-c", str(path))
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines] == [
        ["3", "images.maximum_widht"],
        ["4", "images.outputs.0"],
        ["6", "render.queue"],
        ["7", "store.partitions.1"],
        ["8", "uploader"],
    ]
    assert 'did you mean "maximum_width"?' in lines[0]


def test_check_accepts_a_good_file() -> None:
    """The shipped file is good."""
    result = invoke("check", "-c", str(SHIPPED))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{SHIPPED}: OK\n", "")


def test_check_without_a_file_checks_the_defaults() -> None:
    """A file is optional."""
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (0, "built-in defaults: OK\n")


def test_a_file_that_cannot_be_read_is_a_fault() -> None:
    """Every command that reads the file reports it."""
    for command in (("check",), ("config", "show")):
        result = invoke(*command, "-c", "missing.yaml")
        assert result.exit_code == 1
        assert "missing.yaml: cannot be read: No such file or directory" in result.output


def test_the_first_file_found_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is -c, $IMAGED_CONFIG, etc/imaged.yaml, /etc/imaged/imaged.yaml."""
    paths = [tmp_path / "system.yaml", tmp_path / "etc" / "imaged.yaml", tmp_path / "env.yaml", tmp_path / "given.yaml"]
    (tmp_path / "etc").mkdir()
    for number, path in enumerate(paths):
        path.write_text(f"state_dir: number_{number}\n")
        if path.name == "env.yaml":
            monkeypatch.setenv("IMAGED_CONFIG", str(path))
        given = ("-c", str(path)) if path.name == "given.yaml" else ()
        assert yaml.safe_load(invoke("config", "show", *given).stdout)["state_dir"] == f"number_{number}"


def test_a_setting_is_overridden() -> None:
    """The last option for a setting wins, and a fault names the option."""
    sets = ["--set", "render.queue=5", "--set", "render.queue=6", "--set", "images.outputs=[x1.jpg]"]
    shown = invoke("config", "show", *sets)
    settings = yaml.safe_load(shown.stdout)
    assert (settings["render"]["queue"], settings["images"]["outputs"]) == (6, ["x1.jpg"])
    result = invoke("check", "--set", "render.queue=many")
    assert result.exit_code == 1
    assert result.stderr.startswith("--set: render.queue: ")


def test_show_hides_the_values_of_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References are printed as they are written."""
    monkeypatch.setenv("STATE", "hunter2")
    (tmp_path / "secret").write_text("hunter3\n")
    (tmp_path / "a.yaml").write_text("state_dir: {env: STATE}\nplugins: {noop: {key: {file: secret}}}\n")
    result = invoke("config", "show", "-c", "a.yaml")
    assert "hunter" not in result.output
    shown = yaml.safe_load(result.stdout)
    assert shown["state_dir"] == {"env": "STATE"}
    assert shown["plugins"] == {"noop": {"key": {"file": "secret"}}}


def test_the_output_of_show_can_be_read_again(tmp_path: Path) -> None:
    """`config show` prints valid settings."""
    shown = invoke("config", "show", "-c", str(SHIPPED)).stdout
    (tmp_path / "shown.yaml").write_text(shown)
    assert invoke("config", "show", "-c", "shown.yaml").stdout == shown


def test_show_prints_the_faults_of_a_bad_file(tmp_path: Path) -> None:
    """`config show` prints the same faults as `check`."""
    (tmp_path / "a.yaml").write_text("nonsense: 1\n")
    result = invoke("config", "show", "-c", "a.yaml")
    assert result.exit_code == 1
    assert result.output.startswith("a.yaml:1: nonsense: unknown key")


def test_the_schema_is_json() -> None:
    """It has every setting."""
    schema = json.loads(invoke("config", "schema").stdout)
    assert schema["type"] == "object"
    assert set(schema["properties"]) == set(yaml.safe_load(invoke("config", "show").stdout))


def test_plugins_lists_installed_plugins() -> None:
    """It prints name, module and distribution of each."""
    result = invoke("plugins")
    assert result.exit_code == 0
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert ["noop", "imaged_noop", f"imaged-server {VERSION}"] in rows
    assert ["magick", "imaged_magick", f"imaged-server {VERSION}"] in rows
    assert rows == sorted(rows)


def test_plugins_lists_the_options_of_one() -> None:
    """It prints the type, bounds, default and description of each."""
    result = invoke("plugins", "graphite")
    assert result.exit_code == 0
    assert "  interval_s (a whole number, at least 1, at most 3600; default: 10)\n      The seconds" in result.stdout
    assert "(one of auto, path, virtual; default: none)" in invoke("plugins", "s3").stdout
    assert "bucket (text; required)" in invoke("plugins", "s3").stdout
    assert invoke("plugins", "noop").stdout == "plugins.noop: there is nothing to set.\n"


def test_an_unknown_plugin_is_reported_with_the_nearest_name() -> None:
    """The message also lists the installed plugins."""
    result = invoke("plugins", "magik")
    assert result.exit_code == 1
    assert str(result.exception).startswith(
        "no plugin is called 'magik'; did you mean \"magick\"?; installed: graphite, "
    )


def test_the_schema_has_the_options_of_plugins() -> None:
    """Each may be a scalar or a reference, as every setting."""
    plugins = json.loads(invoke("config", "schema").stdout)["properties"]["plugins"]["properties"]
    interval, reference = plugins["graphite"]["properties"]["interval_s"]["anyOf"]
    assert (interval["maximum"], set(reference["properties"])) == (3600, {"env", "file"})
    assert plugins["s3"]["required"] == ["bucket"]


def test_version() -> None:
    """It is the version of the distribution."""
    assert invoke("--version").stdout == f"imaged, version {VERSION}\n"


def test_long_options_take_hyphens_and_underscores() -> None:
    """As in image-server 1.x; values are not changed."""

    @click.command()
    @click.option("--base-path")
    def command(base_path: str) -> None:
        click.echo(base_path)

    group = click.Group("imaged", commands={"command": command}, context_settings=main.context_settings)
    for option in ("--base-path", "--base_path"):
        assert CliRunner().invoke(group, ["command", option, "a_b-c"]).stdout == "a_b-c\n"


@pytest.mark.parametrize("arguments", [("nonsense",), ("check", "--nonsense"), ("check", "more"), ("run", "-c")])
def test_a_wrong_command_line_exits_with_2(arguments: tuple[str, ...]) -> None:
    """The message goes to standard error."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Error:" in result.stderr


def test_run_prints_why_it_cannot_start(tmp_path: Path) -> None:
    """Faults in the settings are lines on standard error, without a traceback, and the exit status is 1."""
    path = tmp_path / "bad.yaml"
    path.write_text(FIVE_FAULTS)
    command = [sys.executable, "-m", "imaged", "run", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=os.environ)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith(str(path))] == list("34678")
