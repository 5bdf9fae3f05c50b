"""The headers that each answer has, whatever its status."""

from __future__ import annotations

from collections.abc import Mapping

from imaged.core.tracing import Trace
from imaged.web.headers import http_date
from imaged.web.paths import is_auto


def common_headers(
    trace: Trace, path: bytes, shared: Mapping[str, str], elapsed_s: float | None
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer. `shared` are those of CORS; without `elapsed_s`, none is about time."""
    headers = [(b"Date", http_date()), (b"Server", b"imaged"), (b"X-Request-Id", trace.request_id.encode())]
    if trace.cache_tag is not None:
        tag = trace.cache_tag.encode()
        headers += [(b"Cache-Tag", tag), (b"Surrogate-Key", tag)]  # CDNs read one or the other
    if is_auto(path):
        origin = shared.get("Vary")
        shared = {**shared, "Vary": f"Accept, {origin}" if origin else "Accept"}  # one header: caches may read one
    for name, value in shared.items():
        headers.append((name.encode(), value.encode()))
    if elapsed_s is not None:
        timing = f"total;dur={1000 * elapsed_s:.3f}"
        if spans_ms := trace.spans_ms:
            timing = ", ".join([*(f"{name};dur={spent_ms:g}" for name, spent_ms in spans_ms.items()), timing])
        headers.append((b"Server-Timing", timing.encode()))
    return headers
