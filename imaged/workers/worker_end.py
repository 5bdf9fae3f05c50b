"""What the end of a worker process says about the picture that it worked on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from imaged.core.errors import BusyError, ImagedError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.workers.worker import WorkerError, WorkerLateError, WorkerLiedError

MEMORY_TRIES, KILLED_TRIES = 2, 3
"""How often a job is tried whose worker the kernel kills for memory, which others may have taken, or an operator."""


@dataclass(frozen=True)
class WorkerEnd:
    """How a worker ended: `cause` is a label for metrics, `how` is for the log, `error` for the client.

    A job is tried `tries` times. With `blames_picture`, the daemon then refuses the picture for a while.
    """

    cause: str
    how: str
    error: ImagedError
    tries: int = 1
    blames_picture: bool = True


def judge_end(error: WorkerError, status: int | None, what: str, *, memory_ran_out: bool) -> WorkerEnd:
    """Judge the end of a worker in a job by its wait status; `what` names the work.

    SIGKILL comes from the kernel if `memory_ran_out`, and else from an operator.
    """
    if isinstance(error, WorkerLateError):
        late = OutOfTimeError(f"{what} took too long and was stopped: ask for a smaller output, or later")
        return WorkerEnd("late", "did not end in time", late)
    if isinstance(error, WorkerLiedError):
        false = NotAPictureError(f"{what} made the decoder send an invalid answer: the picture is broken")
        return WorkerEnd("nonsense", f"sent {error}", false)
    how = how_it_ended(status)
    number = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0
    cause = signal_name(number) if number else "template" if status is None else "exit"
    if number == signal.SIGXCPU:
        return WorkerEnd(cause, how, OutOfTimeError(f"{what} took too much computing time: ask for a smaller output"))
    if number == signal.SIGXFSZ or (number == signal.SIGKILL and memory_ran_out):
        large = TooLargeError(f"{what} takes more memory than this server has: send a smaller picture")
        return WorkerEnd(cause, how, large, tries=MEMORY_TRIES if number == signal.SIGKILL else 1)
    if number == signal.SIGKILL or status is None:
        killed = BusyError(f"{what} did not finish, because its worker process was killed each time: try again later")
        return WorkerEnd(cause, how, killed, tries=KILLED_TRIES, blames_picture=False)
    broken = NotAPictureError(f"{what} crashed the decoder ({cause}): the picture is broken")
    return WorkerEnd(cause, how, broken)


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
