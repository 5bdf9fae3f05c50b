"""The environment variables that ImageMagick reads once, when its library is loaded."""

from __future__ import annotations

import os
from pathlib import Path

POLICY = Path(__file__).parent / "policy"
"""The folder of our `policy.xml`."""


def configure_environment() -> None:
    """Select our policy, and one thread for each operation. Call this before the first import of wand.

    The operator's own configuration path is kept, after ours. One thread is enough: the daemon renders several pictures
    at once.
    """
    ours, theirs = str(POLICY), os.environ.get("MAGICK_CONFIGURE_PATH", "")
    if ours not in theirs.split(os.pathsep):
        os.environ["MAGICK_CONFIGURE_PATH"] = os.pathsep.join(filter(None, [ours, theirs]))
    os.environ["MAGICK_THREAD_LIMIT"] = "1"
