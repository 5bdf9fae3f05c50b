"""What ImageMagick must find in the environment before its library wakes up: it reads these variables once."""

from __future__ import annotations

import os
from pathlib import Path

POLICY = Path(__file__).parent / "policy"
"""The folder of our `policy.xml`."""


def prepare() -> None:
    """Confine ImageMagick to our policy and to one thread for each operation. Call before the first import of wand.

    An operator's own configuration path stays, behind ours. Several pictures are worked on at once, so a second level
    of threads, inside each, would only cost.
    """
    ours, theirs = str(POLICY), os.environ.get("MAGICK_CONFIGURE_PATH", "")
    if ours not in theirs.split(os.pathsep):
        os.environ["MAGICK_CONFIGURE_PATH"] = os.pathsep.join(filter(None, [ours, theirs]))
    os.environ["MAGICK_THREAD_LIMIT"] = "1"
