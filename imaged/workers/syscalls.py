"""System calls that Python has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_PR_SET_NAME = 15
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


def name_process(name: str) -> None:
    """Name this process for `ps -o comm` and `top`, in at most 15 bytes, where the system can."""
    text = ctypes.create_string_buffer(name.encode())
    with suppress(OSError):
        prctl(_PR_SET_NAME, ctypes.addressof(text))
