"""How many renders a client may queue, and which render is next: no client and no image keeps the others waiting.

Shares are dynamic thresholds (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches",
IEEE/ACM Transactions on Networking 6(2), 1998): a client may hold a multiple of the free places, so that a new client
always finds room. Turns are tags that only grow, as in start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from imaged.core.errors import BusyError
from imaged.core.hashes import ImageId

MAXIMUM_RENDERS = 50_000
"""How many renders may be queued before more are refused: an hour of work or so for a small machine."""

CLIENT_SHARE = 1
"""How many times the free places one client may have queued: alone it gets half of the queue."""

NAMESPACE_SHARE = 3
"""The same for a namespace, to which many clients may post: alone it gets three quarters."""

TURN_OUTPUTS = 20
"""How many outputs of an image are rendered in one turn, in one decode."""

_TALLY = "SELECT jobs, images FROM tallies WHERE kind = 'render' AND state = 'queued' AND scope = ? AND name = ?"


def check_share(db: sqlite3.Connection, namespace: str, client: str) -> None:
    """Raise BusyError when the queue is full of renders, or this client or namespace has used up its share."""
    queued, _ = _tally(db, "all", "")
    free = MAXIMUM_RENDERS - queued
    if free <= 0:
        raise BusyError(f"{queued} outputs are queued already: try again later", retry_after_s=60)
    of_client, _ = _tally(db, "client", client)
    if of_client >= CLIENT_SHARE * free:
        raise BusyError(f"{of_client} outputs are queued for this client already: try again later", retry_after_s=60)
    of_namespace, _ = _tally(db, "namespace", namespace)
    if of_namespace >= NAMESPACE_SHARE * free:
        raise BusyError(f"{of_namespace} outputs of {namespace} are queued already: try again later", retry_after_s=60)


def take_turns(db: sqlite3.Connection, now: int, image: ImageId, client: str, outputs: int) -> Sequence[int]:
    """Return a turn for each new render of an image, one for each of `outputs`; `now` is the turn that was served last.

    A client's first image is next, its second one turn later, and so on: another client's first image does not wait for
    them. After each TURN_OUTPUTS outputs of an image, the client's other images have a turn.
    """
    (before,) = db.execute(
        "SELECT count(*) FROM jobs WHERE state = 'queued' AND kind = 'render' AND client = ? "
        "AND namespace = ? AND hash = ?",
        (client, image.namespace, str(image.hash)),
    ).fetchone()
    _, images = _tally(db, "client", client)
    others = images - (before > 0)
    return [now + others + (before + number) // TURN_OUTPUTS * (others + 1) for number in range(outputs)]


def _tally(db: sqlite3.Connection, scope: str, name: str) -> tuple[int, int]:
    """Return how many renders are queued within a scope, and for a client of how many images."""
    jobs, images = db.execute(_TALLY, (scope, name)).fetchone() or (0, 0)
    return jobs, images
