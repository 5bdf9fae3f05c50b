"""The daemon takes messages of a worker in one form only: anything else is a MessageError, and costs no memory."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from threading import Thread
from time import monotonic, thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.workers.wire import (
    BODY_BYTES,
    HEAD_BYTES,
    EndedError,
    EndedHead,
    FactsHead,
    Inbox,
    Kind,
    LogHead,
    Message,
    MessageError,
    ReadyHead,
    RenderedHead,
    TemplateHead,
    encode,
    parse,
    receive,
    send,
)

ENDED = {"error": None, "message": "", "retry_after_s": 0, "spans_s": {"decode": 0.25}}
RENDERED = {"index": 0, "spans_s": {}}
FACTS = {"format": 0, "width_px": 4, "height_px": 3, "frames": 1}
LOG = {"level": "warn", "text": "a line"}
READY = {"landlock_abi": 7, "seccomp": True, "missing": []}
TEMPLATE = {"fault": None, "threads": 1, "details": {"magick": "ImageMagick 7"}}

GOOD: list[tuple[type[Any], Kind, dict[str, Any]]] = [
    (EndedHead, Kind.ENDED, ENDED),
    (RenderedHead, Kind.RENDERED, RENDERED),
    (FactsHead, Kind.FACTS, FACTS),
    (LogHead, Kind.LOG, LOG),
    (ReadyHead, Kind.READY, READY),
    (TemplateHead, Kind.READY, TEMPLATE),
]
BAD: list[tuple[type[Any], Kind, dict[str, Any]]] = [
    (EndedHead, Kind.ENDED, ENDED | {"error": "x" * 41}),
    (EndedHead, Kind.ENDED, ENDED | {"message": "x" * 2001}),
    (EndedHead, Kind.ENDED, ENDED | {"retry_after_s": -1}),
    (EndedHead, Kind.ENDED, ENDED | {"retry_after_s": "1"}),
    (EndedHead, Kind.ENDED, ENDED | {"spans_s": {"decode": float("nan")}}),
    (EndedHead, Kind.ENDED, ENDED | {"spans_s": {"decode": -0.1}}),
    (EndedHead, Kind.ENDED, ENDED | {"more": 1}),
    (RenderedHead, Kind.RENDERED, RENDERED | {"index": -1}),
    (RenderedHead, Kind.RENDERED, RENDERED | {"index": 0.0}),
    (RenderedHead, Kind.RENDERED, RENDERED | {"index": True}),
    (RenderedHead, Kind.RENDERED, {"index": 0}),
    (FactsHead, Kind.FACTS, FACTS | {"width_px": 0}),
    (FactsHead, Kind.FACTS, FACTS | {"frames": 2**63}),
    (FactsHead, Kind.FACTS, FACTS | {"format": "jpg"}),
    (LogHead, Kind.LOG, LOG | {"level": "fatal"}),
    (ReadyHead, Kind.READY, READY | {"missing": ["x"] * 21}),
    (TemplateHead, Kind.READY, TEMPLATE | {"threads": None}),
    (EndedHead, Kind.LOG, ENDED),  # of another kind
]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return the two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(("model", "kind", "head"), GOOD)
def test_a_head_comes_through(
    ends: tuple[socket.socket, socket.socket], model: type[Any], kind: Kind, head: dict[str, Any]
) -> None:
    """What one end sends, the other end reads, body and descriptors included."""
    read, write = os.pipe()
    body = b"body" if kind is Kind.RENDERED else b""
    send(ends[0], kind, head, body, [read])
    descriptors: list[int] = []
    message = receive(ends[1], monotonic() + 10, descriptors)
    parsed = parse(model, message, kind)
    assert {name: getattr(parsed, name) for name in head} == {k: tuple(v) if v == [] else v for k, v in head.items()}
    assert message.body == body
    os.write(write, b"through")
    assert os.read(descriptors[0], 10) == b"through"
    for each in (read, write, *descriptors):
        os.close(each)


@pytest.mark.parametrize(("model", "kind", "head"), BAD)
def test_a_wrong_head_is_refused(model: type[Any], kind: Kind, head: dict[str, Any]) -> None:
    """Each field has one type and bounds, and there are no others."""
    message = Message(Kind.LOG if (model, kind) == (EndedHead, Kind.LOG) else kind, json.dumps(head).encode())
    with pytest.raises(MessageError):
        parse(model, message, Kind.ENDED if model is EndedHead else kind)


Read = Callable[[socket.socket, float], Message]

READERS: list[Read] = [receive, lambda connection, due_s: Inbox(connection).receive(due_s)]
"""Both readers of messages."""


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "header",
    [(Kind.ENDED, HEAD_BYTES + 1, 0), (Kind.RENDERED, 2, BODY_BYTES + 1), (Kind.LOG, 2, 1), (0, 2, 0), (255, 2, 0)],
)
def test_a_wrong_header_is_refused(
    ends: tuple[socket.socket, socket.socket], header: tuple[int, int, int], read: Read
) -> None:
    """It is refused at once: nothing is read or allocated for the lengths that it states."""
    ends[0].sendall(struct.pack(">BII", *header) + b"{}")
    with pytest.raises(MessageError):
        read(ends[1], monotonic() + 10)


@pytest.mark.parametrize("read", READERS)
def test_the_end_of_a_connection_is_no_message(ends: tuple[socket.socket, socket.socket], read: Read) -> None:
    """The peer has died in the middle of a message."""
    ends[0].sendall(b"\x14\0\0")
    ends[0].close()
    with pytest.raises(EndedError):
        read(ends[1], monotonic() + 10)


@pytest.mark.parametrize("read", READERS)
def test_a_peer_that_sends_no_more_is_late(ends: tuple[socket.socket, socket.socket], read: Read) -> None:
    """A message that is not complete in time raises TimeoutError, however slowly its bytes come."""
    ends[0].sendall(b"\x14\0\0")
    with pytest.raises(TimeoutError):
        read(ends[1], monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        read(ends[1], monotonic() - 1)


@pytest.mark.parametrize("read", READERS)
def test_a_body_that_does_not_come_takes_no_memory(ends: tuple[socket.socket, socket.socket], read: Read) -> None:
    """A peer states the largest length and sends nothing: memory for it would be cleared with Python's lock held."""
    ends[0].sendall(struct.pack(">BII", Kind.RENDERED, 2, BODY_BYTES) + b"{}")
    tracemalloc.start()
    try:
        with pytest.raises(TimeoutError):
            read(ends[1], monotonic() + 0.1)
        assert tracemalloc.get_traced_memory()[1] < BODY_BYTES // 100
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", READERS)
def test_a_body_of_single_bytes_costs_little(ends: tuple[socket.socket, socket.socket], read: Read) -> None:
    """A peer that sends byte by byte, as fast as it can, does not keep this process busy."""
    ends[0].sendall(struct.pack(">BII", Kind.RENDERED, 2, BODY_BYTES) + b"{}")
    drip = "import socket, sys; peer = socket.socket(fileno=int(sys.argv[1]))\nwhile True: peer.send(b'x')"
    file = ends[0].fileno()
    with subprocess.Popen([sys.executable, "-c", drip, str(file)], pass_fds=[file]) as peer:
        ends[1].recv(11 + 1, socket.MSG_PEEK | socket.MSG_WAITALL)
        used_s = thread_time()
        with pytest.raises(TimeoutError):
            read(ends[1], monotonic() + 1)
        peer.kill()
    assert thread_time() - used_s < 0.25


