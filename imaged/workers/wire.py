"""Messages between the daemon and a worker process: a fixed header, a head in JSON, and the bytes of a picture.

The daemon takes nothing from a worker on trust: each head is parsed by a strict model, each length has a bound, and
names and formats are indexes into what the daemon itself asked for. Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic, sleep
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

HEAD_BYTES = 1 << 16
"""The longest head."""

JOB_HEAD_BYTES = 1 << 28
"""The longest head that a worker reads from the daemon: it has the watermarks of a job."""

BODY_BYTES = 1 << 29
"""The largest picture that a worker may return."""

LOG_LINES = 20
"""How many lines a worker may add to the daemon's log in one job."""

_HEADER = struct.Struct(">BII")

_PIECE_BYTES, _AHEAD_BYTES = 1 << 18, 1 << 16
"""How much is read at most, and at least, at a time."""

_SMALL_BYTES, _PAUSE_S = 1 << 12, 0.002
"""A peer that sends byte by byte is read once in a while, so that it does not keep Python's lock busy."""

GO, STOP = b"g", b"s"
"""What the daemon answers to a picture that is not the last of its job."""


class Kind(IntEnum):
    """The kinds of messages: those of the daemon first."""

    RENDER = 1
    VERIFY = 2
    IDENTIFY = 3
    SELF_CHECK = 4
    DESCRIBE = 5
    READY = 16
    RENDERED = 17
    FACTS = 18
    LOG = 19
    ENDED = 20
    DETAILS = 21


class MessageError(Exception):
    """The peer sent something that is no message."""


class EndedError(EOFError):
    """The peer has closed the connection, or has died."""


@dataclass(frozen=True)
class Message:
    """One message. `head` is JSON."""

    kind: Kind
    head: bytes
    body: bytes = b""


