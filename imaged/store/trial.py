"""Tries a store with everything that it needs of its file systems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage

from imaged.core.disk_errors import disk_error
from imaged.core.errors import StoreError
from imaged.store import atomic
from imaged.store.incoming import Incoming

TRIAL_BYTES = 65_536
"""How much a trial writes: a full disk may still have room for a few bytes."""


STORE = ""
"""The place of the store itself; the others are namespaces on file systems of their own."""


@dataclass(frozen=True)
class Trial:
    """How a file system took files: its error, or None; its free bytes, and all of them, 0 where they are unknown."""

    error: StoreError | None
    free_bytes: int = 0
    total_bytes: int = 0


def try_out(root: Path, incoming: Incoming) -> dict[str, Trial]:
    """Keep and replace files below `root`, and in each namespace on another file system; return a trial of each place.

    While the store itself takes no files, no namespace does, and none is tried. Blocking.
    """
    store = _try_place(root, incoming, incoming.folder)
    if store.error is not None:
        return {STORE: store}
    try:
        device = incoming.folder.stat().st_dev
        mounted = [folder for folder in root.glob("[!.]*/") if folder.stat().st_dev != device]
    except OSError as error:
        return {STORE: replace(store, error=disk_error(f"the folders of {root} cannot be read", error))}
    places = {folder.name: _try_place(folder, incoming, folder / incoming.folder.name) for folder in mounted}
    return {STORE: store, **places}


def _try_place(place: Path, incoming: Incoming, folder: Path) -> Trial:
    found: StoreError | None = None
    try:
        temporary = incoming.new()
        folder.mkdir(exist_ok=True)
        _try_folder(incoming, folder / temporary.name)
    except OSError as error:
        found = disk_error(f"no files can be kept in {place}", error)
    except StoreError as error:
        found = error
    try:
        usage = disk_usage(place)
    except OSError:
        return Trial(found)
    return Trial(found, usage.free, usage.total)


def _try_folder(incoming: Incoming, final: Path) -> None:
    """Keep the first of two files under the name `final`, then replace it."""
    trials = [incoming.new() for _ in range(3)]
    try:
        for trial in trials:
            atomic.write(trial, trial.name.encode() if trial is not trials[0] else bytes(TRIAL_BYTES))
        kept = [atomic.keep_first(trial, final) for trial in trials[:2]]
        if kept != [True, False] or final.stat().st_size != TRIAL_BYTES:
            raise StoreError(f"{final.parent} replaces an existing file although it must not: use another file system")
        atomic.replace(trials[2], final)
        if final.read_bytes() != trials[2].name.encode():
            raise StoreError(f"{final.parent} cannot replace a file with another: use another file system")
    finally:
        for path in (*trials, final):
            atomic.discard(path)
