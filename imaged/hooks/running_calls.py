"""The running calls into plugins: which plugin, on which thread, and since when.

The list belongs to the process, like threads do. The watch reads it to name the plugin that holds up a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic


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
