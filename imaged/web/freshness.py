"""How long caches may keep an answer: the picture at a path of an origin may be another one later."""

from __future__ import annotations

from dataclasses import dataclass, replace

from imaged.pipeline.origins import OriginPicture
from imaged.store.disk import FileBody, OpenFile
from imaged.web.files import CHANGING

_CHANGING_S = int(CHANGING.rpartition(b"=")[2])


@dataclass(frozen=True, slots=True)
class Freshness:
    """Until when a path has its picture, on the clock of requests. `tag` tells its pictures apart.

    Caches get `shortest_s` at least: a stale answer is sent while the origin is asked. `since_ns` is when the path got
    its picture, in nanoseconds since the epoch.
    """

    until_s: float
    shortest_s: float
    since_ns: int
    tag: str

    @classmethod
    def of(cls, found: OriginPicture, now_s: float) -> Freshness:
        """Return that of a picture which an origin has, found at `now_s`."""
        return cls(now_s + found.fresh_s, found.shortest_s, found.since_ns, found.image.hash.digits[:8])

    def limit(self, tag: str, caching: bytes, now_s: float) -> tuple[str, bytes]:
        """Return the part of the ETag and the Cache-Control that an answer at `now_s` has instead of these."""
        left_s = int(max(self.until_s - now_s, self.shortest_s))
        left_s = min(left_s, _CHANGING_S) if caching == CHANGING else left_s
        return "-".join(filter(None, (tag, self.tag))), b"public, max-age=%d" % left_s

    def dated(self, opened: OpenFile | FileBody) -> OpenFile | FileBody:
        """Return a file with the time when the path got it, if that is later: it is the date that clients compare."""
        return opened if opened.modified_ns >= self.since_ns else replace(opened, modified_ns=self.since_ns)
