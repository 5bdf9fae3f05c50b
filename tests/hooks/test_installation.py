"""The message about a missing package has the command that installs it where imaged is."""

from __future__ import annotations

import pytest

from imaged.hooks.installation import how_to_install

DEBIAN = "/usr/lib/python3/dist-packages/imaged/hooks/installation.py"
VENV = "/opt/my apps/lib/python3.13/site-packages/imaged/hooks/installation.py"


def test_the_debian_package_names_apt() -> None:
    """Debian's Python refuses pip (PEP 668)."""
    assert how_to_install("s3", "python3-boto3", DEBIAN, "/usr/bin/python3") == "apt install python3-boto3"


@pytest.mark.parametrize("here", [VENV, "/home/jo/imaged/imaged/hooks/installation.py"])
def test_other_installations_name_pip_of_this_interpreter(here: str) -> None:
    """The command is fit for a shell, and has the library's own name: our distribution is on no index."""
    told = how_to_install("prometheus", "python3-prometheus-client", here, "/opt/my apps/bin/python")
    assert told == "'/opt/my apps/bin/python' -m pip install 'prometheus-client>=0.21'"
