"""This program as it was installed: its version, and how to install beside it what a plugin needs.

The distribution is `imaged-server`, since `imaged` on PyPI is another project of the same import name: nothing here may
have anybody install that.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import requires, version

DISTRIBUTION = "imaged-server"
VERSION = version(DISTRIBUTION)

_DEBIAN_FOLDER = "/dist-packages/"  # where Debian's packages are; everybody else's are in site-packages


def how_to_install(extra: str, debian: str, here: str = __file__, python: str = sys.executable) -> str:
    """Return the command that brings what a plugin needs to where imaged is: `here`, run by `python`.

    `extra` is one of ours, and `debian` names the packages of Debian that have the same.
    """
    if _DEBIAN_FOLDER in here:
        return f"apt install {debian}"
    # Its packages by their own names: an extra would have pip look for our distribution, which is on no index.
    return shlex.join([python, "-m", "pip", "install", *packages(extra)])


def packages(extra: str) -> list[str]:
    """Return what an extra of ours asks for, each as pip takes it: `boto3>=1.37`."""
    found = [re.fullmatch(r"(.+?)\s*; extra == [\"'](.+)[\"']", each) for each in requires(DISTRIBUTION) or ()]
    return [each[1] for each in found if each and each[2] == extra]
