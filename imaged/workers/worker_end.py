"""What the end of a worker process says about the picture that it worked on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from imaged.core.errors import ImagedError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.workers.worker import WorkerError, WorkerLateError, WorkerLiedError

OUT_OF_TIME = frozenset({signal.SIGXCPU})
TOO_LARGE = frozenset({signal.SIGXFSZ, signal.SIGKILL})
"""SIGKILL comes from the kernel when memory runs out. An operator may send it too, so such a job is tried again."""


@dataclass(frozen=True)
class WorkerEnd:
    """How a worker ended: `cause` is a label for metrics, `how` is for the log, `error` for the client.

    `is_certain` says whether the picture is the cause: the daemon refuses it for a while.
    """

    cause: str
    how: str
    error: ImagedError
    is_certain: bool = True


def judge_end(error: WorkerError, status: int | None, what: str) -> WorkerEnd:
    """Judge the end of a worker in a job by its wait status; `what` names the work."""
    if isinstance(error, WorkerLateError):
        late = OutOfTimeError(f"{what} took too long and was ended: ask for a smaller output, or later")
        return WorkerEnd("late", "did not end in time", late)
    if isinstance(error, WorkerLiedError):
        false = NotAPictureError(f"{what} made the decoder answer nonsense: the picture is broken")
        return WorkerEnd("nonsense", f"sent {error}", false)
    how = how_it_ended(status)
    number = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0
    cause = signal_name(number) if number else "exit"
    if number in OUT_OF_TIME:
        return WorkerEnd(cause, how, OutOfTimeError(f"{what} took too much computing time: ask for a smaller output"))
    if number in TOO_LARGE:
        large = TooLargeError(f"{what} takes more memory than this server has: send a smaller picture")
        return WorkerEnd(cause, how, large, is_certain=number != signal.SIGKILL)
    broken = NotAPictureError(f"{what} crashed the decoder ({cause}): the picture is broken")
    return WorkerEnd(cause, how, broken, is_certain=status is not None)


def how_it_ended(status: int | None) -> str:
    """Return a wait status in words; None when the template died first."""
    if status is None:
        return "ended with its template"
    if os.WIFSIGNALED(status):
        return f"died of {signal_name(os.WTERMSIG(status))}"
    return f"exited with status {os.WEXITSTATUS(status)}"


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
