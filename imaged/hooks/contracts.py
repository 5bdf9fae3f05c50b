"""What a plugin's objects must do. Hooks run once for each generation; a request only ever calls these methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from imaged.core.events import Event
from imaged.core.formats import Format
from imaged.core.outputs import Output
from imaged.core.perception.regions import Region
from imaged.core.pictures import ImageFacts
from imaged.core.samples import Sample
from imaged.core.snapshot import Snapshot
from imaged.core.variants import Variant


@dataclass(frozen=True)
class RenderJob:
    """Several outputs of one original, so that one decode serves them all.

    `source` is the original's file, `facts` what `identify` said of it. A render that has not ended after
    `timeout_s` seconds should give up with OutOfTimeError; `maximum_pixels` bounds width x height x frames of what is
    read and of each output; a still of an animation needs its first frame alone.
    """

    source: Path
    facts: ImageFacts
    variants: tuple[Variant, ...]
    timeout_s: float
    maximum_pixels: int


@dataclass(frozen=True)
class Rendered:
    """The finished bytes of one output of a job."""

    output: Output
    body: bytes


@runtime_checkable
class Processor(Protocol):
    """Reads and renders pictures.

    Called in worker processes, by one job at a time; with `render.isolation: thread` on worker threads, several at
    once. Blocking is fine, the reactor must not be touched. Upright, sRGB, stripped outputs are the processor's duty.
    """

    detail: str
    """The engine and its version, for the status page."""

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header of `source` says, without decoding pixels.

        Raises NotAPictureError for what it does not read or finds broken, TooLargeError for what is absurdly large, and
        StoreError when the file cannot be read.
        """

    def accepts(self, job: RenderJob) -> bool:
        """Say whether this processor renders such jobs. Pure and quick; the first that accepts gets the job."""

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Yield each output of the job once, as it is ready.

        Raises DeclinedError before the first output to leave the job to the next processor that accepts it.

        Raises NotAPictureError (broken), TooLargeError (too many pixels), PolicyError (the format cannot hold the
        size), OutOfTimeError, BusyError (out of memory that may be free later).
        """


@runtime_checkable
class FormatProcessor(Protocol):
    """A processor that lists its formats. Without these attributes, it reads and writes JPEG, PNG, GIF and WebP.

    The daemon calls it only for the formats that it lists. Formats other than those four are served only where the
    setting `images.extensions` lists them.
    """

    reads: tuple[Format, ...]
    """The formats of originals that `identify` and `render` take."""

    writes: tuple[Format, ...]
    """The formats of outputs that `render` makes."""


@runtime_checkable
class VerifyingProcessor(Protocol):
    """A processor that checks the pixels of an original before the daemon keeps it."""

    def verify(self, job: RenderJob) -> None:
        """Decode the original of a job without variants, as cheaply as possible, and discard the result.

        Called once for each original that a client sends. Raises the errors of `render`. After a DeclinedError, the
        next processor verifies it.
        """


@runtime_checkable
class SamplingProcessor(Protocol):
    """A processor that gives a small picture of an original, from which imaged computes what info.json tells."""

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return the first frame of a job without variants, in the size of an output that fits into the square.

        A processor that also has `verify` makes its checks here, too: of a new original, the daemon calls `sample`
        alone, so that it is decoded once. Raises the errors of `render`. After a DeclinedError, the next processor
        gives the sample.
        """


@runtime_checkable
class Detector(Protocol):
    """Finds what a smart crop should show: faces, or other objects.

    Called where processors are, once for each original. It gets pixels only; it needs no file after its hook has
    returned, and a worker process lets it open few.
    """

    detail: str
    """The engine and its version, for the status page."""

    side_px: int
    """The side of the square that its samples fit into, 16 to 1024."""

    def detect(self, sample: Sample) -> Sequence[Region]:
        """Return a list of the regions that it finds, within the sample; an empty one if there are none.

        Raises nothing: the log names a plugin that does, and its picture is cropped as if it had found nothing.
        """


