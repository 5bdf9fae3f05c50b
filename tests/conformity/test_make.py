"""The development servers of the Makefile: variables of image-server 1.x become settings, and secrets references."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from source_tree import ROOT

S3 = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_KEY": "hunter2", "AWS_BUCKET": "pictures"}
MANTA = {"MANTA_URL": "https://manta", "MANTA_USER": "me", "MANTA_KEY_ID": "aa:bb"}
MORE = {
    "IMG_OUTPUTS": "x300.jpg,w500.jpg",
    "IMG_REMOTE_BASE_PATH": "public",
    "IMG_MANTA_BASE_PATH": "stor",
    "SDC_IDENTITY": "/keys/id_rsa",
}
EACH = (
    "run -c etc/imaged.yaml --set listen=tcp:7000:interface=127.0.0.1 "
    '--set sources.allow_networks=[127.0.0.0/8, "::1/128"] '
    "--set status.try_page=true --set status.timing_header=true"
)

MADE = [word for stamp in ("ready", "fast", "s3", "manta", "tools") for word in ("-o", f".venv/{stamp}")]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(target: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Make a target with these variables alone, and with `echo` in place of imaged."""
    command = ["make", "--no-print-directory", *MADE, target, "IMAGED=echo"]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment)


S3_SETTINGS = (
    " --set uploader=s3 --set plugins.s3.access_key_id={env: AWS_ACCESS_KEY_ID}"
    " --set plugins.s3.secret_access_key={env: AWS_SECRET_KEY} --set plugins.s3.bucket={env: AWS_BUCKET}"
)
MANTA_SETTINGS = (
    " --set uploader=manta --set plugins.manta.url={env: MANTA_URL}"
    " --set plugins.manta.account={env: MANTA_USER} --set plugins.manta.key_id={env: MANTA_KEY_ID}"
    " --set plugins.manta.key_file={env: SDC_IDENTITY} --set remote.base_path={env: IMG_MANTA_BASE_PATH}"
    " --set images.outputs=[x300.jpg,w500.jpg]"
)


@pytest.mark.parametrize(
    ("target", "variables", "settings"),
    [
        ("dev-server", {}, ""),
        ("dev-server-s3", S3, S3_SETTINGS),
        ("dev-server-manta", MANTA | MORE, MANTA_SETTINGS),
    ],
)
def test_variables_become_settings(target: str, variables: dict[str, str], settings: str) -> None:
    """Each variable that is set becomes a setting with a reference to it."""
    done = make(target, variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip() == EACH + settings


@pytest.mark.parametrize(("target", "needed"), [("dev-server-s3", S3), ("dev-server-manta", MANTA)])
def test_variables_that_are_missing_are_named(target: str, needed: dict[str, str]) -> None:
    """Make names all of them at once, and runs nothing."""
    first, *rest = needed
    done = make(target, {first: needed[first], rest[0]: ""})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"which lacks {' '.join(rest)}." in done.stderr


def test_run_has_the_page_that_takes_pictures() -> None:
    """`make run` turns the try page on and has the other settings of the file."""
    assert make("run", {}).stdout.rstrip() == "run -c etc/imaged.yaml --set status.try_page=true"


def planned(target: str, tmp_path: Path) -> str:
    """Return the commands of make for a target in a fresh checkout, on a system with all packages."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "--dry-run", "-o", "system", target]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    return ended.stdout


def test_each_target_installs_what_it_needs(tmp_path: Path) -> None:
    """`make test` installs the development tools, and each server of an uploader installs its library."""
    assert re.findall(r"--editable '(.*)'", planned("run", tmp_path)) == ["."]
    assert re.findall(r"--editable '(.*)'", planned("test", tmp_path)) == [".", ".[dev]"]
    assert re.findall(r"--editable '(.*)'", planned("dev-server-s3", tmp_path)) == [".", ".[s3]"]
    assert re.findall(r"--editable '(.*)'", planned("dev-server-manta", tmp_path)) == [".", ".[manta]"]


def test_help_lists_them() -> None:
    """`make` lists the development servers with the other targets."""
    lines = make("help", {}).stdout.splitlines()
    assert {"dev-server", "dev-server-s3", "dev-server-manta", "test"} <= {
        line.split()[1] for line in lines if line.startswith("  make ")
    }
