"""Tries a store with everything that it needs of its file systems."""

from __future__ import annotations

from pathlib import Path

from imaged.core.errors import StoreError
from imaged.store import atomic
from imaged.store.incoming import Incoming

TRIAL_BYTES = 65_536
"""How much a trial writes: a full disk may still have room for a few bytes."""


def try_out(root: Path, incoming: Incoming) -> None:
    """Keep and replace files below `root` and in each namespace on another file system. Raises StoreError. Blocking."""
    try:
        device = _try_out(incoming, incoming.new())
        for folder in root.glob("[!.]*/"):
            if folder.stat().st_dev != device:
                there = folder / incoming.folder.name
                there.mkdir(exist_ok=True)
                _try_out(incoming, there / incoming.new().name)
    except OSError as error:
        raise StoreError(f"no files can be kept in {root}: {error.strerror}") from error


def _try_out(incoming: Incoming, final: Path) -> int:
    """Keep the first of two files under the name `final`, then replace it; return the device that it was on."""
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
        return final.stat().st_dev
    finally:
        for path in (*trials, final):
            atomic.discard(path)
