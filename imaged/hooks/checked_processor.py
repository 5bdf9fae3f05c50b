"""A processor behind checks: what breaks the contract becomes an error that names the plugin."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from imaged.core.errors import DeclinedError, ImagedError, PluginFailedError, StoreError
from imaged.core.formats import FORMATS, SNIFF_BYTES, Format, Formats
from imaged.core.geometry import Size, plan
from imaged.core.outputs import Fit, Output
from imaged.core.perception.profile_names import is_profile_name
from imaged.core.pictures import ImageFacts
from imaged.core.samples import Sample
from imaged.core.variants import Variant
from imaged.hooks.boundary import kind_of, plugin_boundary, refuse
from imaged.hooks.contracts import (
    Processor,
    Rendered,
    RenderJob,
    SamplingProcessor,
    SelfCheckingProcessor,
    VerifyingProcessor,
)

QUICK_S = 5.0
"""How long `accepts` and the end of a render may take before the log names the plugin."""

IDENTIFY_S = 30.0
"""The same for `identify`: a header may be at the end of a large file on a slow disk."""

SELF_CHECK_S = 20.0
"""The same for `self_check`."""

GRACE_S = 5.0
"""How long a render may take to give up after its deadline, before the log names the plugin and the clients get an
error."""

_END = object()


class CheckedProcessor:
    """Calls `processor`, the plugin `name` of the YAML file, and checks what it returns. Workers only.

    It reads and writes its `own` formats; `formats` are those of all processors. `detail` is what it says about itself.
    Each method raises PluginFailedError, with the plugin's name, for an object or an error that the contract excludes.
    """

    def __init__(
        self,
        name: str,
        processor: Processor,
        own: Formats = FORMATS,
        formats: Formats = FORMATS,
        detail: str = "",
    ) -> None:
        self.name = name
        self.detail = detail
        self._processor: Any = processor  # plugins may be untyped
        self._own = own
        self._formats = formats

    def identify(self, source: Path) -> ImageFacts | None:
        """Return what the processor says about a picture; return None, uncalled, for a format that it does not list."""
        called = self._called("identify")
        format = sniff_file(source, self._formats)
        if format is not None and format not in self._own.reads:
            return None
        with plugin_boundary(called, IDENTIFY_S, source):
            facts = self._processor.identify(source)
        if not isinstance(facts, ImageFacts):
            raise refuse(called, f"it returned {kind_of(facts)}, not ImageFacts")
        if facts.format != format:  # the daemon will serve the original as that
            raise refuse(called, "the format that it returned is not that of the file")
        if not all(type(n) is int and n > 0 for n in (facts.size.width_px, facts.size.height_px, facts.frames)):
            raise refuse(called, "width, height and frames that it returned are not all whole numbers from 1")
        return facts

    def accepts(self, job: RenderJob) -> bool:
        """Return whether the processor renders such jobs. It is only asked about formats that it reads and writes."""
        if job.facts.format not in self._own.reads or not {each.format for each in job.variants} <= {*self._own.writes}:
            return False
        called = self._called("accepts")
        with plugin_boundary(called, QUICK_S):
            accepts = self._processor.accepts(job)
        if not isinstance(accepts, bool):
            raise refuse(called, f"it returned {kind_of(accepts)}, not True or False")
        return accepts

    @property
    def verifies(self) -> bool:
        """Whether the processor checks the pixels of originals before the daemon keeps them."""
        return isinstance(self._processor, VerifyingProcessor)

    def verify(self, job: RenderJob) -> None:
        """Have the processor check an original; raise its error."""
        called = self._called("verify")
        with plugin_boundary(called, job.timeout_s + GRACE_S, job.source):
            returned = self._processor.verify(job)
        if returned is not None:  # False would mean a bad original, and a coroutine has checked nothing
            raise refuse(called, f"it returned {kind_of(returned)}, not None: say what is wrong by an error")

    @property
    def samples(self) -> bool:
        """Whether the processor gives small pictures of originals."""
        return isinstance(self._processor, SamplingProcessor)

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return a small picture of an original."""
        called = self._called("sample")
        with plugin_boundary(called, job.timeout_s + GRACE_S, job.source):
            sample = self._processor.sample(job, side_px)
        if not isinstance(sample, Sample):
            raise refuse(called, f"it returned {kind_of(sample)}, not Sample")
        planned = plan(job.facts.size, Fit(side_px, side_px)).size
        rgba, transparency = cast("Any", sample.rgba), cast("Any", sample.transparency)
        if sample.size != planned or not isinstance(rgba, bytes) or len(rgba) != 4 * planned.pixels:
            raise refuse(called, f"its sample does not have the {planned} pixels of its plan, 4 bytes each")
        if not isinstance(transparency, bool) or not is_profile_name(sample.profile):
            raise refuse(
                called, "its sample's transparency is not True or False, or its profile's name is no short text"
            )
        if type(sample.orientation) is not int or sample.orientation not in range(1, 9):
            raise refuse(called, "its sample's orientation is not 1 to 8")
        return sample

    @property
    def checks_itself(self) -> bool:
        """Whether the processor tries its own protections."""
        return isinstance(self._processor, SelfCheckingProcessor)

    def self_check(self) -> None:
        """Have the processor try its own protections. Raises PluginFailedError, which lists what they let through."""
        called = self._called("self_check")
        with plugin_boundary(called, SELF_CHECK_S):
            allowed = self._processor.self_check()
        if not isinstance(allowed, list | tuple) or not all(isinstance(each, str) for each in allowed):
            raise refuse(called, f"it returned {kind_of(allowed)}, not a list of texts")
        if allowed:
            raise PluginFailedError(f"{self.name} allows {', '.join(allowed)}")

    def render(self, job: RenderJob) -> Generator[Rendered, None, None]:
        """Yield the outputs of a job: each once, all of them, in their own formats and sizes.

        The processor's generator is closed on this thread: it may hold objects that no other thread may use.
        """
        called = self._called(f"render of {_listed(job)}")
        within_s = job.timeout_s + GRACE_S
        with plugin_boundary(called, within_s, job.source):
            outputs = iter(self._processor.render(job))
        missing = {variant.output: variant for variant in job.variants}
        try:
            while True:
                with plugin_boundary(called, within_s, job.source):
                    try:
                        rendered = next(outputs, _END)
                    except DeclinedError as error:
                        if len(missing) < len(job.variants):
                            raise refuse(called, "it declined the job after its first output") from error
                        raise
                if rendered is _END:
                    break
                if not isinstance(rendered, Rendered):
                    raise refuse(called, f"it yielded {kind_of(rendered)}, not Rendered")
                with plugin_boundary(called, QUICK_S):  # `read_header` of a brought format is the plugin's code
                    wrong = self._find_wrong(rendered, missing, job.facts.size)
                if wrong:
                    raise refuse(called, wrong)
                del missing[rendered.output]
                yield rendered
        finally:
            self._end(outputs)
        if missing:
            raise refuse(called, f"it ended without {', '.join(map(str, missing))}")

    def _end(self, outputs: Iterator[object]) -> None:
        if isinstance(outputs, Generator):
            called = self._called("the end of a render")
            with suppress(ImagedError), plugin_boundary(called, QUICK_S):  # it is logged, and the outputs are good
                outputs.close()

    def _find_wrong(self, rendered: Rendered, missing: Mapping[Output, Variant], original: Size) -> str | None:
        """Return what is wrong with an output of a render, or None."""
        output, body, variant = rendered.output, cast("Any", rendered.body), missing.get(rendered.output)
        if variant is None:
            return f"it yielded {output}, which is not one of the job's, or came before"
        if not isinstance(body, bytes):
            return f"{output} is {kind_of(body)}, not bytes"
        if (found := self._formats.sniff(body)) != variant.format:
            return f"{output} is {found.content_type if found else 'no picture that imaged knows'}"
        planned = variant.plan(original).size
        if (size := variant.format.read_size(body)) != planned:
            has = f"{size} pixels" if size else "a header without a size"
            return f"{output} has {has}, not the {planned} of its plan"
        return None

    def _called(self, method: str) -> str:
        return f"processor {self.name}: {method}"


def sniff_file(source: Path, formats: Formats) -> Format | None:
    """Return the format that the first bytes of a file announce, or None. Raises StoreError."""
    try:
        with source.open("rb") as file:
            return formats.sniff(file.read(SNIFF_BYTES))
    except OSError as error:
        raise StoreError(f"the picture cannot be read: {error.strerror}") from error


def _listed(job: RenderJob) -> str:
    names = [str(variant.output) for variant in job.variants]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" if names else "nothing"
