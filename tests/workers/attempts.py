"""What a codec that an attacker controls would try, and what an honest one needs. Run by run_attempts.py."""

from __future__ import annotations

import ctypes
import errno
import importlib
import io
import locale
import mmap
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import wand.image

from imaged.workers.confinement import allow_cpu

LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"clone": 56, "shmget": 29, "ptrace": 101, "personality": 135},
    "aarch64": {"clone": 220, "shmget": 194, "ptrace": 117, "personality": 92},
}.get(os.uname().machine, {})
CLONE3 = 435


@dataclass(frozen=True)
class World:
    """What lies around a worker: folders, open sockets, and the process that forked it."""

    folder: Path
    """Its own."""
    beside: Path
    """A folder beside its own, which has the file `kept`."""
    readable: Path
    """A folder that it may read, which has the file `asset`."""
    abstract: str
    """The name of an abstract UNIX socket that listens."""
    port: int
    """A TCP port of the loopback that listens."""
    connection: socket.socket
    """The one connection that it has."""
    unconnected: socket.socket
    """A TCP socket that it has inherited."""
    unix: socket.socket
    """A UNIX socket that it has inherited."""
    datagrams: socket.socket
    """A UNIX datagram socket that it has inherited."""
    original: int
    """A descriptor of an original in memory."""
    parent: int
    confined: bool


Attempt = Callable[[World], object]


def _syscall(name: str, *arguments: int) -> int:
    return _raw(NUMBERS[name], *arguments)


def _raw(number: int, *arguments: int) -> int:
    result: int = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_ulong(each) for each in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), str(number))
    return result


