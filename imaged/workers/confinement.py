"""The confinement of a worker process: what a codec that an attacker controls can still do.

What a system does not have is left out and said; nothing here raises. The decision is in docs/decisions.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSYS, EOPNOTSUPP
from pathlib import Path

from imaged.workers import landlock, seccomp
from imaged.workers.syscalls import call, prctl
from imaged.workers.system_files import system_files

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CAPABILITIES_V3 = 0x20080522
_OOM_SCORE = 500  # the kernel kills a worker before a daemon that holds half of the memory more
_LINUX = sys.platform == "linux"


@dataclass(frozen=True)
class Bounds:
    """The limits of a worker process."""

    address_bytes: int | None
    """How much more address space it may use than now; None for no limit. The stack of each thread counts."""
    file_bytes: int
    """The largest file that it may write."""
    descriptors: int
    """How many files it may have open."""


@dataclass(frozen=True)
class Confinement:
    """What holds in a worker process."""

    landlock_abi: int
    """0 where Landlock is not in effect."""
    seccomp: bool
    missing: tuple[str, ...]
    """What does not hold, and why, for operators."""


def prepare() -> None:
    """Do what all workers share, in the process that forks them, once it has imported their modules.

    Saves each of them milliseconds. Optional; raises nothing.
    """
    system_files()
    if _LINUX:
        with suppress(OSError):
            seccomp.prepare()


def confine(folder: Path, bounds: Bounds, readable: Sequence[Path] = ()) -> Confinement:
    """Confine this process and the threads that it will start. Irreversible.

    It may then write in `folder` alone, and read there, in `readable`, and what libraries need. It may not open
    sockets, start processes, signal others, or change permissions. Open files and sockets keep working. Call it while
    the process has one thread.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(b"%d" % _OOM_SCORE)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    missing = list(_limit(bounds))
    if not _LINUX:
        missing += ["Landlock: only Linux has it", "seccomp: only Linux has it"]
        return Confinement(0, seccomp=False, missing=tuple(missing))
    for what, step in (("dropping capabilities", _drop_privileges), ("no new privileges", _no_new_privileges)):
        missing += _attempt(what, step)
    version = 0
    grants = [(folder, landlock.OWN), (Path("/dev/null"), landlock.USE)]
    grants += [(each, landlock.READ) for each in (*readable, *system_files(), Path(f"/proc/{os.getpid()}"))]

    def restrict_files() -> None:
        nonlocal version
        found = landlock.abi()
        landlock.restrict(grants, found)
        version = found

    threads = _threads()
    missing += _attempt("Landlock", restrict_files)
    if version and threads > 1:
        missing.append(f"Landlock: does not hold the threads that ran before ({threads - 1})")
    denied = _attempt("seccomp", seccomp.deny_calls)
    return Confinement(version, seccomp=not denied, missing=(*missing, *denied))


def allow_cpu(seconds: float) -> None:
    """Let this process use so many seconds of CPU from now on before SIGXCPU kills it, rounded up to the second."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(limit, hard), hard))


def die_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process when the thread that forked it ends; exit if that has happened already.

    Call it before `confine`, and before this process changes its user. Only Linux has this: elsewhere it only looks.
    """
    if _LINUX:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with_parent`."""
    if _LINUX:
        prctl(_PR_SET_PDEATHSIG, 0)


def _threads() -> int:
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 1


def _limit(bounds: Bounds) -> Iterator[str]:
    # Linux hands a core of 0 bytes to a program that collects cores, and one of 1 byte to none: core(5).
    core = 1 if _LINUX else 0
    yield from _set_limit("core dumps", resource.RLIMIT_CORE, core)
    yield from _set_limit("file size", resource.RLIMIT_FSIZE, bounds.file_bytes)
    yield from _set_limit("open files", resource.RLIMIT_NOFILE, bounds.descriptors)
    if bounds.address_bytes is None:
        return
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except (OSError, ValueError, IndexError):
        yield "a bound on address space: this system does not say how much a process has"
        return
    now_bytes = pages * resource.getpagesize()
    yield from _set_limit("address space", resource.RLIMIT_AS, now_bytes + bounds.address_bytes)


def _set_limit(what: str, kind: int, value: int) -> Iterator[str]:
    """Set both limits. A hard limit that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    value = _at_most(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError) as error:
        yield f"{what}: {error}"


def _at_most(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _attempt(what: str, step: Callable[[], None]) -> list[str]:
    """Run a step; return in words why it failed, if it did."""
    try:
        step()
    except OSError as error:
        return [f"{what}: {_reason(what, error)}"]
    return []


def _reason(what: str, error: OSError) -> str:
    if error.errno is None:  # from the dynamic loader
        return "libseccomp is not installed"
    if error.errno == ENOSYS:
        return f"this kernel has no {what}"
    if error.errno == EOPNOTSUPP:
        return "this kernel was booted without it"
    return f"the kernel, or the container's own filter, refuses it ({os.strerror(error.errno)})"


def _no_new_privileges() -> None:
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _drop_privileges() -> None:
    """Give up the capabilities, which root has: capabilities(7)."""
    header = struct.pack("=Ii", _CAPABILITIES_V3, 0)
    held = ctypes.create_string_buffer(24)
    call("capget", header, held)
    if any(held.raw):
        call("capset", header, bytes(24))
