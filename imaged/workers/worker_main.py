"""What a worker process runs: confined, it does one job at a time for the daemon, until its socket closes."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from imaged.core.errors import BusyError, PluginFailedError, TooLargeError
from imaged.core.variants import Variant
from imaged.workers.confinement import Bounds, allow_cpu, confine
from imaged.workers.folder_removal import remove_folder
from imaged.workers.processors import (
    Ended,
    KnownOriginal,
    Processors,
    run_describe,
    run_identify,
    run_render,
    run_self_check,
    run_verify,
)
from imaged.workers.render_jobs import RenderedVariant
from imaged.workers.wire import GO, JOB_HEAD_BYTES, LOG_LINES, EndedError, Kind, encode, receive, send
from imaged.workers.wire_variants import decode_variants

NICENESS = 5
"""How much less of the cores a worker gets than the daemon: requests for stored files go first."""

CPU_GRACE_S = 5.0
"""How much longer than its time the threads of a job may compute, before the kernel ends the process."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT_HEAP_BYTES = 1 << 26
"""How much freed memory glibc keeps for the next job: to return it after each costs a thousand page faults a render."""


def serve(connection: socket.socket, processors: Processors, folder: Path, bounds: Bounds) -> None:
    """Confine this process, and do the jobs that come on `connection`. Temporary files are in `folder`."""
    _leave_terminal()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)  # the template has used its own, which tempfile remembers
    os.chdir(folder)
    with suppress(OSError):  # a service manager may forbid even this
        os.nice(NICENESS)
    _keep_heap()
    log = _LogLines(connection)
    observer: Any = log
    globalLogPublisher.addObserver(observer)
    known = KnownOriginal()
    processors = replace(processors, known=known)
    send(connection, Kind.READY, asdict(confine(folder, bounds)))
    while True:
        descriptors: list[int] = []
        try:
            job = receive(connection, descriptors=descriptors, head_bytes=JOB_HEAD_BYTES)
        except EndedError:
            return
        log.left = LOG_LINES
        head = json.loads(job.head)
        if not head["same_original"]:
            known.facts = None
        _work(connection, processors, job.kind, head, Path(f"/dev/fd/{descriptors[0]}"))
        for descriptor in descriptors:
            os.close(descriptor)
        _clear(folder)


def _clear(folder: Path) -> None:
    """Remove what a codec has left in the folder: this process does many more jobs."""
    with suppress(OSError), os.scandir(folder) as left:
        for entry in left:
            if entry.is_dir(follow_symlinks=False):
                remove_folder(Path(entry.path))
            else:
                Path(entry.path).unlink()


def _work(connection: socket.socket, processors: Processors, kind: Kind, head: Mapping[str, Any], source: Path) -> None:
    allow_cpu(head["timeout_s"] + CPU_GRACE_S)
    last = b""
    if kind is Kind.IDENTIFY:
        facts, ended = run_identify(processors, source)
        if facts is not None:
            format = processors.formats.reads.index(facts.format)
            size = {"width_px": facts.size.width_px, "height_px": facts.size.height_px}
            send(connection, Kind.FACTS, {"format": format, **size, "frames": facts.frames})
    elif kind in (Kind.VERIFY, Kind.DESCRIBE):
        if kind is Kind.DESCRIBE and not head["detects"]:
            processors = replace(processors, detectors=())
        run = run_verify if kind is Kind.VERIFY else run_describe
        details, ended = run(processors, source, head["timeout_s"], head["request_id"])
        if details is not None:
            point = (details.focal_point.x_percent, details.focal_point.y_percent)
            send(connection, Kind.DETAILS, asdict(details) | {"focal_point": point})
    elif kind is Kind.SELF_CHECK:
        ended = run_self_check(processors)
    else:
        variants = decode_variants(head, processors.formats)
        emit = _Emitter(connection, variants)
        ended = run_render(processors, source, variants, head["timeout_s"], head["request_id"], emit)
        last = emit.last
    connection.sendall(last + encode(Kind.ENDED, _ended_head(ended)))


class _Emitter:
    """Sends each variant. The daemon asks for the next one, so that this process is one variant ahead at most.

    The last one is sent with the end of the job: to wake the daemon twice costs it more time than the end takes.
    """

    def __init__(self, connection: socket.socket, variants: Sequence[Variant]) -> None:
        self._connection = connection
        self._indexes = {variant.output: index for index, variant in enumerate(variants)}
        self._left = len(variants)
        self.last = b""

    def __call__(self, rendered: RenderedVariant) -> bool:
        self._left -= 1
        head = {"index": self._indexes[rendered.output], "spans_s": rendered.spans_s}
        if not self._left:
            self.last = encode(Kind.RENDERED, head, rendered.body)
            return True
        send(self._connection, Kind.RENDERED, head, rendered.body)
        return self._connection.recv(1) == GO


def _ended_head(ended: Ended) -> dict[str, Any]:
    error = ended.error
    if isinstance(error, PluginFailedError) and isinstance(error.__cause__, MemoryError):
        error = TooLargeError("this takes more memory than a worker may have: send a smaller picture")
    return {
        "error": None if error is None else type(error).__name__,
        "message": _short(str(error)),
        "retry_after_s": error.retry_after_s if isinstance(error, BusyError) else 0,
        "spans_s": ended.spans_s,
    }


class _LogLines:
    """Sends at most `left` more lines to the daemon's log."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.left = LOG_LINES

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if self.left > 0 and level >= LogLevel.info:
            self.left -= 1
            text = formatEvent(event)
            if (failure := event.get("log_failure")) is not None:
                text += "\n" + failure.getTraceback()[-1500:]
            send(self._connection, Kind.LOG, {"level": level.name, "text": _short(text)})


def _short(text: str) -> str:
    return text[:2000].encode("utf-8", "backslashreplace").decode()[:2000]


def _keep_heap() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_HEAP_BYTES // 2)
        mallopt(_M_TRIM_THRESHOLD, KEPT_HEAP_BYTES)


def _leave_terminal() -> None:
    """Direct the standard streams to nowhere: a codec's own messages belong to no log."""
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
