"""Calls into plugins: what they raise against their contract is logged whole, and told to the client in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import Logger

from imaged.core.errors import ImagedError, PluginFailedError

_log = Logger(namespace="imaged.plugins")


@contextmanager
def held_to_contract(called: str) -> Iterator[None]:
    """Turn whatever the block raises, but for our own errors, into PluginFailedError. On any thread.

    `called` names what was called, and on what.
    """
    try:
        yield
    except ImagedError:
        raise
    except Exception as error:
        _log.failure("{called} broke its contract", called=called)
        raise PluginFailedError(f"{called} failed: {type(error).__name__}") from error
