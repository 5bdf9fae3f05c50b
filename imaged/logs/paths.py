"""Whether the log files that the settings name can be: by a look that writes nothing, and by opening them for real."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from imaged.config.faults import KeyPath
from imaged.config.model import Log
from imaged.logs.files import open_files


def paths(settings: Log) -> Mapping[KeyPath, str]:
    """Return the files that are named, by the settings that name them."""
    named = {("log", "path"): settings.path, ("log", "access_path"): settings.access_path}
    return {key: path for key, path in named.items() if path}


def find_fault(path: str) -> str | None:
    """Return why no log file can be at `path`, as far as a look tells: a folder is there, or none is around it.

    What the one who looks may not see is not told: the daemon may be another user.
    """
    folder = Path(os.path.realpath(path)).parent  # the daemon makes what a link points to
    try:
        if (there := _is_folder(Path(path))) is not None:
            return "a folder is there: name a file" if there else None
        around = _is_folder(folder)
    except OSError:
        return None
    return {None: f"there is no folder {folder}", False: f"{folder} is no folder"}.get(around)


def _is_folder(path: Path) -> bool | None:
    """Say whether a folder is there, None where nothing is. Raises OSError where that cannot be seen."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def try_out(path: str) -> None:
    """Open a log file as the daemon does; one that was not there is gone again on return.

    Blocking. Raises LogFileError.
    """
    existed = Path(path).exists()
    open_files(Log(path=path)).close()
    made = Path(os.path.realpath(path))
    if not existed and made.stat().st_size == 0:  # else a daemon that has started meanwhile writes to it
        made.unlink()
