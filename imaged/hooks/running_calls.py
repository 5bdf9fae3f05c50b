"""Calls into plugins that are under way: whom they are to, on which thread, and since when.

Threads belong to the process, and so does this list: a watchdog that finds a thread stuck reads here whose call it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True)
class Call:
    """One call, by the plugin's name and the method, on the thread of that ident.

    `began_s` and `due_s` are on the monotonic clock: after the latter, the call takes longer than its contract allows.
    """

    name: str
    thread: int
    began_s: float
    due_s: float


_calls: dict[object, Call] = {}


@contextmanager
def under_way(name: str, due_s: float) -> Iterator[None]:
    """List a call while the block runs on this thread."""
    token = object()
    _calls[token] = Call(name, threading.get_ident(), monotonic(), due_s)
    try:
        yield
    finally:
        del _calls[token]


def calls() -> list[Call]:
    """Return all that are under way now, the oldest first. Any thread."""
    return list(_calls.copy().values())  # a copy is atomic, and walking a dictionary that others change is not
