"""What a worker that a picture has taken over may say to the daemon."""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from imaged.testing.pictures import make_plain
from imaged.workers.wire import BODY_BYTES, HEAD_BYTES, Kind, send

PICTURE = make_plain("png", 5, 3)


def connection() -> socket.socket:
    """Return the socket on which this worker gets its jobs."""
    for file in range(3, 1024):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(file).st_mode):
                return socket.socket(fileno=os.dup(file))
    raise OSError("this process has no socket")


def _tell(kind: Kind, head: Any, body: bytes = b"") -> Callable[[], None]:
    return lambda: send(connection(), kind, head, body)


def _raw(data: bytes) -> Callable[[], None]:
    return lambda: connection().sendall(data)


def _header(kind: int, head_length: int, body_length: int = 0) -> bytes:
    return struct.pack(">BII", kind, head_length, body_length)


def _rendered(**fields: object) -> dict[str, object]:
    return {"index": 0, "spans_s": {}} | fields


def _ended(**fields: object) -> dict[str, object]:
    return {"error": None, "message": "", "retry_after_s": 0, "spans_s": {}} | fields


def _flood() -> None:
    peer = connection()
    for number in range(10_000):
        send(peer, Kind.LOG, {"level": "critical", "text": f"\x1b[2J flood {number} " + "x" * 1900})


def _drip() -> None:
    peer = connection()
    peer.sendall(_header(Kind.ENDED, 1000))
    while True:
        peer.sendall(b" ")
        time.sleep(0.2)


LIES: dict[str, Callable[[], None]] = {
    "another_variant": _tell(Kind.RENDERED, _rendered(index=99), PICTURE),
    "a_negative_variant": _tell(Kind.RENDERED, _rendered(index=-1), PICTURE),
    "a_number_without_end": _raw(_header(Kind.RENDERED, 5000) + b"9" * 5000),
    "no_picture": _tell(Kind.RENDERED, _rendered(), b"<html>"),
    "seconds_that_are_no_number": _tell(Kind.RENDERED, _rendered(spans_s={"decode": float("nan")}), PICTURE),
    "infinite_seconds": _tell(Kind.RENDERED, _rendered(spans_s={"decode": float("inf")}), PICTURE),
    "a_name_of_a_file": _tell(Kind.RENDERED, _rendered(path="/etc/passwd"), PICTURE),
    "facts": _tell(Kind.FACTS, {"format": 0, "width_px": 1, "height_px": 1, "frames": 1}),
    "details": _tell(Kind.DETAILS, {"frames": 1, "transparency": False, "orientation": 1}),
    "ready": _tell(Kind.READY, {"landlock_abi": 99, "seccomp": True, "missing": []}),
    "a_job": _tell(Kind.RENDER, {"variants": []}),
    "an_early_end": _tell(Kind.ENDED, _ended()),
    "an_endless_message": _tell(Kind.ENDED, _ended(error="StoreError", message="x" * 60_000)),
    "an_unknown_kind": _raw(_header(200, 2) + b"{}"),
    "a_body_that_is_too_long": _raw(_header(Kind.RENDERED, 2, BODY_BYTES + 1) + b"{}"),
    "a_head_that_is_too_long": _raw(_header(Kind.RENDERED, HEAD_BYTES + 1)),
    "a_deep_head": _raw(_header(Kind.ENDED, HEAD_BYTES) + b"[" * HEAD_BYTES),
    "no_json": _raw(_header(Kind.ENDED, 4) + b"\xff\xfe\x00{"),
    "a_flood_of_log_lines": _flood,
}
"""Each of them is no message of a worker."""

SLOW: dict[str, Callable[[], None]] = {
    "a_body_that_never_comes": _raw(_header(Kind.RENDERED, 2, BODY_BYTES) + b"{}"),
    "a_byte_now_and_then": _drip,
}
"""Each of them ends with the time of the job."""