@runtime_checkable
class SelfCheckingProcessor(Protocol):
    """A processor that tries its own protections, for `imaged check --deep`."""

    def self_check(self) -> Sequence[str]:
        """Try what must be impossible, and return what was possible, each in a few words: nothing if all is well.

        Called on a worker in which nothing renders. Takes a few seconds at most.
        """


@runtime_checkable
class Uploader(Protocol):
    """Keeps files in a remote store.

    Called on the reactor thread: async, never blocking. A failure is raised as StoreError, and as StoreUnavailableError
    when no other key would fare better. Each call ends within a minute or so, even when the store hangs. `key` is a
    relative path with `/` between its parts.
    """

    identity: str
    """Which store this is: its address, and the bucket, account or folder there, and nothing else.

    What has been uploaded is remembered by it. So it changes when, and only when, files go to another place: it has no
    version, no credentials, and no words for show, which are for `detail`.
    """

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Keep the file at `path` under `key`, replacing what was there; return when it is safely kept."""

    async def download(self, key: str, path: Path) -> bool:
        """Write what `key` holds to `path` and return True; return False when there is no such key."""

    async def list(self, prefix: str) -> Sequence[str]:
        """Return every key that begins with `prefix`, sorted."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove these keys; one that is not there is no error."""


@runtime_checkable
class ConditionalUploader(Protocol):
    """An uploader that downloads an object only if it is another version than a known one, and not too large.

    Origins read buckets by it. An uploader without it downloads the whole object each time.
    """

    async def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """Write what `key` holds to `path`, unless its version is `known`, and return its version.

        A version is a text such as an ETag: up to 500 printable ASCII characters, another one for other bytes. It is
        empty where the store has none; `known` is empty where none is known, and the object is then always written.
        Returns None when there is no such key. Raises TooLargeError for more than `maximum_bytes`, without downloading
        more than that.
        """


@runtime_checkable
class Purger(Protocol):
    """Removes answers from the caches before imaged, such as those of a CDN.

    Called on the reactor thread: async, never blocking. Each call ends within a minute or so, even when a cache hangs.
    """

    async def purge(self, tag: str, paths: Sequence[str]) -> None:
        """Remove the answers of one picture from each cache; return when the caches have confirmed.

        `tag` is what the answers have in `Cache-Tag` and in `Surrogate-Key`: up to 97 letters, digits, `_` and `-`. A
        cache that knows tags needs no paths. `paths` are the paths of the answers that imaged knows of, up to some
        thousands, each with a slash at its beginning and without a query; a cache may have others of the same picture.

        An answer that a cache does not have is no error. Raises StoreError for what may succeed later. imaged then
        repeats the call, also after a restart; a call may be repeated that has succeeded.
        """


@runtime_checkable
class MetricsSink(Protocol):
    """Counts events.

    The daemon calls each sink on the sink's own thread, one call at a time; a call may block. A sink that also sends
    its figures periodically is a FlushingSink, one that answers scrapes is an ExposingSink.
    """

    def record(self, event: Event) -> None:
        """Count `event`. Events come in order, a moment after they happened.

        While a call hangs, up to 10,000 events wait. Further events never reach the sink, and are counted as lost.
        """


@runtime_checkable
class FlushingSink(Protocol):
    """A metrics sink that sends its figures periodically."""

    flush_every_s: float
    """The time between two calls of `flush`, in seconds."""

    def flush(self) -> bool | None:
        """Send the figures. Return False if there was nothing to send: an earlier fault then still stands.

        Called on the thread of `record`, also if no event came, and a last time before `close`.
        """


@runtime_checkable
class ExposingSink(Protocol):
    """A metrics sink that answers scrapes of `/metrics` on the status port."""

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return a content type and a body. Called on the thread of `record`, after every event so far.

        `snapshot` is the state of the daemon at this moment, `accept` the request's header of that name or "".
        """
