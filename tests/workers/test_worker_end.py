"""The end of a worker decides what its client gets, and whether the picture is to blame."""

from __future__ import annotations

import signal

import pytest

from imaged.core.errors import BusyError, ImagedError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.workers.worker import WorkerDiedError, WorkerError, WorkerLateError, WorkerLiedError
from imaged.workers.worker_end import how_it_ended, judge_end

LATE, LIED, DIED = WorkerLateError(), WorkerLiedError("variant 7, which it was not asked for"), WorkerDiedError()


@pytest.mark.parametrize(
    ("error", "status", "kind", "cause"),
    [
        (DIED, signal.SIGSEGV, NotAPictureError, "SIGSEGV"),
        (DIED, signal.SIGABRT, NotAPictureError, "SIGABRT"),
        (DIED, signal.SIGBUS | 0x80, NotAPictureError, "SIGBUS"),  # with a core
        (DIED, signal.SIGSYS, NotAPictureError, "SIGSYS"),
        (DIED, 0, NotAPictureError, "exit"),
        (DIED, 3 << 8, NotAPictureError, "exit"),
        (DIED, signal.SIGXCPU, OutOfTimeError, "SIGXCPU"),
        (DIED, signal.SIGXFSZ, TooLargeError, "SIGXFSZ"),
        (LATE, signal.SIGKILL, OutOfTimeError, "late"),
        (LATE, None, OutOfTimeError, "late"),
        (LIED, signal.SIGKILL, NotAPictureError, "nonsense"),
    ],
)
def test_each_end_has_an_error(error: WorkerError, status: int | None, kind: type[ImagedError], cause: str) -> None:
    """A crash is 415, memory 413, time 503. The message names the output. The picture is to blame."""
    end = judge_end(error, status, "x300.jpg", memory_ran_out=False)
    assert (type(end.error), end.cause, end.tries, end.blames_picture) == (kind, cause, 1, True)
    assert "x300.jpg" in str(end.error)


@pytest.mark.parametrize(("status", "cause"), [(signal.SIGKILL, "SIGKILL"), (None, "template")])
def test_a_kill_from_outside_blames_no_picture(status: int | None, cause: str) -> None:
    """An operator kills a worker, or its template dies: the job is tried again, and a queued one stays queued."""
    end = judge_end(DIED, status, "x300.jpg", memory_ran_out=False)
    assert (type(end.error), end.error.transient, end.cause, end.blames_picture) == (BusyError, True, cause, False)
    assert end.tries > 1


def test_a_kill_for_memory_blames_the_picture_when_it_comes_twice() -> None:
    """Others may have taken the memory the first time."""
    end = judge_end(DIED, signal.SIGKILL, "x300.jpg", memory_ran_out=True)
    assert (type(end.error), end.tries, end.blames_picture) == (TooLargeError, 2, True)


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
