"""A head that arrives in one piece is read as one in two pieces, whose lines are read one by one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_port import Client, Port

from imaged.core.http_syntax import read_head
from imaged.web.answers import send_text
from imaged.web.connection import MAXIMUM_HEAD_BYTES, MAXIMUM_HEADERS
from imaged.web.requests import ImagedRequest

CHANGING = re.compile(rb"(?:Date|X-Request-Id): [^\r]*\r\n")
REQUEST_LINES = [b"GET / HTTP/1.1", b"HEAD /a?b HTTP/1.1", b"GET /%41 HTTP/1.0", b"POST http://a/b HTTP/1.1"]
BAD_LINES = [
    b"GET / HTTP/1.2",
    b"GET  / HTTP/1.1",
    b"GET /\xc3 HTTP/1.1",
    b"G(T / HTTP/1.1",
    b"GET /",
    b"",
]
FIELDS = [
    b"Host: a",
    b"host:\t a \t",
    b"A:b",
    b"Accept:",
    b"X: \xe9\xff",
    b"Cookie: a=b; c=d",
    b"Connection: close",
    b"Connection: keep-alive, Close",
    b"X-Request-Id: one",
    b"X-Request-Id: two words",
    b"If-None-Match: *",
    b"Expect: 100-continue",
    b"Expect: more",
    b"x" * 256 + b": long",
]
BAD_FIELDS = [
    b"Host: a b",
    b" folded",
    b"no colon",
    b"A : b",
    b"A: \x00",
    b"A: b\rC: d",
    b"A: b\nC: d",
    b": empty",
    b"x" * 257 + b": long",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"content-length: x",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
]
HEADS = st.builds(
    lambda line, fields, end, rest: b"\r\n".join([line, *fields]) + end + rest,
    st.sampled_from(REQUEST_LINES * 3 + BAD_LINES),
    st.lists(st.sampled_from(FIELDS * 3 + BAD_FIELDS), max_size=6).map(lambda fields: [FIELDS[0], *fields]),
    st.sampled_from([b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n", b"\r\n\r\n\r\n"]),
    st.sampled_from([b"", b"GET /next HTTP/1.1\r\nHost: b\r\n\r\n", b"abc", b"GET / HT", b"\x16\x03"]),
)


class Observed:
    """What a port does with bytes of a client."""

    def __init__(self) -> None:
        self.requests: list[tuple[object, ...]] = []
        self.port = Port(answer=self._answer)
        self.port.answer_at_once()

    def of(self, *pieces: bytes) -> tuple[object, ...]:
        """Return the answers, the requests, and the state of a connection that has received these pieces."""
        client: Client = self.port.connect()
        for each in pieces:
            client.send(each)
            self.port.clock.advance(0)
        received = CHANGING.sub(b"", client.received)
        return received, self.requests, client.aborted, client.half_closed, client.closed

    def _answer(self, request: ImagedRequest) -> None:
        headers = list(request.requestHeaders.getAllRawHeaders())
        self.requests.append((request.method, request.uri, request.path, request.clientproto, headers))
        send_text(request, "here")


@given(HEADS)
def test_one_piece_and_two_are_read_alike(data: bytes) -> None:
    """Answers, requests and the end of the connection are the same, for valid and for malformed heads."""
    assert Observed().of(data) == Observed().of(data[:1], data[1:])


@pytest.mark.parametrize("surplus", [0, 1])
def test_limits_are_the_same(surplus: int) -> None:
    """The largest head and the most headers are accepted, and one byte or one header more is refused."""
    start = b"GET / HTTP/1.1\r\nHost: a\r\n"
    largest = start + b"A: " + b"x" * (MAXIMUM_HEAD_BYTES - len(start) - 7 + surplus) + b"\r\n\r\n"
    most = start + b"A: b\r\n" * (MAXIMUM_HEADERS - 1 + surplus) + b"\r\n"
    for head in (largest, most):
        assert (read_head(head, MAXIMUM_HEAD_BYTES, MAXIMUM_HEADERS) is None) == bool(surplus)
        received, requests, *_ = whole = Observed().of(head)
        assert whole == Observed().of(head[:20], head[20:])
        assert isinstance(received, bytes)
        assert received.startswith(b"HTTP/1.1 431" if surplus else b"HTTP/1.1 200")
        assert bool(requests) != bool(surplus)


def test_a_head_is_read_with_what_follows() -> None:
    """Names and values come in their order, without white space around them; the length ends the head."""
    data = b"GET /a HTTP/1.1\r\nHost: a\r\nB:\t c d \r\nb:\r\n\r\nGET"
    head = read_head(data, 1000, 10)
    assert head is not None
    assert (head.method, head.target, head.version) == (b"GET", b"/a", b"HTTP/1.1")
    assert head.headers == [(b"Host", b"a"), (b"B", b"c d"), (b"b", b"")]
    assert data[head.size_bytes :] == b"GET"
