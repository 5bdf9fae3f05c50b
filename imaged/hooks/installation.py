"""What is installed: this program and its version, the plugins, and how to install the packages of a plugin.

The distribution is `imaged-server`: `imaged` on PyPI is another project of the same import name, and no message may
make an operator install that.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import EntryPoint, entry_points, requires, version

DISTRIBUTION = "imaged-server"
VERSION = version(DISTRIBUTION)

GROUP = "imaged"
"""The entry-point group of plugins."""

_DEBIAN_FOLDER = "/dist-packages/"  # of Debian's packages; others are in site-packages


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of all installed plugins by name, sorted."""
    return {each.name: each for each in sorted(entry_points(group=GROUP), key=lambda each: each.name)}


def how_to_install(extra: str, debian: str, here: str = __file__, python: str = sys.executable) -> str:
    """Return the command that installs the packages of a plugin where imaged is: at `here`, run by `python`.

    `extra` is one of our extras, `debian` the names of the same packages in Debian.
    """
    if _DEBIAN_FOLDER in here:
        return f"apt install {debian}"
    # Packages by name: with an extra, pip would look for our distribution, which is on no index.
    return shlex.join([python, "-m", "pip", "install", *packages(extra)])


def packages(extra: str) -> list[str]:
    """Return the requirements of one of our extras, such as `boto3>=1.37`."""
    found = [re.fullmatch(r"(.+?)\s*; extra == [\"'](.+)[\"']", each) for each in requires(DISTRIBUTION) or ()]
    return [each[1] for each in found if each and each[2] == extra]
