"""Loading OpenCV leaves the environment of the process as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

if find_spec("cv2") is None:
    pytest.skip("no OpenCV: pip install opencv-python-headless", allow_module_level=True)


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_the_path_of_libraries_stays(before: str | None) -> None:
    """OpenCV's own package would change LD_LIBRARY_PATH for all programs that this process starts."""
    environ = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    environ |= {} if before is None else {"LD_LIBRARY_PATH": before}
    show = "import imaged_opencv.detector, os; print(os.environ.get('LD_LIBRARY_PATH'))"
    done = subprocess.run(
        [sys.executable, "-c", show], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(before)
