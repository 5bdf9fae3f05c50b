"""Seccomp: system calls that a codec has no use for fail with EPERM, seccomp(2). Linux only; no privilege is needed.

The filter denies what is listed and allows the rest, since libraries call what their versions like. libseccomp compiles
it for the machine's architecture; a call of another one (32-bit on a 64-bit kernel) kills the process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from errno import ENOSYS, EPERM
from functools import cache

# <seccomp.h>
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERROR = 0x00050000
_BAD_ARCHITECTURE, _ALL_THREADS, _OPTIMIZE = 2, 4, 8
_UNKNOWN = -1

DENIED = """
    socket socketpair bind connect listen accept accept4 setsockopt
    fork vfork execve execveat setsid setpgid
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open pidfd_getfd
    pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate mknod mknodat
    utime utimes utimensat futimesat setxattr lsetxattr fsetxattr setxattrat
    removexattr lremovexattr fremovexattr removexattrat file_setattr
    mount umount umount2 pivot_root chroot unshare setns fsopen fsconfig fsmount fspick move_mount open_tree
    open_tree_attr mount_setattr name_to_handle_at open_by_handle_at quotactl quotactl_fd swapon swapoff
    setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset personality
    setpriority ioprio_set sched_setscheduler sched_setparam sched_setattr migrate_pages move_pages
    bpf perf_event_open seccomp userfaultfd io_uring_setup io_uring_enter io_uring_register vmsplice
    add_key request_key keyctl memfd_create memfd_secret
    shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    inotify_init inotify_init1 inotify_add_watch fanotify_init fanotify_mark
    init_module finit_module delete_module kexec_load kexec_file_load reboot
    settimeofday stime clock_settime clock_adjtime clock_adjtime64 clock_settime64 adjtimex
    sethostname setdomainname acct syslog vhangup iopl ioperm modify_ldt uselib lookup_dcookie
    sync syncfs
""".split()  # noqa: SIM905 - as a list of strings, it has a line for each of them
"""Calls that fail whatever their arguments are. An architecture without one of them does not need the rule."""

SINCE_LIBRARY = {
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
"""Numbers, the same everywhere, of calls that are newer than libseccomp 2.5."""


class _Compare(IntEnum):
    NOT_EQUAL = 1
    MASKED_EQUAL = 7


class _Argument(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("compare", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class _Rule:
    """A call that fails when an argument, counted from 0, compares so with a value, or with a mask and a value."""

    name: str
    index: int
    compare: _Compare
    first: int
    second: int = 0


_CLONE_THREAD = 0x00010000
_PR_SET_PDEATHSIG = 1
_F_SETSIG, _F_SETOWN, _F_SETOWN_EX = 10, 8, 15
_FIOSETOWN, _SIOCSPGRP, _TIOCSTI, _TIOCSCTTY, _TIOCLINUX = 0x8901, 0x8902, 0x5412, 0x540E, 0x541C


def _rules() -> Iterator[_Rule]:
    flags = 1 if os.uname().machine.startswith("s390") else 0  # where the flags of clone are
    yield _Rule("clone", flags, _Compare.MASKED_EQUAL, _CLONE_THREAD, 0)  # a new process
    for name in ("prlimit64", "sched_setaffinity"):  # 0 is this process
        yield _Rule(name, 0, _Compare.NOT_EQUAL, 0)
    yield _Rule("sendto", 4, _Compare.NOT_EQUAL, 0)  # to an address; send() has none
    yield _is("prctl", 0, _PR_SET_PDEATHSIG)
    for command in (_F_SETSIG, _F_SETOWN, _F_SETOWN_EX):  # signals to others when a descriptor is ready
        yield _is("fcntl", 1, command)
    for request in (_FIOSETOWN, _SIOCSPGRP, _TIOCSTI, _TIOCSCTTY, _TIOCLINUX):
        yield _is("ioctl", 1, request)


def _rules_of(pid: int) -> Iterator[_Rule]:
    for name in ("kill", "tkill", "tgkill"):  # abort() signals its own process
        yield _Rule(name, 0, _Compare.NOT_EQUAL, pid)


def _is(name: str, index: int, value: int) -> _Rule:
    """Compare an argument of 32 bits. The kernel ignores the upper half of the register, so the filter has to."""
    return _Rule(name, index, _Compare.MASKED_EQUAL, 0xFFFFFFFF, value)


@cache
def library() -> ctypes.CDLL:
    """Return libseccomp. Raises OSError where it is not installed."""
    found = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    found.seccomp_init.argtypes = [ctypes.c_uint32]
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    found.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    found.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Argument),
    ]
    found.seccomp_load.argtypes = [ctypes.c_void_p]
    return found


@cache
def prepare() -> int:
    """Return a filter of the rules that all processes share, which forked processes inherit. Raises OSError."""
    seccomp = library()
    filter: int | None = seccomp.seccomp_init(_ALLOW)
    if not filter:
        raise OSError(ENOSYS, "libseccomp does not know this architecture")
    _check(seccomp.seccomp_attr_set(filter, _BAD_ARCHITECTURE, _KILL_PROCESS), "bad architecture")
    _check(seccomp.seccomp_attr_set(filter, _ALL_THREADS, 1), "threads")
    seccomp.seccomp_attr_set(filter, _OPTIMIZE, 2)  # a binary tree; libseccomp before 2.5 has a list
    for name in DENIED:
        _add(filter, name, EPERM)
    _add(filter, "clone3", ENOSYS)  # its flags are in memory; the C library takes clone instead
    for rule in _rules():
        _add(filter, rule.name, EPERM, rule)
    return filter


def deny_calls() -> None:
    """Let this process, and the threads that it will start, make the allowed calls alone. Irreversible, once.

    Raises OSError where libseccomp is not installed, or the kernel refuses the filter.
    """
    filter = prepare()
    for rule in _rules_of(os.getpid()):
        _add(filter, rule.name, EPERM, rule)
    _check(library().seccomp_load(filter), "load")


def _add(filter: int, name: str, error: int, rule: _Rule | None = None) -> None:
    number = library().seccomp_syscall_resolve_name(name.encode())
    if number == _UNKNOWN:
        number = SINCE_LIBRARY.get(name, _UNKNOWN)
    if number < 0:  # not on this architecture
        return
    arguments = [] if rule is None else [_Argument(rule.index, rule.compare, rule.first, rule.second)]
    array = (_Argument * len(arguments))(*arguments)
    _check(library().seccomp_rule_add_array(filter, _ERROR | error, number, len(arguments), array), name)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