@given(st.binary(max_size=200))
def test_garbage_is_no_message(data: bytes) -> None:
    """Whatever bytes come, they are a good message, or raise one of two errors."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.close()
        try:
            message = receive(theirs, monotonic() + 10)
            parse(EndedHead, message, Kind.ENDED)
        except (MessageError, EndedError):
            return
        assert len(message.head) <= HEAD_BYTES


def test_an_inbox_reads_ahead(ends: tuple[socket.socket, socket.socket]) -> None:
    """Messages that come together are read together, and each is what it was; so is one that comes in pieces."""
    heads = [{"index": 1, "spans_s": {}}, {"index": 2, "spans_s": {}}]
    bodies = [b"a" * 100, b"b" * 200_000]
    sent = b"".join(encode(Kind.RENDERED, head, body) for head, body in zip(heads, bodies, strict=True))

    def send_all() -> None:
        for piece in (sent[:60], sent[60:]):
            ends[0].sendall(piece)
        ends[0].close()

    sender = Thread(target=send_all)
    sender.start()
    inbox, due_s = Inbox(ends[1]), monotonic() + 10
    for head, body in zip(heads, bodies, strict=True):
        message = inbox.receive(due_s)
        assert (json.loads(message.head), message.body) == (head, body)
    with pytest.raises(EndedError):
        inbox.receive(due_s)
    sender.join()


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_an_inbox_reads_what_a_socket_has(pieces: list[bytes]) -> None:
    """However messages are cut, an inbox reads what `receive` reads, or raises what that raises."""
    results = []
    for read in (receive, None):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for piece in pieces:
                ours.sendall(piece)
            ours.close()
            inbox, due_s, found = Inbox(theirs), monotonic() + 10, list[object]()
            try:
                while True:
                    found.append(read(theirs, due_s) if read else inbox.receive(due_s))
            except (MessageError, EndedError) as error:
                found.append(str(error))
            results.append(found)
    assert results[0] == results[1]
