"""What is quick to start, or small in memory, does not import large libraries that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

LARGE = {"cryptography", "jinja2", "pydantic", "sqlite3", "twisted", "wand", "yaml"}

COMMAND = """
from imaged.cli import main
main([{option!r}], standalone_mode=False)
"""

TEMPLATE = """
import imaged.workers.template
"""

PROCESSOR = """
import imaged_magick
from imaged.testing.fakes import make_host
imaged_magick.imaged_processor(make_host("magick", renders=False))
"""


def imported(program: str) -> set[str]:
    """Return the modules that a program imports."""
    listing = f"import sys\n{program}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_text_about_the_program_needs_no_large_library(option: str) -> None:
    """`imaged --help` and `--version` import neither Twisted nor pydantic, ImageMagick, YAML and SQLite."""
    modules = imported(COMMAND.format(option=option))
    assert "click" in modules
    assert not modules & LARGE


def test_a_template_imports_what_workers_need() -> None:
    """Each worker has a template's modules: no network, no settings, no YAML, no pages."""
    modules = imported(TEMPLATE)
    assert "imaged.workers.worker_main" in modules
    assert not modules & (LARGE - {"pydantic", "twisted"})
    assert not modules & {"asyncio", "imaged.config.model", "twisted.internet", "twisted.web"}


def test_the_daemon_loads_no_processor_that_worker_processes_run() -> None:
    """Where worker processes render, the daemon has the processor `magick` without ImageMagick."""
    assert "wand" not in imported(PROCESSOR)
