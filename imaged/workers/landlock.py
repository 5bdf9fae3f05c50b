"""Landlock: this process keeps to the files that it is given, landlock(7). Linux only; no privilege is needed.

Reading metadata (stat) and changing it (chmod, utime) is outside of what Landlock covers.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from imaged.workers.syscalls import call

# System calls have these numbers on every architecture of Linux but Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

# <linux/landlock.h>
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14

_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights there are to files since an ABI. Later ABIs have more; none is granted by its number alone."""
_NETWORK = (4, 0b11)  # bind and connect of TCP since ABI 4
_SCOPES = (6, 0b11)  # abstract UNIX sockets and signals since ABI 6

READ = _READ_FILE | _READ_DIR
USE = _READ_FILE | _WRITE_FILE
"""Read and write a file that exists, such as a device."""
OWN = READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER
"""Everything with files and folders; no links, sockets, devices or programs."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE


def abi() -> int:
    """Return the version of the kernel's interface, 1 or higher. Raises OSError where Landlock is not in effect."""
    return _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))


def restrict(grants: Iterable[tuple[Path, int]], version: int) -> None:
    """Deny this process every right that this ABI has, but for those granted at a path and below it.

    Irreversible. The process needs PR_SET_NO_NEW_PRIVS. A path that does not exist, or that this user cannot reach,
    is left out. Raises OSError.
    """
    files = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= version)) - 1
    network, scopes = (bits if since <= version else 0 for since, bits in (_NETWORK, _SCOPES))
    attributes = struct.pack("=QQQ", files, network, scopes)  # an older kernel takes more bytes if they are zero
    ruleset = _syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    try:
        for path, rights in grants:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                _grant(ruleset, path, rights & files)
        _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _grant(ruleset: int, path: Path, rights: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not S_ISDIR(os.fstat(opened).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, opened)
        _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
    finally:
        os.close(opened)


def _syscall(number: int, *arguments: object) -> int:
    return call("syscall", ctypes.c_long(number), *arguments)
