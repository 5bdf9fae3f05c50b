"""The jobs that a worker process gets: what it is asked for, and what of its answers the daemon takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from imaged.core.details import ImageDetails
from imaged.core.formats import AVIF, Format, Formats
from imaged.core.geometry import Size
from imaged.core.gravities import FocalPoint
from imaged.core.pictures import ImageFacts
from imaged.core.tracing import SPANS
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import sniff_file
from imaged.workers.render_jobs import RenderedVariant
from imaged.workers.wire import GO, STOP, DetailsHead, FactsHead, Kind, Message, MessageError, RenderedHead, parse
from imaged.workers.wire_variants import encode_variants
from imaged.workers.workers import Emit

NO_PICTURE = Path(os.devnull)
"""The original of a job that has none."""


class WorkerJob(Protocol):
    """One job. A second worker may get it after the first has died. On the thread that drives the worker."""

    kind: Kind
    source: Path
    last: RenderedVariant | None

    def head(self, within_s: float) -> dict[str, Any]:
        """Return what to ask of a worker that has this many seconds."""

    def take(self, message: Message) -> bytes | None:
        """Take an answer; return what to send back. Raises MessageError for one that no job of this kind has."""

    @property
    def is_complete(self) -> bool:
        """Whether a worker may end the job without an error."""


class RenderWork:
    """Renders variants; `emit` gets each, as it is ready, but for the `last`, which comes with the end of the job."""

    kind = Kind.RENDER

    def __init__(
        self, formats: Formats, source: Path, variants: Sequence[Variant], request_id: str | None, emit: Emit
    ) -> None:
        self.source = source
        self._formats = formats
        self._missing = list(variants)
        self._request_id = request_id
        self._emit = emit
        self._asked: list[Variant] = []
        self._began_s = 0.0
        self._is_stopped = False
        self.last: RenderedVariant | None = None

    def head(self, within_s: float) -> dict[str, Any]:
        """Ask for the variants that no worker has made yet."""
        self._asked, self._began_s = list(self._missing), monotonic()
        return encode_variants(self._asked) | {"timeout_s": within_s, "request_id": self._request_id}

    def take(self, message: Message) -> bytes | None:
        """Emit a variant, if it is one of the job's and of its format."""
        head: RenderedHead = parse(RenderedHead, message, Kind.RENDERED)
        variant = self._asked[head.index] if head.index < len(self._asked) else None
        if variant is None or variant not in self._missing:
            raise MessageError(f"variant {head.index}, which it was not asked for")
        body = message.body
        if self._formats.sniff(body) != variant.format:
            raise MessageError(f"something of another format as {variant.output}")
        self._missing.remove(variant)
        spans_s = credible(head.spans_s, self._began_s)
        rendered = RenderedVariant(variant.output, body, monotonic() - self._began_s, spans_s)
        if not self._missing:
            self.last = rendered
            return None
        wanted = self._emit(rendered)
        self._is_stopped = not wanted
        return GO if wanted else STOP

    @property
    def only_avif(self) -> bool:
        """Whether all variants that are missing are AVIFs: they take long, and say little about the picture."""
        return bool(self._missing) and all(variant.format == AVIF for variant in self._missing)

    def leave_out_avif(self) -> bool:
        """Leave out the AVIFs that are missing, unless no other variant is."""
        if self.only_avif:
            return False
        self._missing = [variant for variant in self._missing if variant.format != AVIF]
        return True

    @property
    def is_complete(self) -> bool:
        """Whether all variants are made, or no more are wanted."""
        return self._is_stopped or not self._missing


class IdentifyWork:
    """Reads a header; `facts` has what it says."""

    kind = Kind.IDENTIFY
    last: RenderedVariant | None = None

    def __init__(self, formats: Formats, source: Path) -> None:
        self.source = source
        self._formats = formats
        self.facts: ImageFacts | None = None
        self._format: Format | None = None

    def head(self, within_s: float) -> dict[str, Any]:
        """Ask for the facts. Raises StoreError when the file cannot be read."""
        self._format = sniff_file(self.source, self._formats)
        return {"timeout_s": within_s, "request_id": None}

    def take(self, message: Message) -> None:
        """Take the facts, if they are of the format that the daemon itself finds."""
        head: FactsHead = parse(FactsHead, message, Kind.FACTS)
        format = self._formats.reads[head.format] if head.format < len(self._formats.reads) else None
        if format is None or format != self._format:  # the original is served as that
            raise MessageError("facts of another format than that of the file")
        self.facts = ImageFacts(format, Size(head.width_px, head.height_px), head.frames)

    @property
    def is_complete(self) -> bool:
        """Whether the facts have come."""
        return self.facts is not None


class LookWork:
    """Verifies an original (VERIFY) or looks at it (DESCRIBE); `details` has what the worker tells, or None.

    While it `detects`, the detectors of the generation look, too.
    """

    is_complete = True
    last: RenderedVariant | None = None

    def __init__(self, kind: Kind, source: Path, request_id: str | None, *, detects: bool = False) -> None:
        self.kind = kind
        self.source = source
        self.detects = detects
        self.details: ImageDetails | None = None
        self._request_id = request_id

    def head(self, within_s: float) -> dict[str, Any]:
        """Ask for the details."""
        return {"timeout_s": within_s, "request_id": self._request_id, "detects": self.detects}

    def take(self, message: Message) -> None:
        """Take the details, if they are sound."""
        head: DetailsHead = parse(DetailsHead, message, Kind.DETAILS)
        details = ImageDetails(**head.model_dump() | {"focal_point": FocalPoint(*head.focal_point)})
        if not details.is_sound:
            raise MessageError("details of a picture that are not sound")
        self.details = details


class CheckWork:
    """Has the processors check their own protections: an error or none."""

    kind = Kind.SELF_CHECK
    source = NO_PICTURE
    is_complete = True
    last: RenderedVariant | None = None

    def head(self, within_s: float) -> dict[str, Any]:
        """Ask for the error."""
        return {"timeout_s": within_s, "request_id": None}

    def take(self, message: Message) -> None:
        """Take nothing."""
        raise MessageError(f"a message of the kind {message.kind.name}, which this job does not have")


def credible(spans_s: Mapping[str, float], since_s: float) -> dict[str, float]:
    """Return the spans of a job, none of them longer than it has taken since a time of the monotonic clock."""
    longest_s = monotonic() - since_s
    return {name: min(spans_s[name], longest_s) for name in SPANS if name in spans_s}
