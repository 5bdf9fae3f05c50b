"""Find and read the settings: the file, the environment, and `--set`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from imaged.config.faults import ConfigurationError, Fault
from imaged.config.load import Loaded, load

HERE = Path("etc/imaged.yaml")
SYSTEM = Path("/etc/imaged/imaged.yaml")
BUILT_IN = "built-in defaults"

MAXIMUM_BYTES = 1 << 20
"""The maximum size of the settings, and of a file with one value: a megabyte of YAML takes seconds to parse."""


def find(given: str | None) -> Path | None:
    """Return the file to read: `given`, else $IMAGED_CONFIG, `etc/imaged.yaml`, or the system's, or None."""
    if named := given or os.environ.get("IMAGED_CONFIG"):
        return Path(named)
    return next((path for path in (HERE, SYSTEM) if path.is_file()), None)


def read(path: Path | None, overrides: Sequence[str]) -> Loaded:
    """Read the settings. Raises ConfigurationError when the file itself cannot be read."""
    try:
        text = b"" if path is None else _read(path)
    except OSError as error:
        raise ConfigurationError([Fault(str(path), None, (), f"cannot be read: {error.strerror}")]) from error
    name = BUILT_IN if path is None else str(path)
    return load(text, name, overrides, environ=os.environ, read_bytes=lambda name: _read(Path(name)))


def read_settings(config: str | None, overrides: tuple[str, ...]) -> Loaded:
    """Read the settings; exit with a message when their file cannot be read."""
    try:
        return read(find(config), overrides)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error


def _read(path: Path) -> bytes:
    """Read a file on the reactor thread. Refuses what may block it: a pipe or a device, or a huge file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size > MAXIMUM_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAXIMUM_BYTES} bytes")
    return path.read_bytes()
