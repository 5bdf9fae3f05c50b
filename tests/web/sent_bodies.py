"""Bodies as clients send them: forms, and chunks."""

from __future__ import annotations

FORM = "multipart/form-data; boundary=cut"


def part(head: str, body: bytes) -> bytes:
    """Return one part of a form."""
    return b"--cut\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), body)


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks (RFC 9112, 7.1)."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