def _libc(name: str, *arguments: int) -> int:
    """Call a function with whole registers: the kernel ignores the upper half of some."""
    result: int = LIBC[name](*(ctypes.c_ulong(each) for each in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _new_process(pid: int) -> None:
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def _clone(world: World) -> None:  # noqa: ARG001
    _new_process(_syscall("clone", signal.SIGCHLD, 0, 0, 0, 0))


def _clone3(world: World) -> None:  # noqa: ARG001
    arguments = (ctypes.c_uint64 * 8)(0, 0, 0, 0, signal.SIGCHLD)
    _new_process(_raw(CLONE3, ctypes.addressof(arguments), ctypes.sizeof(arguments)))


def _exec(world: World) -> None:  # noqa: ARG001
    os.execv("/usr/bin/env", ["/usr/bin/env", "true"])


def _own_upper_half(world: World) -> None:
    owner = 1 << 32 | 8  # F_SETOWN
    _libc("fcntl", world.connection.fileno(), owner, world.parent)


def _burn(world: World) -> None:
    if world.confined:
        allow_cpu(0.1)
    until = time.process_time() + 2
    while time.process_time() < until:
        pass


def _open_many(world: World) -> None:
    del world
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    for each in opened:
        os.close(each)


def _write_large(world: World) -> None:
    with (world.folder / "large").open("wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))


def _raise_limit(world: World) -> None:
    del world
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard + 1, hard + 1))


FORBIDDEN: dict[str, tuple[str, Attempt]] = {
    # files, by Landlock
    "read a file of the system": ("EACCES", lambda _: Path("/etc/passwd").read_bytes()),
    "read the environment of the daemon": ("EACCES", lambda w: Path(f"/proc/{w.parent}/environ").read_bytes()),
    "open a descriptor of the daemon": ("EACCES", lambda w: Path(f"/proc/{w.parent}/fd/{w.original}").read_bytes()),
    "read a file beside its folder": ("EACCES", lambda w: (w.beside / "kept").read_bytes()),
    "list a folder beside its own": ("EACCES", lambda w: list(w.beside.iterdir())),
    "write to a file outside": ("EACCES", lambda w: (w.beside / "kept").open("r+b").close()),
    "write to a file that it may read": ("EACCES", lambda w: (w.readable / "asset").open("r+b").close()),
    "create a file outside": ("EACCES", lambda w: (w.beside / "new").open("xb").close()),
    "create a folder outside": ("EACCES", lambda w: (w.beside / "folder").mkdir()),
    "delete a file outside": ("EACCES", lambda w: (w.beside / "doomed").unlink()),
    "rename a file to outside": ("EACCES", lambda w: (w.folder / "mine").rename(w.beside / "moved")),
    "link to a file outside": ("EXDEV", lambda w: (w.folder / "link").hardlink_to(w.beside / "kept")),
    "create a symbolic link": ("EACCES", lambda w: (w.folder / "symlink").symlink_to("/etc/passwd")),
    # files, by seccomp
    "truncate a file outside": ("EPERM", lambda w: os.truncate(w.beside / "kept", 0)),
    "change permissions outside": ("EPERM", lambda w: (w.beside / "kept").chmod(0o600)),
    "change an owner": ("EPERM", lambda w: os.chown(w.beside / "kept", os.getuid(), os.getgid())),
    "change times": ("EPERM", lambda w: os.utime(w.beside / "kept")),
    "create a pipe with a name": ("EPERM", lambda w: os.mkfifo(w.folder / "pipe")),
    # the network
    "open a TCP socket": ("EPERM", lambda _: socket.socket(socket.AF_INET)),
    "open a UNIX socket": ("EPERM", lambda _: socket.socket(socket.AF_UNIX)),
    "open a pair of sockets": ("EPERM", lambda _: socket.socketpair()),
    "connect": ("EPERM", lambda w: w.unconnected.connect(("127.0.0.1", w.port))),
    "connect to an abstract UNIX socket": ("EPERM", lambda w: w.unix.connect(f"\0{w.abstract}")),
    "send to an address": ("EPERM", lambda w: w.datagrams.sendto(b"x", f"\0{w.abstract}-datagrams")),
    "bind": ("EPERM", lambda w: w.unconnected.bind(("127.0.0.1", 0))),
    "listen": ("EPERM", lambda w: w.unconnected.listen()),
    # processes
    "fork": ("EPERM", lambda _: _new_process(os.fork())),
    "clone": ("EPERM", _clone),
    "clone3": ("ENOSYS", _clone3),
    "execute a program": ("EPERM", _exec),
    "run a program": ("EPERM", lambda _: subprocess.run(["/usr/bin/env", "true"], check=True)),
    "signal its parent": ("EPERM", lambda w: os.kill(w.parent, 0)),
    "signal its group": ("EPERM", lambda _: os.kill(-os.getpgrp(), 0)),
    "signal a thread of its parent": ("EPERM", lambda w: _libc("tgkill", w.parent, w.parent, 0)),
    "signal by a descriptor": ("EPERM", lambda w: os.pidfd_open(w.parent)),
    "let the kernel signal its parent": ("EPERM", _own_upper_half),
    "be traced": ("EPERM", lambda _: _syscall("ptrace", 0, 0, 0, 0)),
    "read limits of its parent": ("EPERM", lambda w: resource.prlimit(w.parent, resource.RLIMIT_NOFILE)),
    "survive its parent": ("EPERM", lambda _: _libc("prctl", 1 << 32 | 1, 0, 0, 0, 0)),
    "leave its session": ("EPERM", lambda _: os.setsid()),
    "change its priority": ("EPERM", lambda _: os.nice(1)),
    "change its personality": ("EPERM", lambda _: _syscall("personality", 0xFFFFFFFF)),
    # memory and limits
    "create a file in memory": ("EPERM", lambda _: os.memfd_create("x")),
    "share memory": ("EPERM", lambda _: _syscall("shmget", 0, 4096, 0o1600)),
    "allocate too much": ("MemoryError", lambda _: bytearray(1 << 30)),
    "map too much": ("ENOMEM", lambda _: mmap.mmap(-1, 1 << 30).close()),
    "write a file that is too large": ("EFBIG", _write_large),
    "open too many files": ("EMFILE", _open_many),
    "raise a limit": ("ValueError", _raise_limit),
    "compute for too long": ("SIGXCPU", _burn),
}
"""What fails in a confined process, with which error, and what works in another one."""


def _work_in_folder(world: World) -> None:
    inner = world.folder / "inner"
    inner.mkdir()
    (inner / "a").write_bytes(b"abc")
    (inner / "a").rename(world.folder / "b")
    with (world.folder / "b").open("r+b") as file:
        file.truncate(1)
    assert (world.folder / "b").read_bytes() == b"a"
    (world.folder / "b").unlink()
    inner.rmdir()


def _temporary_files(world: World) -> None:
    tempfile.tempdir = str(world.folder)
    with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile() as named:
        file.write(b"x")
        named.write(b"x")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(world.readable / "asset", Path(folder) / "copy")


def _talk(world: World) -> None:
    read, write = os.pipe()
    world.connection.sendall(b"ping")
    socket.send_fds(world.connection, [b"ping"], [write])
    os.close(write)
    assert world.connection.recv(8, socket.MSG_WAITALL) == b"PINGPONG"
    assert os.read(read, 4) == b"pipe"


def _run_thread(world: World) -> None:
    del world
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(os.cpu_count() or 0))
    thread.start()
    thread.join()
    assert results[0] > 0


