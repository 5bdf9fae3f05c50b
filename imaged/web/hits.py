"""Outputs that clients have got from the store: the next request for one is answered without reading its path again."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import ref

from imaged.core.tracing import Trace
from imaged.pipeline.pipeline import Pipeline

KEPT = 4096
"""How many paths are kept. Each takes half a kilobyte or so."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What the path of an output means under one generation. `file` is the path of its file in the store."""

    file: str
    route: str
    namespace: str | None
    output: str | None
    extension: str | None
    content_type: str

    def describe(self, trace: Trace) -> None:
        """Record what the path says in `trace`."""
        trace.route, trace.namespace = self.route, self.namespace
        trace.output, trace.extension = self.output, self.extension


class Hits:
    """The hits of the current generation, by the path of their requests. Reactor thread only.

    The policy of the generation allows them. Whether a file still exists, and which bytes it has, only the store knows.
    """

    def __init__(self) -> None:
        self._pipeline: ref[Pipeline] | None = None
        self._kept: dict[bytes, Hit] = {}

    def find(self, pipeline: Pipeline, path: bytes) -> Hit | None:
        """Return the hit of a path. Those of another generation are forgotten."""
        if self._pipeline is None or self._pipeline() is not pipeline:
            self._pipeline = ref(pipeline)
            self._kept.clear()
        return self._kept.get(path)

    def keep(self, pipeline: Pipeline, path: bytes, file: str, trace: Trace, content_type: str) -> None:
        """Keep a hit, in place of the oldest one when there are too many."""
        self.find(pipeline, path)
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[path] = Hit(file, trace.route, trace.namespace, trace.output, trace.extension, content_type)
