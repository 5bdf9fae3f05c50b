"""Checks of the log files that the settings name: one that writes nothing, and one that opens them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from imaged.config.faults import KeyPath
from imaged.config.model import LogSettings
from imaged.logs.files import open_files


def paths(settings: LogSettings) -> Mapping[KeyPath, str]:
    """Return the paths of the log files by the settings that name them."""
    named = {("log", "path"): settings.path, ("log", "access_path"): settings.access_path}
    return {key: path for key, path in named.items() if path}


def find_fault(path: str) -> str | None:
    """Return why no log file can be at `path`, None if nothing is known against it. Writes nothing.

    A place that this user may not read is no fault: the daemon may run as another user.
    """
    folder = Path(os.path.realpath(path)).parent  # the daemon creates the target of a link
    try:
        if (there := _is_folder(Path(path))) is not None:
            return "a folder is there: name a file" if there else None
        around = _is_folder(folder)
    except OSError:
        return None
    return {None: f"there is no folder {folder}", False: f"{folder} is no folder"}.get(around)


def _is_folder(path: Path) -> bool | None:
    """Say whether `path` is a folder, None if nothing is there. Raises OSError if this user may not look."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def try_out(path: str) -> None:
    """Open a log file as the daemon does, and remove it again if it is new. Blocking. Raises LogFileError."""
    existed = Path(path).exists()
    open_files(LogSettings(path=path)).close()
    made = Path(os.path.realpath(path))
    if not existed and made.stat().st_size == 0:  # otherwise a daemon that started meanwhile writes to it
        made.unlink()