def _traceback(world: World) -> None:
    del world
    try:
        raise LookupError
    except LookupError:
        assert "raise LookupError" in traceback.format_exc()


def _import_late(world: World) -> None:
    del world
    assert not {"sqlite3", "_sqlite3", "wave"} & set(sys.modules)
    importlib.import_module("sqlite3")  # with a library of the system
    importlib.import_module("wave")


def _call_back(world: World) -> None:
    del world
    double = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda value: 2 * value)
    assert double(21) == 42


def _magick(world: World) -> None:
    with wand.image.Image(width=64, height=64, pseudo="plasma:red-blue") as image:
        for format in ("jpeg", "png", "gif", "webp"):
            path = world.folder / f"picture.{format}"
            image.save(filename=f"{format}:{path}")
            with wand.image.Image(filename=f"{format}:{path}") as again:
                again.resize(16, 16)
                assert again.make_blob(format)


def _pillow(world: World) -> None:
    del world
    for format in ("JPEG", "PNG", "GIF", "WEBP"):
        body = io.BytesIO()
        PIL.Image.new("RGB", (64, 64), "red").save(body, format)
        with PIL.Image.open(body) as image:
            assert image.resize((16, 16)).size == (16, 16)


def _read_original(world: World) -> None:
    assert Path(f"/dev/fd/{world.original}").read_bytes() == b"original"
    assert os.pread(world.original, 8, 0) == b"original"


def _no_capabilities(world: World) -> None:
    del world
    lines = Path("/proc/self/status").read_bytes().splitlines()
    held = [int(line.split()[1], 16) for line in lines if line.startswith((b"CapPrm", b"CapEff", b"CapInh", b"CapAmb"))]
    assert held == [0, 0, 0, 0], held


NEEDED: dict[str, tuple[str, Attempt]] = {
    "read a library": ("done", lambda _: Path(os.__file__).read_bytes()),
    "read a file that it is given": ("done", lambda w: (w.readable / "asset").read_bytes()),
    "work in its folder": ("done", _work_in_folder),
    "make temporary files": ("done", _temporary_files),
    "write to /dev/null": ("done", lambda _: Path("/dev/null").write_bytes(b"x")),
    "read random bytes": ("done", lambda _: os.close(os.open("/dev/urandom", os.O_RDONLY))),
    "read the original by its descriptor": ("done", _read_original),
    "use its connection": ("done", _talk),
    "start a thread": ("done", _run_thread),
    "format a traceback": ("done", _traceback),
    "import a module late": ("done", _import_late),
    "get a call from C": ("done", _call_back),
    "set a locale": ("done", lambda _: locale.setlocale(locale.LC_ALL, "C.UTF-8")),
    "map memory": ("done", lambda _: mmap.mmap(-1, 1 << 20).close()),
    "render with ImageMagick": ("done", _magick),
    "render with Pillow": ("done", _pillow),
    "abort": ("SIGABRT", lambda _: os.abort()),
    "signal itself": ("SIGTERM", lambda _: os.kill(os.getpid(), signal.SIGTERM)),
}
"""What works in a confined process."""

CONFINED_ONLY: dict[str, tuple[str, Attempt]] = {"have no capabilities": ("done", _no_capabilities)}

ATTEMPTS = FORBIDDEN | NEEDED | CONFINED_ONLY


def outcome(attempt: Attempt, world: World) -> str:
    """Return `done`, or the name of the error."""
    try:
        attempt(world)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    except (MemoryError, ValueError) as error:
        return type(error).__name__
    except Exception as error:
        return repr(error)
    return "done"
