"""`docs/manta.md` matches the plugin."""

from __future__ import annotations

import re
import subprocess
import sys

from source_tree import ROOT

from imaged.config.load import load
from imaged_manta.client import Timeouts
from imaged_manta.options import Options

PAGE = (ROOT / "docs" / "manta.md").read_text(encoding="utf-8")


def test_the_example_is_valid() -> None:
    """The example loads, except its key file, which the test removes."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    loaded = load(example, "imaged.yaml", environ={}, read_bytes=str.encode)
    assert loaded.faults == ()
    section = dict(loaded.settings.plugins["manta"])
    assert section.pop("key_file")
    assert Options(**section).account == "jo"
    assert loaded.settings.remote.base_path.startswith("public/")


def test_every_option_is_on_the_page() -> None:
    """The table has a row for each option."""
    named = re.findall(r"^\| `(\w+)` \| [a-z]", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(Options.model_fields)
    assert f"{Timeouts().idle_s:g} seconds" in PAGE


def test_a_missing_extra_is_reported() -> None:
    """Without the extra, loading the plugin fails with the command that installs it."""
    program = "import sys; sys.modules['urllib3'] = None; import imaged_manta"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = ended.stderr.splitlines()[-1]
    command = f"{sys.executable} -m pip install 'bcrypt>=4.2' 'cryptography>=43' 'urllib3>=2.3'"
    assert last == f"ImportError: urllib3 is missing: {command}"
