"""Calls into plugins: what they raise against their contract is logged whole, and told to the client in a line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from twisted.logger import Logger
from twisted.python.reflect import safe_str

from imaged.core.errors import ImagedError, PluginFailedError
from imaged.hooks.running_calls import under_way

_log = Logger(namespace="imaged.plugins")

FAULT_CHARACTERS = 300
"""How much of an error's text `describe` keeps: it goes to the status page and into a log line."""


@contextmanager
def plugin_boundary(called: str, within_s: float) -> Iterator[None]:
    """Turn whatever the block raises, but for our own errors, into PluginFailedError. On any thread.

    That includes what is no Exception: a panic of Rust code, SystemExit, KeyboardInterrupt and GeneratorExit of a
    plugin would end the thread or leave those without an answer who wait for it. `called` names what was called, as
    the YAML file names the plugin; a call that takes longer than `within_s` seconds is told to the operator.
    """
    try:
        with under_way(called, monotonic() + within_s):
            yield
    except ImagedError:
        raise
    except BaseException as error:
        raise broken(called, error) from error


def broken(called: str, error: BaseException) -> PluginFailedError:
    """Return the error for what a plugin has raised against its contract, after the log is told of it.

    Raises it again when it is somebody's Ctrl-C. To be called where it is caught.
    """
    if is_interrupt(error):
        raise error
    _log.failure("{called} broke its contract", called=called)
    return PluginFailedError(f"{called} failed: {type(error).__name__}")


def is_interrupt(error: BaseException) -> bool:
    """Say whether an error is somebody's Ctrl-C, which comes on the main thread while nobody handles the signal."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def refuse(called: str, wrong: str) -> PluginFailedError:
    """Return the error for what a plugin has returned against its contract, after the log is told of it."""
    _log.error("{called} broke its contract: {wrong}", called=called, wrong=wrong)
    return PluginFailedError(f"{called} broke its contract: {wrong}")


def kind_of(value: Any) -> str:
    """Return what a value is, for a message: its type alone, since `repr` is the plugin's code.

    A coroutine is closed, so that Python has nothing to complain of: it is not going to be awaited.
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
