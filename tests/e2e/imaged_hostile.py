"""A test plugin: a processor that does harm to its own process and tries to do harm beyond it.

The comment of a PNG, `hostile STEP DEED`, chooses the step at which it does the deed: identify, verify or render. A
deed that reaches beyond the worker raises EscapedError, which is a status of 500.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaged_hostile_lies import LIES, SLOW
from pydantic import BaseModel, ConfigDict

from imaged.api import JPEG, Host, ImageFacts, Processor, Rendered, RenderJob, hookimpl
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import make_plain, make_png

MIB = 2**20
MOST_BYTES = 6 * 2**30
"""A worker that gets so much memory has no limit; the deed ends before the machine is out of memory."""

_ORDER = re.compile(rb"hostile (\w+) (\w+)")
_C = ctypes.CDLL(None, use_errno=True)
"""Calls of it release Python's lock."""
_PTRACE_ATTACH = 16


def bad_picture(step: str, deed: str, number: int = 0) -> bytes:
    """Return a picture with which the plugin does a deed at a step; each number makes another picture."""
    return make_png(comment=f"hostile {step} {deed} {number}")


class Options(BaseModel):
    """The section `plugins.hostile`: files that a worker may neither read nor change, and a port."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    files: tuple[str, ...] = ()
    port: int = 0


class EscapedError(Exception):
    """The worker reached what it should not."""


def segfault(_: Options) -> None:
    """Read address 0."""
    ctypes.string_at(0)


def abort(_: Options) -> None:
    """Abort, as C's assertions do."""
    _C.abort()


def exit_with_0(_: Options) -> None:
    """End the process without an error."""
    os._exit(0)


def kill_itself(_: Options) -> None:
    """Die as if an operator had killed the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_system_exit(_: Options) -> None:
    """Raise what ends a Python program."""
    sys.exit("a plugin calls sys.exit")


def write_to_closed_pipe(_: Options) -> None:
    """Die of SIGPIPE."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    reading, writing = os.pipe()
    os.close(reading)
    os.write(writing, b"x")


def sleep(_: Options) -> None:
    """Do nothing for ever, deaf to all signals that a process can block."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(3600)


def loop(_: Options) -> None:
    """Compute for ever in C, without Python's lock."""
    _search(_C)


def loop_with_lock(_: Options) -> None:
    """Compute for ever in C, holding Python's lock: no other thread of the process runs, and no handler."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _search(ctypes.PyDLL(None))


def _search(library: Any) -> None:
    """Compare one element again and again: lfind(3) of 2**62 elements of no size."""
    library.lfind(b"a", b"b", ctypes.byref(ctypes.c_size_t(2**62)), ctypes.c_size_t(0), library.strcmp)


def eat_memory(_: Options) -> None:
    """Allocate until Python raises MemoryError."""
    eaten = [b""]
    while len(eaten) * 16 * MIB < MOST_BYTES:
        eaten.append(b"x" * 16 * MIB)
    raise EscapedError(f"the worker took {MOST_BYTES} bytes")


def eat_memory_in_c(_: Options) -> None:
    """Allocate until malloc(3) returns no memory, and use that."""
    _C.malloc.restype = ctypes.c_void_p
    for _step in range(MOST_BYTES // (16 * MIB)):
        ctypes.memset(_C.malloc(ctypes.c_size_t(16 * MIB)), 1, 16 * MIB)
    raise EscapedError(f"the worker took {MOST_BYTES} bytes")


def leak(_: Options) -> None:
    """Lose 50 MiB."""
    _C.malloc.restype = ctypes.c_void_p
    ctypes.memset(_C.malloc(ctypes.c_size_t(50 * MIB)), 1, 50 * MIB)


def fork(_: Options) -> None:
    """Leave three processes in a session of their own, each the child of a process that has ended."""
    for _number in range(3):
        with suppress(OSError):
            if (child := os.fork()) == 0:
                try:
                    os.setsid()
                    if os.fork() == 0:
                        time.sleep(600)
                finally:
                    os._exit(0)
            os.waitpid(child, 0)


def write_garbage(_: Options) -> None:
    """Write bytes that are no message to every socket and pipe."""
    _to_all(lambda file: os.write(file, b"\xff{\x00" * 50_000))


def write_half(_: Options) -> None:
    """Write the beginning of what may be a message to every socket and pipe, and end."""
    _to_all(lambda file: os.write(file, b"\x00\x00\x00\x40{"))
    os._exit(0)


def find_files(_: Options) -> None:
    """Look for open files other than the standard streams, the socket of the jobs and the original."""
    kinds = []
    for file in range(3, 1024):
        with suppress(OSError):
            kinds.append(stat.S_IFMT(os.fstat(file).st_mode))
    if sorted(kinds) != [stat.S_IFREG, stat.S_IFSOCK]:
        raise EscapedError(f"the worker has open files of the kinds {kinds}")


def close_files(_: Options) -> None:
    """Close every socket and pipe."""
    _to_all(os.close)


def _to_all(act: Callable[[int], object]) -> None:
    for file in range(3, 1024):
        with suppress(OSError):
            mode = os.fstat(file).st_mode
            if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
                os.set_blocking(file, False)
                act(file)


def write_noise(_: Options) -> None:
    """Write a MiB of no text to the standard streams."""
    for file in (1, 2):
        with suppress(OSError):
            os.write(file, b"\xff\x00noise\x1b[2J" * (MIB // 12))


def read_files(options: Options) -> None:
    """Read the files of the options, and the users of the machine."""
    for path in (*options.files, "/etc/passwd"):
        with suppress(OSError):
            Path(path).read_bytes()
            raise EscapedError(f"the worker read {path}")


def write_files(options: Options) -> None:
    """Overwrite the files of the options, make others beside them, and remove them."""
    for path in options.files:
        for act in (Path(path + "-copy").touch, Path(path).touch, Path(path).unlink):
            with suppress(OSError):
                act()
                raise EscapedError(f"the worker changed {path}")


def read_environment(_: Options) -> None:
    """Look for secrets in the environment."""
    if any("SECRET" in value for value in os.environ.values()):
        raise EscapedError("the worker has the environment of the daemon")


def connect(options: Options) -> None:
    """Connect to the status port of the daemon."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", options.port), timeout=2)
        raise EscapedError("the worker connected to the status port")


