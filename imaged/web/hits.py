"""Outputs that clients have got from the store: the next request for one is answered without reading its path again.

What a client of an `auto` output gets depends on its `Accept` header, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import ref

from twisted.web.http import Request

from imaged.core.negotiation import Candidates
from imaged.core.outputs import Output, Preset
from imaged.core.tracing import Trace
from imaged.pipeline.auto_outputs import AutoAnswer
from imaged.pipeline.pipeline import Pipeline
from imaged.web.files import CHANGING, LASTING
from imaged.web.freshness import Freshness
from imaged.web.headers import accept_of

KEPT = 4096
"""How many paths are kept. Each takes half a kilobyte or so, that of an `auto` output up to two."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What the path of an output means under one generation.

    `file` is the path of its file in the store; `tag` is a part of its ETag, `caching` its Cache-Control. `is_public`
    says whether the output needs no signature; otherwise each request is checked. `fresh` is that of a path of an
    origin, and limits both tag and caching.
    """

    file: str
    route: str
    namespace: str | None
    output: str | None
    extension: str | None
    content_type: str
    tag: str
    caching: bytes
    is_public: bool
    cache_tag: str | None
    fresh: Freshness | None = None

    def lasts(self, now_s: float) -> bool:
        """Return whether the path still means this, at a time on the clock of requests."""
        return self.fresh is None or now_s < self.fresh.until_s

    def describe(self, trace: Trace) -> None:
        """Record what the path says in `trace`."""
        trace.route, trace.namespace, trace.cache_tag = self.route, self.namespace, self.cache_tag
        trace.output, trace.extension = self.output, self.extension


@dataclass(frozen=True, slots=True)
class AutoHit:
    """What the path of an `auto` output means: the hit for each of the candidates that a client has chosen."""

    candidates: Candidates
    hits: dict[str, Hit]


class Hits:
    """The hits of the current generation, by the path of their requests. Reactor thread only.

    The policy of the generation allows them, where they are not public to clients with a signature. Whether a file
    still exists, and which bytes it has, only the store knows.
    """

    def __init__(self) -> None:
        self._pipeline: ref[Pipeline] | None = None
        self._kept: dict[bytes, Hit | AutoHit] = {}

    def find(self, pipeline: Pipeline, request: Request) -> Hit | None:
        """Return the hit of a request, by its path and `Accept` header. Those of another generation are forgotten."""
        hit = self._of(pipeline).get(request.path)
        if isinstance(hit, AutoHit):
            return hit.hits.get(hit.candidates.choose(accept_of(request)).extension)
        return hit

    def keep(
        self,
        pipeline: Pipeline,
        path: bytes,
        file: str,
        trace: Trace,
        output: Output,
        *,
        is_public: bool,
        fresh: Freshness | None = None,
    ) -> None:
        """Keep a hit, in place of the oldest one when there are too many."""
        hit = _hit(file, trace, pipeline.formats.content_type(output), *caching_of(output), is_public, fresh)
        self._add(pipeline, path, hit)

    def keep_auto(
        self,
        pipeline: Pipeline,
        path: bytes,
        file: str,
        trace: Trace,
        answer: AutoAnswer,
        *,
        is_public: bool,
        fresh: Freshness | None = None,
    ) -> None:
        """Keep the hit of an `auto` output, for clients whose `Accept` headers choose the same format."""
        content_type = pipeline.formats.content_type(answer.output)
        kept = self._of(pipeline).get(path)
        hits = dict(kept.hits) if isinstance(kept, AutoHit) and kept.candidates == answer.candidates else {}
        hits[answer.chosen.extension] = _hit(file, trace, content_type, *caching_of_auto(answer), is_public, fresh)
        self._add(pipeline, path, AutoHit(answer.candidates, hits))

    def _of(self, pipeline: Pipeline) -> dict[bytes, Hit | AutoHit]:
        if self._pipeline is None or self._pipeline() is not pipeline:
            self._pipeline = ref(pipeline)
            self._kept.clear()
        return self._kept

    def _add(self, pipeline: Pipeline, path: bytes, hit: Hit | AutoHit) -> None:
        kept = self._of(pipeline)
        if len(kept) >= KEPT and path not in kept:
            del kept[next(iter(kept))]
        kept[path] = hit


def caching_of(output: Output) -> tuple[str, bytes]:
    """Return a part of the ETag, and the Cache-Control, of an output."""
    version = output.sizing.version if isinstance(output.sizing, Preset) else ""
    return version, CHANGING if version else LASTING


def caching_of_auto(answer: AutoAnswer) -> tuple[str, bytes]:
    """Return the same for an answer to the URL of an `auto` output. No cache keeps one for long that stands in."""
    version, caching = caching_of(answer.output)
    return "-".join(filter(None, (version, answer.output.extension))), CHANGING if answer.stands_in else caching


def _hit(
    file: str,
    trace: Trace,
    content_type: str,
    tag: str,
    caching: bytes,
    is_public: bool,  # noqa: FBT001  # private
    fresh: Freshness | None,
) -> Hit:
    path = trace.route, trace.namespace, trace.output, trace.extension
    return Hit(file, *path, content_type, tag, caching, is_public, trace.cache_tag, fresh)
