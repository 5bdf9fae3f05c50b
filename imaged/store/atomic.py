"""Files that appear whole or not at all, and stay after a power cut.

The steps are those that file systems ask for: write to another name, fsync the file, rename or link it to its own
name, fsync the folder (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). All of it blocks: worker
threads only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write(path: Path, body: bytes) -> None:
    """Write `body` to the new file `path`; remove it again when that fails, as on a full disk."""
    try:
        with path.open("xb") as file:
            file.write(body)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(temporary: Path, final: Path) -> None:
    """Give the file its final name, durably, in place of what had that name; `temporary` is gone afterwards."""
    try:
        fsync(temporary)
        make_folders(final.parent)
        temporary.replace(final)
        fsync(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def keep_first(temporary: Path, final: Path) -> bool:
    """Give the file its final name, durably, unless a file has it already; return whether it was given.

    `temporary` is gone afterwards either way.
    """
    try:
        fsync(temporary)
        make_folders(final.parent)
        try:
            os.link(temporary, final)
        except FileExistsError:
            return False
        fsync(final.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def discard(temporary: Path) -> None:
    """Remove a file that is not to be kept, if it is there.

    Where that fails, as on a read-only file system, it must not hide why the file is not kept; a later start sweeps.
    """
    with suppress(OSError):
        temporary.unlink()


def make_folders(folder: Path) -> None:
    """Make a folder and its parents; each new one is fsynced into the one above it."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    fsync(folder.parent)


def fsync(path: Path) -> None:
    """Have the disk keep what was written to a file, or made in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
