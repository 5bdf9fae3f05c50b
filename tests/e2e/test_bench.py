"""The benchmark runs, and its report keeps what people wrote. No figure is compared with anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from figures import Section
from page import BEGIN, END, publish, tables
from source_tree import ROOT
from synthetic import synthesise


def test_each_side_gets_figures(tmp_path: Path) -> None:
    """A short run without peers starts its servers, measures each side, and keeps and prints the figures."""
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(synthesise((1200, 980)))
    options = ["--rounds", "1", "--seconds", "0.2", "--no-install", "--folder", str(tmp_path)]
    program = [sys.executable, str(ROOT / "bench" / "performance.py"), "misses", "hits"]
    command = [*program, *options, "--picture", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    sections = json.loads((tmp_path / "results.json").read_text())
    assert list(sections) == ["misses", "hits"]
    for section in sections.values():
        assert all(value > 0 for figure in section["figures"] for value in figure["values"])
        assert section["title"] in done.stdout
    sides = {figure["side"] for figure in sections["misses"]["figures"]}
    assert {"imaged, pillow", "imaged, magick"} <= sides


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """Each round is compared with the same round of the reference, whose own cell has no ratio."""
    section = Section("hits", "Hits")
    for ours, theirs in ((10, 20), (30, 30), (50, 25)):
        section.add("4 kB", "theirs", "requests/s", theirs, "theirs")
        section.add("4 kB", "ours", "requests/s", ours, "theirs")
    assert "| theirs | 25 |" in tables(section)
    assert "| ours | 30 · 1.00 |" in tables(section)


def test_publishing_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    """The prose before and behind the marks stays."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    section = Section("hits", "Hits")
    section.add("4 kB", "imaged", "requests/s", 1234)
    for _ in range(2):
        publish([section], "One machine.", page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\nOne machine.\n")
    assert text.endswith(f"{END}\nbehind\n")
    assert text.count("| imaged | 1,234 |") == 1
    assert "old" not in text
