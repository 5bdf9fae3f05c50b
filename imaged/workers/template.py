"""The template of a generation: workers are forked from it.

It builds the processors, so a worker has its plugins and their libraries loaded when it begins.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twisted.logger import globalLogBeginner

from imaged.garbage import LONG_LIVED
from imaged.hooks.processor_loading import LoadError, Named, ProcessorHost, load_detectors, load_processors
from imaged.workers.confinement import Bounds, die_with_parent, outlive_parent, prepare
from imaged.workers.folder_removal import remove_folder
from imaged.workers.forker import Forker, ignore_signals
from imaged.workers.processors import Processors
from imaged.workers.syscalls import name_process
from imaged.workers.wire import EndedError, Kind, receive, send
from imaged.workers.worker_main import serve

FOLDER_PREFIX = "imaged-workers-"
"""Of the folder of the workers' temporary files; the pid of the template and random letters follow."""

LAST_TRIES, LAST_TRY_S = 40, 0.05
"""How often, and at what interval, a template that ends tries to remove that folder."""


def main(control: int, parent: int) -> None:
    """Build the processors of the generation whose spec comes on the socket `control`, then fork workers.

    `parent` is the pid of the daemon. Returns when the daemon has closed the other end of the socket, or has died: the
    kernel then kills the workers, and this process removes their temporary files.
    """
    die_with_parent(parent)  # a plugin may hang while it is loaded
    name_process("imaged-workers")
    ignore_signals()
    nowhere: Any = _discard
    globalLogBeginner.beginLoggingTo([nowhere], redirectStandardIO=False, discardBuffer=True)
    connection = socket.socket(fileno=control)
    try:
        spec = json.loads(receive(connection).head)
    except EndedError:  # no generation has needed this process
        return
    build = partial(_build, spec["host"], spec["processors"], spec["detectors"])
    early: Processors | None = None
    fault: str | None = None
    if not spec["late"]:
        try:
            early = build()
        except LoadError as error:  # the daemon reports it
            fault = str(error)[:2000]
    if early is not None:
        prepare()
    _sweep(Path(tempfile.gettempdir()))
    folder, lock = _make_folder()
    try:
        outlive_parent()
        LONG_LIVED.keep()  # no collection in a worker touches, and so copies, what it shares with this process
        details = {} if early is None else early.details
        send(connection, Kind.READY, {"fault": fault, "threads": _threads(), "details": details})
        Forker(connection, folder, partial(_run_worker, lock, early or build, Bounds(**spec["bounds"]))).run()
    finally:
        _remove(folder)


def _run_worker(
    lock: int | None,
    built: Processors | Callable[[], Processors],
    bounds: Bounds,
    connection: socket.socket,
    folder: Path,
) -> None:
    if lock is not None:
        os.close(lock)  # with it, a codec could release the lock
    name_process("imaged-worker")
    processors = built if isinstance(built, Processors) else built()
    serve(connection, processors, folder, bounds)


def _build(host: dict[str, Any], named: Named, detecting: Named) -> Processors:
    hosts = ProcessorHost(**host)
    processors, formats = load_processors(named, hosts)
    return Processors(processors, host["maximum_pixels"], formats, detectors=load_detectors(detecting, hosts))


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1


def _remove(folder: Path) -> None:
    """Remove a folder, in which processes that have been killed may still create files."""
    for _ in range(LAST_TRIES):
        remove_folder(folder)
        if not folder.exists():
            return
        time.sleep(LAST_TRY_S)


def _make_folder() -> tuple[Path, int | None]:
    """Make the folder of temporary files. Return it and its lock, if it has one, which this process holds open."""
    new = Path(tempfile.mkdtemp(prefix="imaged-starting-"))
    lock = _lock(new)  # before it has the name that `_sweep` looks for
    return new.rename(new.with_name(f"{FOLDER_PREFIX}{os.getpid()}-{new.name.rpartition('-')[2]}")), lock


def _sweep(parent: Path) -> None:
    """Remove the folders of templates that were killed: each holds a lock on its own, also in another container."""
    for folder in parent.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and (lock := _lock(folder)) is not None:
                remove_folder(folder)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock on a folder, or None where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _discard(_: object) -> None:
    """Discard a log event of a plugin that is being loaded: the daemon has called the same hook, and logged it."""
