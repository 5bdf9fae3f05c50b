"""Removes the folders of workers, in which a codec that an attacker controls may have made anything."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def remove_folder(folder: Path) -> None:
    """Remove a folder and what it holds, as far as this user may. Raises nothing. Follows no symbolic link.

    Folders within folders are moved to the top first. `shutil.rmtree` calls itself for each level, and so ends with a
    RecursionError when they are nested deep enough; it needs a descriptor for each, too.
    """
    with suppress(OSError), _opened(folder) as top:
        left = _empty(top)
        while left:
            name = left.pop()
            with suppress(OSError):
                with _opened(name, top) as inner:
                    for each in _empty(inner):
                        left.append(_move(each, inner, top))
                os.rmdir(name, dir_fd=top)
    with suppress(OSError):
        folder.rmdir()


def _empty(folder: int) -> list[str]:
    """Remove the files in a folder. Return the names of the folders in it, and make them accessible."""
    folders = []
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.name, 0o700, dir_fd=folder)  # its mode may be 0
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _move(name: str, inner: int, top: int) -> str:
    """Move a folder to the top; return its new name there, which no file has yet."""
    new = secrets.token_hex(16)
    os.rename(name, new, src_dir_fd=inner, dst_dir_fd=top)
    return new


@contextmanager
def _opened(folder: Path | str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