def listen(_: Options) -> None:
    """Open a port."""
    with suppress(OSError):
        socket.create_server(("127.0.0.1", 0))
        raise EscapedError("the worker listens")


def execute(_: Options) -> None:
    """Become another program."""
    with suppress(OSError):
        os.execv("/bin/true", ["true"])


def kill_parent(_: Options) -> None:
    """Kill the process that started this one."""
    with suppress(OSError):
        os.kill(os.getppid(), signal.SIGKILL)
        raise EscapedError("the worker killed its parent")


def trace_parent(_: Options) -> None:
    """Attach to the process that started this one, as a debugger does."""
    if _C.ptrace(_PTRACE_ATTACH, os.getppid(), None, None) == 0:
        raise EscapedError("the worker traces its parent")


def fill_folder(_: Options) -> None:
    """Leave many files in the temporary folder, and one that is as large as the limits allow, up to 1 GiB."""
    folder = Path(tempfile.gettempdir())
    for number in range(100):
        with suppress(OSError):
            (folder / f"left-{number}").write_bytes(bytes(MIB // 4))
    with suppress(OSError), (folder / "large").open("wb") as large:
        large.truncate(2**30)


Render = Callable[[RenderJob, Rendered], Sequence[object]]
NONSENSE: dict[str, Render] = {
    "nothing": lambda _, __: [],
    "no_value": lambda _, __: [None],
    "text": lambda _, good: [replace(good, body="text")],  # type: ignore[arg-type]  # on purpose
    "empty": lambda _, good: [replace(good, body=b"")],
    "other_format": lambda _, good: [replace(good, body=make_plain("jpg", 5, 5))],
    "other_size": lambda _, good: [replace(good, body=make_plain("png", 6, 6))],
    "gigabyte": lambda _, good: [replace(good, body=good.body + bytes(2**30))],
}
"""What a render returns in place of its output."""

FACTS: dict[str, Callable[[ImageFacts], object]] = {
    "no_facts": lambda _: None,
    "negative": lambda good: _forged(good, frames=-1),
    "not_a_number": lambda good: _forged(good, frames=float("nan")),
    "other_facts": lambda good: replace(good, format=JPEG),
}
"""What `identify` returns in place of the facts."""


def _forged(facts: ImageFacts, **fields: object) -> ImageFacts:
    """Return facts that their class would refuse."""
    forged: ImageFacts = object.__new__(ImageFacts)
    forged.__dict__.update(facts.__dict__ | fields)
    return forged


def _say(lie: Callable[[], None]) -> Callable[[Options], None]:
    """Return a deed: tell the daemon a lie, and nothing else until it ends this process."""

    def deed(_: Options) -> None:
        with suppress(OSError):
            lie()
        time.sleep(3600)

    return deed


DEEDS: dict[str, Callable[[Options], None]] = {
    each.__name__: each
    for each in (
        segfault, abort, exit_with_0, kill_itself, raise_system_exit, write_to_closed_pipe, sleep, loop, loop_with_lock,
        eat_memory, eat_memory_in_c, leak, fork, write_garbage, write_half, find_files, close_files, write_noise,
        read_files, write_files, read_environment, connect, listen, execute, kill_parent, trace_parent, fill_folder,
    )
}  # fmt: skip


DEEDS |= {name: _say(lie) for name, lie in {**LIES, **SLOW}.items()}


class Hostile:
    """Renders placeholders, and does what a picture says."""

    detail = "hostile"

    def __init__(self, options: Options) -> None:
        self._options = options
        self._still = StillProcessor()

    def identify(self, source: Path) -> ImageFacts:
        """Read the header."""
        facts = self._still.identify(source)
        deed = self._act("identify", source)
        return FACTS[deed](facts) if deed in FACTS else facts  # type: ignore[return-value]  # on purpose

    def accepts(self, job: RenderJob) -> bool:  # noqa: ARG002  # any job will do
        """Accept every job."""
        return True

    def verify(self, job: RenderJob) -> None:
        """Check nothing."""
        self._act("verify", job.source)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make a placeholder for each output."""
        for good in self._still.render(job):
            deed = self._act("render", job.source)
            yield from NONSENSE[deed](job, good) if deed in NONSENSE else [good]  # type: ignore[misc]  # on purpose

    def _act(self, step: str, source: Path) -> str:
        """Do the deed of a picture, if it is for this step, and return its name."""
        order = _ORDER.search(source.read_bytes())
        if order is None or order[1].decode() != step:
            return ""
        deed = order[2].decode()
        if deed in DEEDS:
            DEEDS[deed](self._options)
        return deed


@hookimpl
def imaged_processor(host: Host) -> Processor | None:
    """Offer one."""
    return Hostile(host.options(Options))
