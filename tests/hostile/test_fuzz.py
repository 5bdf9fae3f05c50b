"""The fuzzer finds what it looks for, and finds it again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_case import make_case
from good_pictures import good_pictures
from mutation import take_apart

from imaged.testing.pictures import make_png

HERE = Path(__file__).parent
PLUGINS = HERE.parent / "e2e"
SEED = 7


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with the metadata of the plugin `hostile`."""
    about = tmp_path / "site" / "hostile-1.dist-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text("[imaged]\nhostile = imaged_hostile\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    return about.parent


def fuzz(*options: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer on one process."""
    command = [sys.executable, str(HERE / "fuzz.py"), "--seed", str(SEED), "--processes", "1", *options]
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{PLUGINS}" if site else ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit_with_0", "exit-0"),
        ("eat_memory", "error"),
        ("sleep", "hang"),
    ],
)
def test_what_goes_wrong_is_saved(site: Path, tmp_path: Path, deed: str, kind: str) -> None:
    """A crash, an exit, an unknown error and a hang are saved with the picture and the step, and printed."""
    folder, kept = tmp_path / "pictures", tmp_path / "kept"
    folder.mkdir()
    order = f"hostile identify {deed} 0"
    picture = folder / "picture"
    picture.write_bytes(make_png(comment=order))
    cases = (make_case(SEED, number, {str(picture): picture.read_bytes()}) for number in range(100))
    number, case = next((number, case) for number, case in enumerate(cases) if order.encode() in case.body)
    options = [
        "--pictures",
        str(folder),
        "--keep",
        str(kept),
        "--processor",
        "hostile",
        "--hangs-after-s",
        "3" if kind == "hang" else "60",
    ]
    done = fuzz(*options, "--only", str(number), site=site)
    assert (done.returncode, done.stderr) == (1, "")
    assert f" at identify, case {number}: " in done.stdout
    assert f"{1 + (deed == 'eat_memory')} findings" in done.stdout  # memory beyond the bound is another one
    assert (kept / f"{kind}-{SEED}-{number}.picture").read_bytes() == case.body
    assert f"--seed {SEED} --only {number}" in (kept / f"{kind}-{SEED}-{number}.txt").read_text()


def test_each_finding_has_its_own_picture(site: Path, tmp_path: Path) -> None:
    """Among many cases, the picture that is saved is the one that the processor failed on."""
    folder, kept = tmp_path / "pictures", tmp_path / "kept"
    folder.mkdir()
    order = "hostile identify read_files 0"
    (folder / "bad").write_bytes(make_png(comment=order))
    (folder / "good").write_bytes(make_png(comment="no order"))
    done = fuzz("--seconds", "4", "--pictures", str(folder), "--keep", str(kept), "--processor", "hostile", site=site)
    assert (done.returncode, done.stderr) == (1, "")
    pictures = [path.read_bytes() for path in kept.glob("error-*.picture")]
    assert pictures
    assert all(order.encode() in each for each in pictures)


def test_a_sound_processor_passes(tmp_path: Path) -> None:
    """The fuzzer runs cases until its time is over, and finds nothing in the processor of the default settings."""
    done = fuzz("--seconds", "4", "--keep", str(tmp_path / "kept"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert int(done.stdout.splitlines()[-1].split()[0]) > 0
    assert not (tmp_path / "kept").exists()


def test_a_case_is_its_number() -> None:
    """The same seed and number make the same case, and others another."""
    pictures = good_pictures()
    cases = [make_case(SEED, number, pictures) for number in range(200)]
    assert cases == [make_case(SEED, number, pictures) for number in range(200)]
    assert len({case.body for case in cases}) > 190
    assert cases[0] != make_case(SEED + 1, 0, pictures)


@pytest.mark.parametrize("name", sorted(good_pictures()))
def test_parts_make_the_same_file(name: str) -> None:
    """A picture that is taken apart and put together is the same: its lengths and checksums are those of its parts."""
    body = good_pictures()[name]
    pieces = take_apart(body)
    assert len(pieces.parts) > 1 or name.startswith("webp")
    assert pieces.join(pieces.parts) == body
