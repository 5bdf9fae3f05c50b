"""Calls into plugins: each is listed while it runs, and what breaks its contract is logged.

The list belongs to the process, like threads do. The watch of `profiling` reads it to name the plugin that holds up a
thread.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.logger import Logger
from twisted.python.reflect import safe_str

from imaged.core.errors import ImagedError, PluginFailedError, StoreError

_log = Logger(namespace="imaged.plugins")

FAULT_CHARACTERS = 300
"""How much of an error's text `describe` keeps: it goes to the status page and into a log line."""


@dataclass(frozen=True)
class Call:
    """One call. `name` has the plugin and the method, `thread` is the thread's ident.

    `began_s` and `due_s` are on the monotonic clock; after `due_s` the call takes longer than its contract allows.
    """

    name: str
    thread: int
    began_s: float
    due_s: float


_calls: dict[object, Call] = {}


@contextmanager
def under_way(name: str, within_s: float) -> Iterator[None]:
    """List a call, which should end `within_s` seconds from now, while the block runs. Any thread."""
    token, began_s = object(), monotonic()
    _calls[token] = Call(name, threading.get_ident(), began_s, began_s + within_s)
    try:
        yield
    finally:
        del _calls[token]


def calls() -> list[Call]:
    """Return the running calls, the oldest first. Any thread."""
    return list(_calls.copy().values())  # copying is atomic; iterating while other threads write is not


@contextmanager
def plugin_boundary(called: str, within_s: float, source: Path | None = None) -> Iterator[None]:
    """Turn every error of the block but an ImagedError into PluginFailedError. Any thread.

    One that comes when the file `source` is gone is a StoreError: the plugin has no part in an erasure.

    A BaseException is one too: a panic of Rust code, or SystemExit, KeyboardInterrupt and GeneratorExit of a plugin,
    would end the thread, or leave clients without an answer. `called` names the call, with the plugin as in the YAML
    file. The log names a call that takes longer than `within_s` seconds.
    """
    try:
        with under_way(called, within_s):
            yield
    except ImagedError:
        raise
    except MemoryError as error:
        _log.error("{called} ran out of memory", called=called)
        raise PluginFailedError(f"{called} ran out of memory") from error
    except BaseException as error:
        if source is not None and isinstance(error, Exception) and not source.exists():
            raise StoreError("the picture cannot be read: it was removed meanwhile") from error
        raise broken(called, error) from error


def broken(called: str, error: BaseException) -> PluginFailedError:
    """Log an error that the contract excludes, and return the one to raise. Called in the `except` block.

    Raises a Ctrl-C again.
    """
    if is_interrupt(error):
        raise error
    _log.failure("{called} failed, a bug of the plugin; report it to its author", called=called)
    return PluginFailedError(f"{called} failed: {type(error).__name__}")


def is_interrupt(error: BaseException) -> bool:
    """Say whether an error is a Ctrl-C, which Python raises on the main thread while SIGINT has no handler of ours."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def refuse(called: str, wrong: str) -> PluginFailedError:
    """Log what is wrong with what a plugin returned, and return the error to raise."""
    _log.error("{called} failed, a bug of the plugin: {wrong}; report it to its author", called=called, wrong=wrong)
    return PluginFailedError(f"{called} failed, a bug of the plugin: {wrong}")


def kind_of(value: Any) -> str:
    """Return the type of a value for a message; its `repr` may hold anything.

    Closes a coroutine, so that Python does not warn that it was never awaited.
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = type(value).__name__
    if kind in {"coroutine", "generator"}:
        value.close()
    return kind


def describe(error: BaseException) -> str:
    """Return an error in one short line, also if its `__str__` raises."""
    text = " ".join(f"{type(error).__name__}: {safe_str(error)}".split())
    return text[:FAULT_CHARACTERS].encode("utf-8", "backslashreplace").decode()
