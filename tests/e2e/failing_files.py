"""A file layer that fails, under a real daemon: `failing_files.c`, compiled, preloaded and controlled."""

from __future__ import annotations

import errno
import mmap
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

SOURCE = Path(__file__).with_suffix(".c")

READS, CHANGES, SYNCS, GROWS = 1, 2, 4, 8
"""Kinds of operations: those that only read, that change without more space, that wait for the disk, and that grow."""

_HEAD = struct.Struct("@6i")
_SIZE = _HEAD.size + 1024

NAMES = {
    r"public/\.incoming/.+": "temporary file",
    r"public/\.erased/.+": "tombstone",
    r"public/.+/original": "original",
    r"public/.+/info\.json": "record",
    r"public/.+\.\w+": "output",
    r".+/\.?owners/.+": "owner's file",
    r"state/jobs\.sqlite": "queue",
    r"state/jobs\.sqlite-.+": "queue's log",
    r"state/trial": "trial of the queue",
}
"""What a file is, by its path; all other paths are folders."""


@dataclass(frozen=True)
class Fault:
    """What happens at an operation: an error of this number once or from there on, or with 0 the end of the process."""

    name: str
    error: int
    kinds: int
    lasts: bool = False


EIO = Fault("EIO", errno.EIO, READS | CHANGES | SYNCS | GROWS)
FULL = Fault("ENOSPC", errno.ENOSPC, SYNCS | GROWS, lasts=True)
KILL = Fault("SIGKILL", 0, CHANGES | SYNCS | GROWS)
FAULTS = (EIO, FULL, KILL)


class FailingFiles:
    """Lets one file operation below `folder` fail in each process with `environ`. Skip without a C compiler."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler: install gcc and libc6-dev")
        library, control = scratch / "failing_files.so", scratch / "control"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if "stdio.h: No such file" in compiled.stderr:
            pytest.skip("no C library to compile with: install libc6-dev")
        assert compiled.returncode == 0, compiled.stderr
        control.write_bytes(bytes(_SIZE))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _SIZE)
        self.environ = {
            "LD_PRELOAD": str(library),
            "IMAGED_FAULT_BELOW": str(folder),
            "IMAGED_FAULT_CONTROL": str(control),
        }

    def arm(self, fault: Fault, at: int) -> Self:
        """Let the operation of this number fail, from 1; each counts that the fault can happen to."""
        self._control[:] = _HEAD.pack(fault.error, fault.lasts, fault.kinds, at, 0, 0).ljust(_SIZE, b"\0")
        return self

    @property
    def struck(self) -> str:
        """Which operation has failed, as in `fsync queue's log`; empty before."""
        *_, struck = _HEAD.unpack_from(self._control)
        if not struck:
            return ""
        what, _, path = self._control[_HEAD.size :].rstrip(b"\0").decode().partition(" ")
        name = next((name for pattern, name in NAMES.items() if re.fullmatch(pattern, path)), "folder")
        return f"{what} {name}"

    def disarm(self) -> str:
        """Let no operation fail any more; return which one has."""
        struck = self.struck
        self._control[:] = bytes(_SIZE)
        return struck

    def close(self) -> None:
        """Unmap the control file."""
        self._control.close()