class _Head(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


Seconds = Annotated[FiniteFloat, Field(ge=0, le=1e6)]
Spans = dict[Annotated[str, Field(max_length=20)], Seconds]
Text = Annotated[str, Field(max_length=2000)]
Whole = Annotated[int, Field(ge=0, le=2**40)]


class ReadyHead(_Head):
    """A worker waits for its first job; this is how it is confined."""

    landlock_abi: Annotated[int, Field(ge=0, le=1000)]
    seccomp: bool
    missing: Annotated[tuple[Text, ...], Field(max_length=20)]


class RenderedHead(_Head):
    """The variant number `index` of the job is ready."""

    index: Whole
    spans_s: Spans


class FactsHead(_Head):
    """What `identify` found; `format` is the number of a format that the generation reads."""

    format: Whole
    width_px: Annotated[int, Field(ge=1, le=2**40)]
    height_px: Annotated[int, Field(ge=1, le=2**40)]
    frames: Annotated[int, Field(ge=1, le=2**40)]


Percent = Annotated[int, Field(ge=0, le=100)]
Short = Annotated[str, Field(max_length=100)]


class DetailsHead(_Head):
    """What a look at the pixels of an original says: the fields of ImageDetails. `is_sound` checks their values."""

    frames: Annotated[int, Field(ge=1, le=2**40)]
    transparency: bool
    orientation: Annotated[int, Field(ge=1, le=8)]
    profile: Short | None
    thumbhash: Short
    average_color: Short
    dominant_color: Short
    dhash: Short
    focal_point: tuple[Percent, Percent]


class LogHead(_Head):
    """A line for the daemon's log."""

    level: Literal["debug", "info", "warn", "error", "critical"]
    text: Text


class EndedHead(_Head):
    """The job has ended; `error` is the name of an error's class, or None."""

    error: Annotated[str, Field(max_length=40)] | None
    message: Text
    retry_after_s: Annotated[int, Field(ge=0, le=3600)]
    spans_s: Spans


class TemplateHead(_Head):
    """Tells that a template has built its processors, or in `fault` why it has not. It has `threads` threads.

    `details` has what each processor says about itself, by name.
    """

    fault: Text | None
    threads: Whole
    details: dict[Text, Text]


def parse(model: type[Any], message: Message, kind: Kind) -> Any:
    """Return the head of a message of this kind, as `model`. Raises MessageError."""
    if message.kind is not kind:
        raise MessageError(f"a message of the kind {message.kind.name}, not {kind.name}")
    try:
        return model.model_validate_json(message.head)
    except ValidationError as error:
        raise MessageError(f"a {model.__name__} with {error.error_count()} invalid fields") from None


def encode(kind: Kind, head: Any, body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    encoded = json.dumps(head).encode()
    return b"".join((_HEADER.pack(kind, len(encoded), len(body)), encoded, body))


def send(connection: socket.socket, kind: Kind, head: Any, body: bytes = b"", descriptors: Sequence[int] = ()) -> None:
    """Send a message, with descriptors attached to its first byte. Blocks; raises OSError when the peer is gone."""
    message = encode(kind, head, body)
    sent = socket.send_fds(connection, [message], list(descriptors)) if descriptors else connection.send(message)
    if sent < len(message):
        connection.sendall(memoryview(message)[sent:])


def receive(
    connection: socket.socket,
    due_s: float | None = None,
    descriptors: list[int] | None = None,
    head_bytes: int = HEAD_BYTES,
) -> Message:
    """Read a message and nothing behind it; block until `due_s` of the monotonic clock.

    Descriptors that come with it are appended to `descriptors`. Its head has `head_bytes` at most.
    Raises TimeoutError, EndedError when the peer is gone, and MessageError for anything that is no message.
    """
    start = _take(connection, _HEADER.size, due_s, descriptors)
    return _read(start, lambda length: _take(connection, length, due_s), head_bytes)


class Inbox:
    """Reads the messages of a peer, as many bytes at once as have come. For one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = memoryview(b"")

    def receive(self, due_s: float) -> Message:
        """Read a message, as the function `receive` does."""
        return _read(self._take(_HEADER.size, due_s), lambda length: self._take(length, due_s))

    def _take(self, length: int, due_s: float) -> bytes:
        if length <= len(self._unread):
            taken, self._unread = self._unread[:length], self._unread[length:]
            return bytes(taken)
        pieces, left = [bytes(self._unread)], length - len(self._unread)
        self._unread = memoryview(b"")
        while left > 0:
            piece = _receive_piece(self._connection, max(left, _AHEAD_BYTES), due_s)
            pieces.append(piece[:left])
            if len(piece) > left:
                self._unread = memoryview(piece)[left:]
            left -= len(piece)
            if left > 0 and len(piece) < _SMALL_BYTES:
                sleep(_PAUSE_S)
        return b"".join(pieces)


def _read(start: bytes, take: Callable[[int], bytes], head_bytes: int = HEAD_BYTES) -> Message:
    kind, head_length, body_length = _HEADER.unpack(start)
    if head_length > head_bytes or body_length > (BODY_BYTES if kind == Kind.RENDERED else 0):
        raise MessageError(f"a message with a head of {head_length} bytes and a body of {body_length}")
    try:
        known = Kind(kind)
    except ValueError:
        raise MessageError(f"a message of the unknown kind {kind}") from None
    return Message(known, take(head_length), take(body_length))


def _take(connection: socket.socket, length: int, due_s: float | None, descriptors: list[int] | None = None) -> bytes:
    """Read so many bytes. Takes memory for those that have come only, whatever length the peer has stated."""
    pieces: list[bytes] = []
    left = length
    while left:
        piece = _receive_piece(connection, left, due_s, None if pieces else descriptors)
        pieces.append(piece)
        left -= len(piece)
        if left and len(piece) < _SMALL_BYTES:
            sleep(_PAUSE_S)
    return b"".join(pieces)


def _receive_piece(
    connection: socket.socket, at_most: int, due_s: float | None, descriptors: list[int] | None = None
) -> bytes:
    """Read what has come. Raises TimeoutError, and EndedError when the peer is gone."""
    if due_s is not None:
        left_s = due_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
    try:
        if descriptors is not None:
            piece, came, _, _ = socket.recv_fds(connection, at_most, 4)
            descriptors.extend(came)
        else:
            piece = connection.recv(min(at_most, _PIECE_BYTES))
    except ConnectionError as error:
        raise EndedError from error
    if not piece:
        raise EndedError
    return piece
