"""The end of a worker decides what its client gets, and whether the picture is to blame."""

from __future__ import annotations

import signal

import pytest

from imaged.core.errors import ImagedError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.workers.worker import WorkerDiedError, WorkerError, WorkerLateError, WorkerLiedError
from imaged.workers.worker_end import how_it_ended, judge_end

LATE, LIED, DIED = WorkerLateError(), WorkerLiedError("a variant number 7"), WorkerDiedError()


@pytest.mark.parametrize(
    ("error", "status", "kind", "cause", "is_certain"),
    [
        (DIED, signal.SIGSEGV, NotAPictureError, "SIGSEGV", True),
        (DIED, signal.SIGABRT, NotAPictureError, "SIGABRT", True),
        (DIED, signal.SIGBUS | 0x80, NotAPictureError, "SIGBUS", True),  # with a core
        (DIED, signal.SIGSYS, NotAPictureError, "SIGSYS", True),
        (DIED, 0, NotAPictureError, "exit", True),
        (DIED, 3 << 8, NotAPictureError, "exit", True),
        (DIED, signal.SIGXCPU, OutOfTimeError, "SIGXCPU", True),
        (DIED, signal.SIGXFSZ, TooLargeError, "SIGXFSZ", True),
        (DIED, signal.SIGKILL, TooLargeError, "SIGKILL", False),  # the kernel, or an operator
        (DIED, None, NotAPictureError, "exit", False),  # the template died, and all workers with it
        (LATE, signal.SIGKILL, OutOfTimeError, "late", True),
        (LATE, None, OutOfTimeError, "late", True),
        (LIED, signal.SIGKILL, NotAPictureError, "nonsense", True),
    ],
)
def test_each_end_has_an_error(
    error: WorkerError, status: int | None, kind: type[ImagedError], cause: str, *, is_certain: bool
) -> None:
    """A crash is 415, memory 413, time 503. The message names the output."""
    end = judge_end(error, status, "x300.jpg")
    assert (type(end.error), end.cause, end.is_certain) == (kind, cause, is_certain)
    assert "x300.jpg" in str(end.error)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (signal.SIGSEGV, "died of SIGSEGV"),
        (signal.SIGRTMIN + 1, "died of SIG35"),
        (5 << 8, "exited with status 5"),
        (None, "ended with its template"),
    ],
)
def test_an_end_has_words(status: int | None, words: str) -> None:
    """The log says how a worker ended."""
    assert how_it_ended(status) == words
