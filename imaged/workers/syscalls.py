"""System calls that Python has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> int:
    """Call a function of the C library.

    Raises OSError with its error number, or with ENOSYS where the library has no such function.
    """
    try:
        found = getattr(_libc, function)
    except AttributeError as error:
        raise OSError(38, f"{function}: this system has no such call") from error
    result: int = found(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int) -> int:
    """Change an attribute of this process. Linux only."""
    zero = ctypes.c_ulong(0)
    return call("prctl", ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)
