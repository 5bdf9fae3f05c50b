"""The daemon's side of a worker process: gives it one job at a time, and believes nothing that it says."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

from twisted.logger import Logger, LogLevel

from imaged.core.errors import (
    BusyError,
    ImagedError,
    NotAPictureError,
    OutOfTimeError,
    PluginFailedError,
    PolicyError,
    StoreError,
    TooLargeError,
)
from imaged.core.hashes import ImageHash
from imaged.core.snapshot import WorkerStatus
from imaged.workers.forker_client import ChildProcess
from imaged.workers.original_copy import OriginalCopy
from imaged.workers.processors import Ended
from imaged.workers.wire import (
    LOG_LINES,
    EndedError,
    EndedHead,
    Inbox,
    Kind,
    LogHead,
    MessageError,
    ReadyHead,
    parse,
    send,
)
from imaged.workers.worker_jobs import WorkerJob, credible

KILL_AFTER_S = 0.5
"""How long a worker may take to give up after its time, before it is killed."""

_ERRORS = {
    kind.__name__: kind
    for kind in (NotAPictureError, TooLargeError, PolicyError, StoreError, PluginFailedError, BusyError, OutOfTimeError)
}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerError(Exception):
    """A worker did not end its job. `began` says whether it had it."""

    began = True


class WorkerGoneError(WorkerError):
    """It had died before it had the job."""

    began = False


class WorkerDiedError(WorkerError):
    """It died in the job."""


class WorkerLateError(WorkerError):
    """It did not end in time."""


class WorkerLiedError(WorkerError):
    """It sent something that no worker sends; the text says what."""


class Worker:
    """One worker process, for one thread at a time. Any thread may read the attributes.

    `jobs` counts those it has had, `doing` names the current one. `memory_bytes` is what was resident after the last
    job, the pages that it shares with its template included; None where the system does not tell. While it `is_in_job`,
    it may still send answers to the last job. It may have a copy of the `picture` of that job; one that `is_spent` is
    replaced after it.
    """

    _log = Logger()

    def __init__(self, child: ChildProcess) -> None:
        self.child = child
        self.born_s = monotonic()
        self.jobs = 0
        self.doing: str | None = None
        self.doing_since_s = 0.0
        self.memory_bytes: int | None = None
        self.ready: ReadyHead | None = None
        self.is_replaced = False
        self.is_spent = False
        self.picture: ImageHash | None = None
        self.is_in_job = False
        self._copy = OriginalCopy()
        self._sent = 0
        self._statm = -1
        self._inbox = Inbox(child.connection)

    def begin(self, what: str) -> None:
        """Note what the worker does now."""
        self.doing, self.doing_since_s = what, monotonic()

    def work(self, job: WorkerJob, within_s: float) -> Ended:
        """Have the worker do a job; return how it ended.

        Blocks for `within_s` seconds and KILL_AFTER_S at most, and for what the disk takes.
        Raises WorkerError, after which the worker has to be killed, and StoreError when the original cannot be read.
        """
        try:
            with self._copy.of(job.source) as (descriptor, number):
                due_s = monotonic() + within_s + KILL_AFTER_S  # a slow disk is not the fault of the picture
                self._send(job, descriptor, number, due_s)
                return self._follow(job, due_s)
        except TimeoutError as error:
            raise WorkerLateError from error
        except MessageError as error:
            raise WorkerLiedError(str(error)) from error
        except (OSError, EndedError) as error:
            raise WorkerDiedError from error
        finally:
            self.memory_bytes, self.doing = self._measure(), None

    def _send(self, job: WorkerJob, descriptor: int, number: int, due_s: float) -> None:
        connection = self.child.connection
        try:
            if self.ready is None:
                self.ready = parse(ReadyHead, self._inbox.receive(due_s), Kind.READY)
            left_s = max(due_s - monotonic(), 0.001)
            connection.settimeout(left_s)
            head = job.head(max(left_s - KILL_AFTER_S, 0.001)) | {"same_original": number == self._sent}
            send(connection, job.kind, head, descriptors=[descriptor])
        except (OSError, EndedError, MessageError) as error:  # a TimeoutError is an OSError
            raise WorkerGoneError from error
        self.jobs += 1
        self.is_in_job, self._sent = True, number

    def _follow(self, job: WorkerJob, due_s: float) -> Ended:
        connection, lines = self.child.connection, 0
        while True:
            message = self._inbox.receive(due_s)
            if message.kind is Kind.LOG:
                line: LogHead = parse(LogHead, message, Kind.LOG)
                lines += 1
                if lines > 2 * LOG_LINES:  # some may be of the time before this job
                    raise MessageError(f"more than {2 * LOG_LINES} lines for the log")
                level = LogLevel.levelWithName(line.level)
                text = "".join(each if each.isprintable() or each == "\n" else " " for each in line.text)
                text = text.replace("\n", "\n    ")  # on a terminal, a line of it looks like none of the daemon
                self._log.emit(level, "worker process {pid}: {text}", pid=self.child.pid, text=text)
            elif message.kind is Kind.ENDED:
                head: EndedHead = parse(EndedHead, message, Kind.ENDED)
                if head.error is None and not job.is_complete:
                    raise MessageError("the end of a job that is not complete")
                self.is_in_job = False
                return Ended(_error(head), credible(head.spans_s, self.doing_since_s), job.last)
            else:
                came_s = monotonic()
                answer = job.take(message)
                due_s += monotonic() - came_s  # a slow disk behind it is not the fault of the picture
                if answer is not None:
                    connection.settimeout(max(due_s - monotonic(), 0.001))
                    connection.sendall(answer)

    def status(self) -> WorkerStatus:
        """Return a row for the status page."""
        now_s, doing = monotonic(), self.doing
        doing_s = None if doing is None else round(now_s - self.doing_since_s, 3)
        memory_bytes = self.resident_bytes()
        return WorkerStatus(self.child.pid, round(now_s - self.born_s, 3), self.jobs, memory_bytes, doing, doing_s)

    def resident_bytes(self) -> int | None:
        """Return what of its memory is resident now, or None where the system does not tell. Any thread."""
        try:
            return int(Path(f"/proc/{self.child.pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return None

    def _measure(self) -> int | None:
        """Return the same by one system call instead of five, from a file that stays open. The thread of a job only."""
        try:
            if self._statm < 0:
                self._statm = os.open(f"/proc/{self.child.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._statm, 200, 0).split()[1]) * _PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return None

    def close(self) -> None:
        """Close the socket, so that the worker ends. No thread may use it now."""
        self.child.connection.close()
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1
        self._copy.close()


def _error(head: EndedHead) -> ImagedError | None:
    if head.error is None:
        return None
    message = "".join(each if each.isprintable() else " " for each in head.message)
    kind = _ERRORS.get(head.error, PluginFailedError)
    return kind(message, head.retry_after_s) if issubclass(kind, BusyError) else kind(message)
